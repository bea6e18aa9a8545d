"""Sum a batch of calls in memory, then add the sums to the tables in the same transaction.

The tables stay narrow on purpose: one dimension at a time by hour and by day, pairs of those with
few values, and three combinations people ask for. A cube of all dimensions grows as large as the
calls themselves.
"""

from __future__ import annotations

import itertools
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

_MODEL_OF_CELL = [_CELL.index(name) for name in ("provider", "surface", "model")]

OPEN = tuple(name for name in DIMENSIONS if name not in _CELL)
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
    "day_customer_key": ("day", "customer", "key"),
    "hour_pair": ("pair", "hour", "a", "b"),
    "day_pair": ("pair", "day", "a", "b"),
    "day_value": ("dimension", "day", "value"),
    "hour_value": ("dimension", "hour", "value"),
}
"""Every table of sums and its key."""

KEY_WIDTH = {table: len(key) for table, key in _KEYS.items()}
"""How many columns the key of every table of sums has; the sums follow."""

_PER_DAY = {"minute": 1440, "hour": 24, "day": 1}
BUCKETS = {
    table: next((name, _PER_DAY[name]) for name in key if name in _PER_DAY) for table, key in _KEYS.items()
}
"""Every table of sums, the column with its bucket, and how many of these a day has."""

Sums = dict[Any, int]
_Entry = list[int]
"""Sums, first and last sequence number."""
_ByModel = tuple[Sums, Sums, Sums]
"""A model's sums by minute, by project and by customer."""
_Merged = dict[tuple[int, str], _Entry]
"""By dimension and value."""


def upsert_sql(table: str) -> str:
    """Return the statement that adds sums to one row of `table`."""
    keys = _KEYS[table]
    columns = [*keys, *MEASURES]
    adding = [f"{name} = {name} + excluded.{name}" for name in MEASURES]
    if table == "hour_value":
        columns += ["first_seq", "last_seq"]
        adding += [
            "first_seq = min(first_seq, excluded.first_seq)",
            "last_seq = max(last_seq, excluded.last_seq)",
        ]
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
            if len(self._days) >= 2:  # late calls are few; two days are all that is usual
                self._days.pop(next(iter(self._days)))
            known = self._days[day] = {
                name: Names(self._load(number, day), self._limit) for name, number in NUMBER.items()
            }
        return known

    def forget(self) -> None:
        """Drop everything, after a transaction was rolled back."""
        self._days.clear()

    def _load(self, dimension: int, day: int) -> list[str]:
        statement = "SELECT value FROM day_value WHERE dimension = ? AND day = ? AND value <> ?"
        return [value for (value,) in self._connection.execute(statement, (dimension, day, OTHER))]


class Names(dict["str | int | None", str]):
    """What each value of one dimension is counted under on one day."""

    def __init__(self, known: Iterable[str], limit: int) -> None:
        super().__init__((value, value) for value in known)
        self._room = limit - len(self)

    def __missing__(self, value: str | int | None) -> str:
        text = "" if value is None else str(value)
        if text not in self:
            if self._room <= 0:
                return OTHER
            self._room -= 1
            self[text] = text
        self[value] = self[text]
        return text


class _Tracked:
    """Sums by a value, and the first and last row that has it."""

    __slots__ = ("_place", "entries")

    def __init__(self) -> None:
        self._place: dict[Any, int] = {}
        self.entries: list[_Entry] = []

    def add(self, values: Sequence[Any], amounts: Sequence[int], seqs: Sequence[int]) -> None:
        """Add a batch."""
        if values.count(values[0]) == len(values):
            (place,) = self.places(values[:1], (sum(amounts),), seqs)
            self.entries[place][2] = seqs[-1]
        else:
            self.places(values, amounts, seqs)

    def places(self, values: Iterable[Any], amounts: Iterable[int], seqs: Iterable[int]) -> list[int]:
        """Add a batch; return each value's place among the entries."""
        place, entries = self._place, self.entries
        find = place.get
        places: list[int] = []
        for value, amount, seq in zip(values, amounts, seqs, strict=False):
            at = find(value)
            if at is None:
                at = place[value] = len(entries)
                entries.append([amount, seq, seq])
            else:
                entry = entries[at]
                entry[0] += amount
                entry[2] = seq
            places.append(at)
        return places

    def values(self) -> Iterable[Any]:
        """Return every value, in the order of their places."""
        return self._place

    def items(self) -> Iterable[tuple[Any, _Entry]]:
        """Return every value and its entry."""
        return zip(self._place, self.entries, strict=True)


