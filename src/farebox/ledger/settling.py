"""Make the sums of hours and days that are quiet out of those written with the calls.

An hour's sums by dimension and by shape are made of its cells, a day's of its hours; a day's
combinations with dimensions that can have any number of values are made of its calls (combining.py).
Until then the hour and its day are stale: questions read the cells, or the calls, instead. So a call
costs a few rows when it comes, however many ways there are to ask for it. Late calls make an hour
stale again, and what is made again takes the place of what was made before.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from farebox.ledger.combining import combine_day
from farebox.ledger.database import Connection
from farebox.ledger.filter import DIMENSIONS
from farebox.ledger.inserting import Insert
from farebox.ledger.measures import MEASURES, merge, unpack
from farebox.ledger.shapes import Shapes, without_key, without_models
from farebox.ledger.tables import CELL, DAY_NS, HOUR_NS, NUMBER, SHAPE, columns_of

Entry = list[int]
"""Sums, first and last sequence number."""

_KEY_AT = CELL.index("key")
_WIDTH = len(MEASURES)
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


@functools.cache
def _replacing(table: str) -> Insert:
    return Insert(table, len(columns_of(table)), replaces=True)


def settle_hour(connection: Connection, hour: int) -> None:
    """Make the sums of one hour. The caller holds the transaction."""
    found = folded(
        (row[: len(CELL)], packed(row[len(CELL) :])) for row in connection.execute(_CELLS, (hour,))
    )
    number_of = Shapes(connection).number
    for table, rows in found.tables(hour, number_of):
        _replacing(table).run(connection, rows)
    connection.execute("DELETE FROM stale_hour WHERE hour = ?", (hour,))


def settle_day(connection: Connection, day: int) -> None:
    """Make the sums of one day, none of whose hours is stale. The caller holds the transaction."""
    for statement, parameters in _statements(day):
        connection.execute(statement, parameters)
    combine_day(connection, day)
    connection.execute("DELETE FROM stale_day WHERE day = ?", (day,))


def _statements(day: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    hours = (day * 24, day * 24 + 23)
    for number in range(len(DIMENSIONS) + 1):
        yield (
            _made("day_value", "dimension, ?, value", "hour_value WHERE dimension = ? AND hour", "3"),
            (day, number, *hours),
        )
    yield _made("day_cell", "?, cell", "hour_cell WHERE hour", "2"), (day, *hours)
    yield _made("day_shape", "?, shape", "hour_shape WHERE hour", "2"), (day, *hours)
    yield _made("day_key_shape", "?, key, shape", "hour_key_shape WHERE hour", "2, 3"), (day, *hours)
    yield (
        _made("day_model_key", "day, model, key", "day_cell JOIN cell ON id = cell WHERE day", "2, 3"),
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


class Folded:
    """What is made of an hour's cells."""

    def __init__(self) -> None:
        self.values: dict[tuple[int, str], Entry] = {}
        self.shapes: dict[tuple[str, ...], Entry] = {}
        self.keys: dict[tuple[str, tuple[str, ...]], int] = {}

    def tables(
        self, hour: int, number_of: Callable[[tuple[str, ...]], int]
    ) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
        """Yield each table and its rows; `number_of` gives a shape's number."""
        yield (
            "hour_value",
            [
                (dimension, hour, value, *unpack(sums), first, last)
                for (dimension, value), (sums, first, last) in sorted(self.values.items())
            ],
        )
        yield (
            "hour_shape",
            sorted((hour, number_of(shape), *unpack(entry[0])) for shape, entry in self.shapes.items()),
        )
        yield (
            "hour_key_shape",
            sorted((hour, key, number_of(shape), *unpack(sums)) for (key, shape), sums in self.keys.items()),
        )


def folded(cells: Iterable[tuple[Sequence[str], Entry]]) -> Folded:
    """Return an hour's sums by each dimension of a cell, by shape, and by key and shape."""
    found = Folded()
    values, shapes, keys = found.values, found.shapes, found.keys
    key_number = NUMBER["key"]
    places: dict[Sequence[str], tuple[str, ...]] = {}
    for cell, entry in cells:
        key, shape = cell[_KEY_AT], without_key(cell)
        merge(values, (key_number, key), entry)
        merge(shapes, shape, entry)
        open_shape = places.get(shape)
        if open_shape is None:
            open_shape = places[shape] = without_models(shape)
        place = (key, open_shape)
        keys[place] = keys.get(place, 0) + entry[0]
    for shape, entry in shapes.items():
        for name, value in zip(SHAPE, shape, strict=True):
            merge(values, (NUMBER[name], value), entry)
    return found
