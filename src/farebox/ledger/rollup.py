"""Sum a batch of calls in memory, then add the sums to the tables in the same transaction.

The tables stay narrow on purpose: one dimension at a time by hour and by day, pairs of those with
few values, and three combinations people ask for. A cube of all dimensions grows as large as the
calls themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from farebox.ledger.database import Connection
from farebox.ledger.entries import COLUMN, Values
from farebox.ledger.filter import DIMENSIONS, OTHER
from farebox.ledger.measures import MEASURES, lanes, unpack

MINUTE_NS = 60_000_000_000
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS

VALUES_PER_DAY_MAX = 10_000
"""What a dimension may have before the rest of its values that day are counted as `(other)`."""

ALL = 0
"""The number of the dimension with one value, all calls."""

NUMBER = {name: number for number, name in enumerate(DIMENSIONS, 1)}
"""The number that stands for a dimension in the tables."""

_AT = {name: COLUMN["key_fingerprint" if name == "key" else name] for name in DIMENSIONS}
"""Each dimension's column."""

_SEQ, _OCCURRED = COLUMN["seq"], COLUMN["occurred_at"]
_LANES_OF = [
    COLUMN[name]
    for name in (
        "status",
        "cost_state",
        "cost_pico",
        "charge_pico",
        "input_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "output_tokens",
        "reasoning_output_tokens",
    )
]

_CELL = ("surface", "provider", "status", "cost_state", "app", "model", "key", "request_model", "outcome")
"""Dimensions that are counted together and told apart when they are written: together they still
have few values."""

_OPEN = tuple(name for name in DIMENSIONS if name not in _CELL)
"""Dimensions that can have any number of values."""

_PAIRABLE = ("surface", "provider", "status", "cost_state", "app", "model", "key")
_GROUPED = ("surface", "model", "key")
PAIRS = {
    (first, second): number
    for number, (first, second) in enumerate(
        (
            (first, second)
            for index, first in enumerate(_PAIRABLE)
            for second in _PAIRABLE[index + 1 :]
            if first in _GROUPED or second in _GROUPED
        ),
        1,
    )
}
"""Two dimensions that are counted together, the one with fewer values first, and their number."""

_KEY_AT = _CELL.index("key")
_PAIRS_OF_KEY = [(number, _CELL.index(first)) for (first, second), number in PAIRS.items() if second == "key"]
_OTHER_PAIRS = [
    (number, _CELL.index(first), _CELL.index(second))
    for (first, second), number in PAIRS.items()
    if second != "key"
]

_KEYS = {
    "minute_model": ("minute", "provider", "model"),
    "day_project_model": ("day", "project", "provider", "model"),
    "day_customer_model": ("day", "customer", "provider", "surface", "model"),
    "hour_pair": ("pair", "hour", "a", "b"),
    "day_pair": ("pair", "day", "a", "b"),
    "day_value": ("dimension", "day", "value"),
    "hour_value": ("dimension", "hour", "value"),
}
"""Every table of sums and its key."""

_PER_DAY = {"minute": 1440, "hour": 24, "day": 1}
BUCKETS = {
    table: next((name, _PER_DAY[name]) for name in key if name in _PER_DAY) for table, key in _KEYS.items()
}
"""Every table of sums, the column with its bucket, and how many of these a day has."""

Sums = dict[Any, int]
_Entry = list[int]
"""Sums, first and last sequence number."""
_Merged = dict[tuple[int, str], _Entry]
"""By dimension and value."""


def upsert_sql(table: str) -> str:
    """Return the statement that adds sums to one row of `table`."""
    keys = _KEYS[table]
    columns = [*keys, *MEASURES]
    adding = [f"{name} = {name} + excluded.{name}" for name in MEASURES]
    if table == "hour_value":
        columns += ["first_seq", "last_seq"]
        adding += ["first_seq = min(first_seq, excluded.first_seq)", "last_seq = excluded.last_seq"]
    marks = ", ".join("?" * len(columns))
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) "  # noqa: S608 - names from constants
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {', '.join(adding)}"
    )