class _Hour:
    """One hour's sums by the calls' own values; `(other)` is decided when they are written."""

    __slots__ = ("_of_cell", "by_customer_and_key", "by_model", "cells", "open")

    def __init__(self) -> None:
        self.cells = _Tracked()
        self.open = {name: _Tracked() for name in OPEN}
        self.by_model: dict[Values, _ByModel] = {}
        self.by_customer_and_key: Sums = {}
        self._of_cell: list[_ByModel] = []
        """For each cell, the sums of its model."""

    def add(self, columns: Sequence[Sequence[Any]]) -> None:
        """Add calls of this hour, given as columns."""
        seqs = columns[_SEQ]
        amounts = list(map(lanes, *[columns[at] for at in _LANES_OF]))
        for name, table in self.open.items():
            table.add(columns[_AT[name]], amounts, seqs)
        cells = zip(*[columns[_AT[name]] for name in _CELL], strict=True)
        places = self.cells.places(cells, amounts, seqs)
        of_cell = self._tables_of_cells()
        minutes = [moment // MINUTE_NS for moment in columns[_OCCURRED]]
        projects, customers, keys = columns[_AT["project"]], columns[_AT["customer"]], columns[_AT["key"]]
        of_both = self.by_customer_and_key
        for both, amount in zip(zip(customers, keys, strict=True), amounts, strict=True):
            of_both[both] = of_both.get(both, 0) + amount
        for place, minute, project, customer, amount in zip(
            places, minutes, projects, customers, amounts, strict=True
        ):
            of_minutes, of_projects, of_customers = of_cell[place]
            of_minutes[minute] = of_minutes.get(minute, 0) + amount
            of_projects[project] = of_projects.get(project, 0) + amount
            of_customers[customer] = of_customers.get(customer, 0) + amount

    def _tables_of_cells(self) -> list[_ByModel]:
        known = self._of_cell
        for cell in itertools.islice(self.cells.values(), len(known), None):
            model = tuple([cell[at] for at in _MODEL_OF_CELL])
            if model not in self.by_model:
                self.by_model[model] = ({}, {}, {})
            known.append(self.by_model[model])
        return known


class RollUp:
    """The sums of one transaction."""

    def __init__(self, admitted: AdmittedValues) -> None:
        self._admitted = admitted
        self._hours: dict[int, _Hour] = {}

    def add(self, rows: Sequence[Values]) -> None:
        """Add calls, given as the values of `COLUMNS` and maybe more."""
        columns = list(zip(*rows, strict=True))
        numbers = [moment // HOUR_NS for moment in columns[_OCCURRED]]
        if numbers.count(numbers[0]) == len(numbers):
            self._hour(numbers[0]).add(columns)
            return
        hours: dict[int, list[Values]] = {}
        for number, row in zip(numbers, rows, strict=True):
            hours.setdefault(number, []).append(row)
        for number, calls in hours.items():
            self._hour(number).add(list(zip(*calls, strict=True)))

    def _hour(self, number: int) -> _Hour:
        hour = self._hours.get(number)
        if hour is None:
            hour = self._hours[number] = _Hour()
        return hour

    def write(self, connection: Connection) -> None:
        """Add the sums to the tables. The caller holds the transaction."""
        for table, rows in self.tables():
            connection.executemany(upsert_sql(table), rows)

    def tables(self) -> Iterator[tuple[str, Iterable[tuple[Any, ...]]]]:
        """Yield each table's name and its rows: key, sums, and what else it has.

        Can be asked for once: what has been handed out is dropped, so that memory stays small.
        """
        days: Sums = {}
        day_pairs: Sums = {}
        combined: dict[str, Sums] = {
            "minute_model": {},
            "day_project_model": {},
            "day_customer_model": {},
            "day_customer_key": {},
        }
        while self._hours:
            number, hour = self._hours.popitem()
            names = self._admitted.of(number // 24)
            merged, pairs = _folded(hour, names)
            yield "hour_value", _hour_rows(number, merged)
            yield "hour_pair", _hour_pair_rows(number, pairs)
            day = number // 24
            for (dimension, value), entry in merged.items():
                _count(days, (dimension, day, value), entry[0])
            for (pair, a, b), sums in pairs.items():
                _count(day_pairs, (pair, day, a, b), sums)
            _combine(hour, day, names, combined)
        yield "day_value", _rows(days)
        yield "day_pair", _rows(day_pairs)
        while combined:
            table, sums = combined.popitem()
            yield table, _rows(sums)


def _folded(hour: _Hour, names: dict[str, Names]) -> tuple[_Merged, Sums]:
    """Return an hour's sums by each dimension and by each pair, under the names they are counted by."""
    merged: _Merged = {}
    pairs: Sums = {}
    rest: dict[tuple[str, ...], _Entry] = {}
    of_cell = [names[name] for name in _CELL]
    of_key = names["key"]
    key_number = NUMBER["key"]
    for cell, entry in hour.cells.items():
        key = of_key[cell[_KEY_AT]]
        named = (*[known[value] for known, value in zip(of_cell, cell, strict=True)],)
        _merge(merged, (key_number, key), entry)
        for pair, at in _PAIRS_OF_KEY:
            _count(pairs, (pair, named[at], key), entry[0])
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
        for value, entry in table.items():
            _merge(merged, (dimension, known[value]), entry)
    return merged, pairs


def _combine(hour: _Hour, day: int, names: dict[str, Names], into: dict[str, Sums]) -> None:
    """Add an hour's combinations to those of other hours."""
    minutes, projects, customers, customer_keys = into.values()
    of_projects, of_customers = names["project"], names["customer"]
    for (provider, surface, model), (by_minute, by_project, by_customer) in hour.by_model.items():
        provider, surface = names["provider"][provider], names["surface"][surface]
        model = names["model"][model]
        for minute, sums in by_minute.items():
            _count(minutes, (minute, provider, model), sums)
        for project, sums in by_project.items():
            _count(projects, (day, of_projects[project], provider, model), sums)
        for customer, sums in by_customer.items():
            _count(customers, (day, of_customers[customer], provider, surface, model), sums)
    of_keys = names["key"]
    for (customer, key), sums in hour.by_customer_and_key.items():
        _count(customer_keys, (day, of_customers[customer], of_keys[key]), sums)


def _hour_rows(hour: int, merged: _Merged) -> Iterator[tuple[Any, ...]]:
    for (dimension, value), (sums, first, last) in merged.items():
        yield (dimension, hour, value, *unpack(sums), first, last)


def _hour_pair_rows(hour: int, pairs: Sums) -> Iterator[tuple[Any, ...]]:
    for (pair, a, b), sums in pairs.items():
        yield (pair, hour, a, b, *unpack(sums))


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


def _rows(table: Sums) -> Iterator[tuple[Any, ...]]:
    for key, sums in table.items():
        yield (*key, *unpack(sums))
