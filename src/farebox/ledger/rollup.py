"""Sum a batch of calls in memory, then add the sums to the tables in the same transaction.

Only what the other tables cannot be made of is written here, few rows a call: see tables.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from farebox.clock import now_ns
from farebox.ledger.database import Connection
from farebox.ledger.entries import COLUMN, Values
from farebox.ledger.measures import lanes, unpack
from farebox.ledger.names import AdmittedValues, Cells, Names
from farebox.ledger.tables import ALL, CELL, HOUR_NS, MINUTE_NS, NUMBER, OPEN, upsert_sql

_AT = {name: COLUMN["key_fingerprint" if name == "key" else name] for name in NUMBER}
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
_MODEL_OF_CELL = [CELL.index(name) for name in ("provider", "surface", "model")]

_STALE_HOUR = "INSERT OR REPLACE INTO stale_hour VALUES (?, ?)"
_STALE_DAY = "INSERT OR IGNORE INTO stale_day VALUES (?)"
_OVERFLOW = "INSERT OR IGNORE INTO overflow VALUES (?, ?)"

Sums = dict[Any, int]
Entry = list[int]
"""Sums, first and last sequence number."""
_ByModel = tuple[Sums, Sums, Sums]
"""A model's sums by minute, by project and by customer."""


class _Tracked:
    """Sums by a value, and the first and last row that has it."""

    __slots__ = ("_place", "entries")

    def __init__(self) -> None:
        self._place: dict[Any, int] = {}
        self.entries: list[Entry] = []

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

    def items(self) -> Iterable[tuple[Any, Entry]]:
        """Return every value and its entry."""
        return zip(self._place, self.entries, strict=True)


class _Hour:
    """One hour's sums by the calls' own values; `(other)` is decided when they are written."""

    __slots__ = ("_of_cell", "all", "by_customer_and_key", "by_model", "cells", "open")

    def __init__(self) -> None:
        self.all = _Tracked()
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
        places = self.cells.places(_cells_of(columns), amounts, seqs)
        self._add_beside_cells(columns, amounts, places)

    def change(self, before: Sequence[Sequence[Any]], after: Sequence[Sequence[Any]]) -> None:
        """Take in what calls have become: only their state and what is added up can be another."""
        seqs = after[_SEQ]
        old = list(map(lanes, *[before[at] for at in _LANES_OF]))
        new = list(map(lanes, *[after[at] for at in _LANES_OF]))
        self.cells.places(_cells_of(before), [-amount for amount in old], seqs)
        places = self.cells.places(_cells_of(after), new, seqs)
        self._add_beside_cells(after, [b - a for a, b in zip(old, new, strict=True)], places)

    def _add_beside_cells(
        self, columns: Sequence[Sequence[Any]], amounts: Sequence[int], places: Sequence[int]
    ) -> None:
        seqs = columns[_SEQ]
        self.all.add(("",) * len(seqs), amounts, seqs)
        for name, table in self.open.items():
            table.add(columns[_AT[name]], amounts, seqs)
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


def _cells_of(columns: Sequence[Sequence[Any]]) -> Iterable[tuple[Any, ...]]:
    return zip(*[columns[_AT[name]] for name in CELL], strict=True)