class AdmittedValues:
    """Which values of each dimension have their own sums on a day."""

    def __init__(self, connection: Connection, limit: int = VALUES_PER_DAY_MAX) -> None:
        self._connection = connection
        self._limit = limit
        self._days: dict[int, dict[str, Names]] = {}

    def of(self, day: int) -> dict[str, Names]:
        """Return what the values of each dimension are counted under on a day."""
        known = self._days.get(day)
        if known is None:
            if len(self._days) >= 3:  # late calls are few; two days are all that is usual
                self._days.pop(next(iter(self._days)))
            known = self._days[day] = {
                name: Names(self._load(number, day), self._limit) for name, number in NUMBER.items()
            }
        return known

    def forget(self) -> None:
        """Drop everything, after a transaction was rolled back."""
        self._days.clear()

    def _load(self, dimension: int, day: int) -> set[str]:
        statement = "SELECT value FROM day_value WHERE dimension = ? AND day = ? AND value <> ?"
        return {value for (value,) in self._connection.execute(statement, (dimension, day, OTHER))}


class Names(dict["str | int | None", str]):
    """What each value of one dimension is counted under on one day."""

    def __init__(self, known: set[str], limit: int) -> None:
        super().__init__()
        self._known = known
        self._limit = limit

    def __missing__(self, value: str | int | None) -> str:
        text = "" if value is None else str(value)
        if text not in self._known:
            if len(self._known) >= self._limit:
                return OTHER
            self._known.add(text)
        if type(value) is not str:
            self[value] = text
        else:
            self[value] = value
        return text


class _Tracked:
    """Sums by a value, and the first and last row that has it."""

    __slots__ = ("first", "last", "sums")

    def __init__(self) -> None:
        self.sums: Sums = {}
        self.first: dict[Any, int] = {}
        self.last: dict[Any, int] = {}

    def add(self, values: Sequence[Any], lanes_of: Sequence[int], seqs: Sequence[int]) -> None:
        """Add a batch, column by column: most of it never leaves the interpreter's own C."""
        sums, first = self.sums, self.first
        for value, amount, seq in zip(values, lanes_of, seqs, strict=True):
            if value in sums:
                sums[value] += amount
            else:
                sums[value] = amount
                first[value] = seq
        self.last.update(zip(values, seqs, strict=True))


