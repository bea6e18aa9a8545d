"""Make the sums of hours and days that are quiet out of those written with the calls.

An hour's sums by dimension and by pair are made of its cells, a day's of its hours. Until then
the hour and its day are stale: questions read the cells instead. So a call costs a few rows when
it comes, however many ways there are to ask for it. Late calls make an hour stale again, and what
is made again takes the place of what was made before.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from farebox.ledger.database import Connection
from farebox.ledger.filter import DIMENSIONS
from farebox.ledger.measures import MEASURES, unpack
from farebox.ledger.rollup import Entry, Sums, merge
from farebox.ledger.tables import (
    CELL,
    DAILY_PAIR,
    DAY_NS,
    HOUR_NS,
    HOURLY_PAIRS,
    NUMBER,
    PAIRS,
    columns_of,
    replace_sql,
)

_KEY_AT = CELL.index("key")
_WIDTH = len(MEASURES)
_PAIRS_OF_KEY = [
    (number, CELL.index(first)) for (first, second), number in HOURLY_PAIRS.items() if second == "key"
]
_OTHER_PAIRS = [
    (number, CELL.index(first), CELL.index(second))
    for (first, second), number in HOURLY_PAIRS.items()
    if second != "key"
]
_CELLS = (
    f"SELECT {', '.join(CELL)}, {', '.join(MEASURES)}, first_seq, last_seq "  # noqa: S608 - constants
    "FROM hour_cell JOIN cell ON id = cell WHERE hour = ?"
)
_SUMMED = ", ".join(f"sum({name})" for name in MEASURES)
_LANE = 64


QUIET_NS = 10_000_000_000
"""How long nothing may have come for an hour that is over before its sums are made."""

_HOURS_AT_A_TIME = 4

_DUE_HOURS = "SELECT hour FROM stale_hour WHERE hour < ? AND touched_at <= ? ORDER BY hour LIMIT ?"
_DUE_DAY = (
    "SELECT day FROM stale_day WHERE day < ? AND NOT EXISTS "
    "(SELECT 1 FROM stale_hour WHERE hour BETWEEN day * 24 AND day * 24 + 23) ORDER BY day LIMIT 1"
)


def settle(connection: Connection, now_ns: int, quiet_ns: int = QUIET_NS) -> bool:
    """Make the sums of a few hours, or of a day, that are over and quiet; tell whether there were any."""
    due = (now_ns // HOUR_NS, now_ns - quiet_ns, _HOURS_AT_A_TIME)
    hours = connection.execute(_DUE_HOURS, due).fetchall()
    day = None if hours else connection.execute(_DUE_DAY, (now_ns // DAY_NS,)).fetchone()
    if not hours and day is None:
        return False
    with connection:
        for (hour,) in hours:
            settle_hour(connection, hour)
        if day is not None:
            settle_day(connection, day[0])
    return True


def stale_hours(connection: Connection) -> list[int]:
    """Return the hours whose sums by dimension and pair are not made, oldest first."""
    return [hour for (hour,) in connection.execute("SELECT hour FROM stale_hour ORDER BY hour")]


def stale_days(connection: Connection) -> list[int]:
    """Return the days whose sums are not made, oldest first."""
    return [day for (day,) in connection.execute("SELECT day FROM stale_day ORDER BY day")]


def settle_hour(connection: Connection, hour: int) -> None:
    """Make the sums of one hour. The caller holds the transaction."""
    values, pairs = folded(
        (row[: len(CELL)], packed(row[len(CELL) :])) for row in connection.execute(_CELLS, (hour,))
    )
    connection.executemany(replace_sql("hour_value"), value_rows(hour, values))
    connection.executemany(replace_sql("hour_pair"), pair_rows(hour, pairs))
    connection.execute("DELETE FROM stale_hour WHERE hour = ?", (hour,))


def settle_day(connection: Connection, day: int) -> None:
    """Make the sums of one day out of its hours, none of which is stale. The caller holds the transaction."""
    for statement, parameters in _statements(day):
        connection.execute(statement, parameters)
    connection.execute("DELETE FROM stale_day WHERE day = ?", (day,))


def _statements(day: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    hours = (day * 24, day * 24 + 23)
    for number in range(len(DIMENSIONS) + 1):
        yield (
            _made("day_value", "dimension, ?, value", "hour_value WHERE dimension = ? AND hour", "3"),
            (day, number, *hours),
        )
    for number in HOURLY_PAIRS.values():
        yield (
            _made("day_pair", "pair, ?, a, b", "hour_pair WHERE pair = ? AND hour", "3, 4"),
            (day, number, *hours),
        )
    yield _made("day_cell", "?, cell", "hour_cell WHERE hour", "2"), (day, *hours)
    a, b = DAILY_PAIR
    yield (
        _made(
            "day_pair",
            f"{PAIRS[DAILY_PAIR]}, day, {a}, {b}",
            "day_cell JOIN cell ON id = cell WHERE day",
            "3, 4",
        ),
        (day, day),
    )


def _made(table: str, key: str, source: str, groups: str) -> str:
    return (
        f"INSERT OR REPLACE INTO {table} ({', '.join(columns_of(table))}) "  # noqa: S608 - constants
        f"SELECT {key}, {_SUMMED} FROM {source} BETWEEN ? AND ? GROUP BY {groups}"
    )


def packed(values: Sequence[int]) -> Entry:
    """Return sums and the span behind them as they are added up in memory."""
    total = 0
    try:
        total = int.from_bytes(_PACK(*values[:_WIDTH]), "little")
    except struct.error:  # below nought: there are corrections
        total = sum(value << (_LANE * lane) for lane, value in enumerate(values[:_WIDTH]))
    return [total, *values[_WIDTH:]]


_PACK = struct.Struct(f"<{_WIDTH}Q").pack


def folded(cells: Iterable[tuple[Sequence[str], Entry]]) -> tuple[dict[tuple[int, str], Entry], Sums]:
    """Return an hour's sums by each dimension and by each pair."""
    values: dict[tuple[int, str], Entry] = {}
    pairs: Sums = {}
    rest: dict[tuple[str, ...], Entry] = {}
    key_number = NUMBER["key"]
    for cell, entry in cells:
        key, amount = cell[_KEY_AT], entry[0]
        merge(values, (key_number, key), entry)
        for pair, at in _PAIRS_OF_KEY:
            place = (pair, cell[at], key)
            pairs[place] = pairs.get(place, 0) + amount
        merge(rest, (*cell[:_KEY_AT], "", *cell[_KEY_AT + 1 :]), entry)
    for shape, entry in rest.items():
        for name, value in zip(CELL, shape, strict=True):
            if name != "key":
                merge(values, (NUMBER[name], value), entry)
        for pair, a, b in _OTHER_PAIRS:
            place = (pair, shape[a], shape[b])
            pairs[place] = pairs.get(place, 0) + entry[0]
    return values, pairs


def value_rows(hour: int, values: dict[tuple[int, str], Entry]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `hour_value`."""
    for (dimension, value), (sums, first, last) in sorted(values.items()):
        yield (dimension, hour, value, *unpack(sums), first, last)


def pair_rows(hour: int, pairs: Sums) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `hour_pair`."""
    for (pair, a, b), sums in sorted(pairs.items()):
        yield (pair, hour, a, b, *unpack(sums))