class RollUp:
    """The sums of one transaction."""

    def __init__(self, admitted: AdmittedValues) -> None:
        self._admitted = admitted
        self._hours: dict[int, _Hour] = {}

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Add calls, given as the values of `COLUMNS` and maybe more."""
        columns = list(zip(*rows, strict=True))
        numbers = [moment // HOUR_NS for moment in columns[_OCCURRED]]
        if numbers.count(numbers[0]) == len(numbers):
            self._hour(numbers[0]).add(columns)
            return
        hours: dict[int, list[Sequence[Any]]] = {}
        for number, row in zip(numbers, rows, strict=True):
            hours.setdefault(number, []).append(row)
        for number, calls in hours.items():
            self._hour(number).add(list(zip(*calls, strict=True)))

    def change(self, before: Sequence[Sequence[Any]], after: Sequence[Sequence[Any]]) -> None:
        """Take in what the calls of `before` have become in `after`, in the same order."""
        hours: dict[int, list[int]] = {}
        for place, row in enumerate(after):
            hours.setdefault(row[_OCCURRED] // HOUR_NS, []).append(place)
        for number, places in hours.items():
            old, new = ([rows[place] for place in places] for rows in (before, after))
            self._hour(number).change(list(zip(*old, strict=True)), list(zip(*new, strict=True)))

    def _hour(self, number: int) -> _Hour:
        hour = self._hours.get(number)
        if hour is None:
            hour = self._hours[number] = _Hour()
        return hour

    def write(self, connection: Connection, cells: Cells | None = None) -> None:
        """Add the sums to the tables. The caller holds the transaction."""
        hours = list(self._hours)
        days = {hour // 24 for hour in hours}
        for table, rows in self.tables((cells or Cells(connection)).number):
            connection.executemany(upsert_sql(table), rows)
        now = now_ns()
        connection.executemany(_STALE_HOUR, [(hour, now) for hour in hours])
        connection.executemany(_STALE_DAY, [(day,) for day in days])
        for day in days:
            for name, names in self._admitted.of(day).items():
                if names.overflowed:
                    connection.execute(_OVERFLOW, (day, NUMBER[name]))

    def tables(
        self, number_of: Callable[[tuple[str, ...]], int]
    ) -> Iterator[tuple[str, Iterable[tuple[Any, ...]]]]:
        """Yield each table's name and its rows: key, sums, and what else it has.

        `number_of` gives a cell's number. Can be asked for once: what has been handed out is
        dropped, so that memory stays small.
        """
        combined: dict[str, Sums] = {
            "minute_model": {},
            "day_project_model": {},
            "day_customer_model": {},
            "day_customer_key": {},
        }
        while self._hours:
            number, hour = self._hours.popitem()
            names = self._admitted.of(number // 24)
            yield "hour_value", _open_rows(number, hour, names)
            yield "hour_cell", _cell_rows(number, hour, names, number_of)
            _combine(hour, number // 24, names, combined)
        while combined:
            table, sums = combined.popitem()
            yield table, _rows(sums)


def _open_rows(number: int, hour: _Hour, names: dict[str, Names]) -> Iterator[tuple[Any, ...]]:
    for _, entry in hour.all.items():  # noqa: PERF102 - not a dict
        yield (ALL, number, "", *unpack(entry[0]), entry[1], entry[2])
    for name, table in hour.open.items():
        known, dimension = names[name], NUMBER[name]
        merged: dict[str, Entry] = {}
        for value, entry in table.items():
            merge(merged, known[value], entry)
        for value, (sums, first, last) in sorted(merged.items()):
            yield (dimension, number, value, *unpack(sums), first, last)


def _cell_rows(
    number: int, hour: _Hour, names: dict[str, Names], number_of: Callable[[tuple[str, ...]], int]
) -> Iterator[tuple[Any, ...]]:
    of_cell = [names[name] for name in CELL]
    merged: dict[int, Entry] = {}
    for cell, entry in hour.cells.items():
        named = (*[known[value] for known, value in zip(of_cell, cell, strict=True)],)
        merge(merged, number_of(named), entry)
    for cell_number, (sums, first, last) in sorted(merged.items()):
        yield (number, cell_number, *unpack(sums), first, last)


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


def merge(into: dict[Any, Entry], key: Any, entry: Sequence[int]) -> None:
    """Add sums and the span of their calls to those under `key`."""
    known = into.get(key)
    if known is None:
        into[key] = list(entry)
    else:
        known[0] += entry[0]
        if entry[1] < known[1]:
            known[1] = entry[1]
        if entry[2] > known[2]:
            known[2] = entry[2]


def _count(into: Sums, key: Any, sums: int) -> None:
    into[key] = into.get(key, 0) + sums


def _rows(table: Sums) -> Iterator[tuple[Any, ...]]:
    for key, sums in sorted(table.items()):
        yield (*key, *unpack(sums))