class _Hour:
    """One hour's sums by the calls' own values; `(other)` is decided when they are written."""

    __slots__ = ("cells", "customer_model", "minute_model", "open", "project_model")

    def __init__(self) -> None:
        self.cells = _Tracked()
        self.open = {name: _Tracked() for name in _OPEN}
        self.minute_model: Sums = {}
        self.project_model: Sums = {}
        self.customer_model: Sums = {}

    def add(self, columns: Sequence[Sequence[Any]]) -> None:
        """Add calls of this hour, given as columns."""
        seqs = columns[_SEQ]
        amounts = list(map(lanes, *[columns[at] for at in _LANES_OF]))
        self.cells.add(list(zip(*[columns[_AT[name]] for name in _CELL], strict=True)), amounts, seqs)
        for name, table in self.open.items():
            table.add(columns[_AT[name]], amounts, seqs)
        provider, surface, model = [columns[_AT[name]] for name in ("provider", "surface", "model")]
        minutes = [moment // MINUTE_NS for moment in columns[_OCCURRED]]
        _count_all(self.minute_model, zip(minutes, provider, model, strict=True), amounts)
        projects = columns[_AT["project"]]
        _count_all(self.project_model, zip(projects, provider, model, strict=True), amounts)
        customers = columns[_AT["customer"]]
        _count_all(self.customer_model, zip(customers, provider, surface, model, strict=True), amounts)


class RollUp:
    """The sums of one transaction."""

    def __init__(self, admitted: AdmittedValues) -> None:
        self._admitted = admitted
        self._hours: dict[int, _Hour] = {}

    def add(self, rows: Sequence[Values]) -> None:
        """Add calls, given as the values of `COLUMNS` and maybe more."""
        hours: dict[int, list[Values]] = {}
        for row in rows:
            hours.setdefault(row[_OCCURRED] // HOUR_NS, []).append(row)
        for number, calls in hours.items():
            hour = self._hours.get(number)
            if hour is None:
                hour = self._hours[number] = _Hour()
            hour.add(list(zip(*calls, strict=True)))

    def write(self, connection: Connection) -> None:
        """Add the sums to the tables. The caller holds the transaction."""
        for table, rows in self.tables():
            connection.executemany(upsert_sql(table), rows)

    def tables(self) -> Iterator[tuple[str, Iterable[tuple[Any, ...]]]]:
        """Yield each table's name and its rows: key, sums, and what else it has."""
        days: Sums = {}
        day_pairs: Sums = {}
        combined: dict[str, Sums] = {"minute_model": {}, "day_project_model": {}, "day_customer_model": {}}
        for number, hour in self._hours.items():
            names = self._admitted.of(number // 24)
            merged, pairs = _folded(hour, names)
            yield (
                "hour_value",
                [
                    (dimension, number, value, *unpack(sums), first, last)
                    for (dimension, value), (sums, first, last) in merged.items()
                ],
            )
            yield "hour_pair", [(pair, number, a, b, *unpack(sums)) for (pair, a, b), sums in pairs.items()]
            day = number // 24
            for (dimension, value), entry in merged.items():
                _count(days, (dimension, day, value), entry[0])
            for (pair, a, b), sums in pairs.items():
                _count(day_pairs, (pair, day, a, b), sums)
            _combine(hour, day, names, combined)
        yield "day_value", _rows(days)
        yield "day_pair", _rows(day_pairs)
        for table, sums in combined.items():
            yield table, _rows(sums)


def _folded(hour: _Hour, names: dict[str, Names]) -> tuple[_Merged, Sums]:
    """Return an hour's sums by each dimension and by each pair, under the names they are counted by."""
    merged: _Merged = {}
    pairs: Sums = {}
    rest: dict[tuple[str, ...], _Entry] = {}
    cells = hour.cells
    of_cell = [names[name] for name in _CELL]
    of_key = names["key"]
    key_number = NUMBER["key"]
    for cell, sums in cells.sums.items():
        key = of_key[cell[_KEY_AT]]
        named = (*[known[value] for known, value in zip(of_cell, cell, strict=True)],)
        entry = [sums, cells.first[cell], cells.last[cell]]
        _merge(merged, (key_number, key), entry)
        for pair, at in _PAIRS_OF_KEY:
            _count(pairs, (pair, named[at], key), sums)
        _merge(rest, (*named[:_KEY_AT], "", *named[_KEY_AT + 1 :]), entry)
    for shape, entry in rest.items():
        _merge(merged, (ALL, ""), entry)
        for name, value in zip(_CELL, shape, strict=True):
            if name != "key":
                _merge(merged, (NUMBER[name], value), entry)
        for pair, a, b in _OTHER_PAIRS:
            _count(pairs, (pair, shape[a], shape[b]), entry[0])
    for name, table in hour.open.items():
        known, dimension = names[name], NUMBER[name]
        for value, sums in table.sums.items():
            _merge(merged, (dimension, known[value]), [sums, table.first[value], table.last[value]])
    return merged, pairs


def _combine(hour: _Hour, day: int, names: dict[str, Names], into: dict[str, Sums]) -> None:
    """Add an hour's combinations to those of other hours."""
    providers, models, surfaces = names["provider"], names["model"], names["surface"]
    minutes = into["minute_model"]
    for (minute, provider, model), sums in hour.minute_model.items():
        _count(minutes, (minute, providers[provider], models[model]), sums)
    projects, known = into["day_project_model"], names["project"]
    for (project, provider, model), sums in hour.project_model.items():
        _count(projects, (day, known[project], providers[provider], models[model]), sums)
    customers, known = into["day_customer_model"], names["customer"]
    for (customer, provider, surface, model), sums in hour.customer_model.items():
        key = (day, known[customer], providers[provider], surfaces[surface], models[model])
        _count(customers, key, sums)


def _merge(into: dict[Any, _Entry], key: Any, entry: _Entry) -> None:
    known = into.get(key)
    if known is None:
        into[key] = entry[:]
    else:
        known[0] += entry[0]
        if entry[1] < known[1]:
            known[1] = entry[1]
        if entry[2] > known[2]:
            known[2] = entry[2]


def _count(into: Sums, key: Any, sums: int) -> None:
    into[key] = into.get(key, 0) + sums


def _count_all(into: Sums, keys: Iterable[Any], amounts: Sequence[int]) -> None:
    get = into.get
    for key, amount in zip(keys, amounts, strict=True):
        into[key] = get(key, 0) + amount


def _rows(table: Sums) -> Iterator[tuple[Any, ...]]:
    for key, sums in table.items():
        yield (*key, *unpack(sums))
