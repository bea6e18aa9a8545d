"""Recompute every table of sums from the calls, and say where they differ: a part of `verify`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from farebox.ledger.combining import SELECTED, Combined
from farebox.ledger.corrections import source_of
from farebox.ledger.database import Connection
from farebox.ledger.entries import COLUMNS
from farebox.ledger.filter import OTHER
from farebox.ledger.measures import MEASURES
from farebox.ledger.names import AdmittedValues
from farebox.ledger.rollup import RollUp
from farebox.ledger.settling import folded, packed, stale_days, stale_hours
from farebox.ledger.tables import ALL, BUCKETS, CELL, DAY_NS, KEY_WIDTH, NUMBER, OPEN, SHAPE
from farebox.ledger.totals import Naming

_ROWS_AT_A_TIME = 1_000
_WIDTH = len(MEASURES)
_WRITTEN = {ALL, *(NUMBER[name] for name in OPEN)}
"""Dimensions whose hours are written with the calls."""

_OF_HOURS = ("hour_shape", "hour_key_shape")
_OF_CALLS = ("day_value_shape", "day_value_key")
_MADE_BY_DAY = ("day_value", "day_cell", "day_shape", "day_key_shape", "day_model_key", *_OF_CALLS)

_NOT_SUMMED = frozenset({"event_id", "source", "recorded_at", "response_key", "done", "rating"})

Rows = set[tuple[Any, ...]]
Report = Callable[[str], None]


class Recount:
    """The sums as the calls have them."""

    def __init__(self, connection: Connection, *, corrected: bool) -> None:
        self._connection = connection
        self._corrected = corrected
        self._names: dict[int, tuple[str, ...]] = {}
        for number, *cell in connection.execute(f"SELECT id, {', '.join(CELL)} FROM cell"):  # noqa: S608
            self._names[number] = tuple(cell)
        self._numbers = {cell: number for number, cell in self._names.items()}
        self._shapes: dict[tuple[str, ...], int] = {}
        for number, *shape in connection.execute(f"SELECT id, {', '.join(SHAPE)} FROM shape"):  # noqa: S608
            self._shapes[tuple(shape)] = number
        self._stale_hours = set(stale_hours(connection))
        self._stale_days = set(stale_days(connection))

    def differences(self, report: Report) -> None:
        """Report what differs, day by day."""
        # The values a day's sums name are taken as they are, everything else is `(other)`: a
        # name that was changed then has sums no calls account for.
        admitted = AdmittedValues(self._connection, 0)
        for day in self._days():
            rollup = RollUp()
            calls = self._calls_of(day)
            while batch := list(itertools.islice(calls, _ROWS_AT_A_TIME)):
                rollup.add_rows(batch)
            expected: dict[str, Rows] = {table: set() for table in BUCKETS}
            naming = Naming(admitted, lambda cells: [self._numbers.get(cell, -1) for cell in cells])
            for table, parts in itertools.groupby(rollup.parts(), lambda part: part.table):
                rows = (row for part in parts for row in naming.rows(part, rollup.kinds.listed))
                expected[table].update(_merged(table, rows))
            self._add_made(day, expected)
            self._add_combined(day, expected, admitted)
            for table, rows in expected.items():
                self._compare(table, day, rows, report)
            self._compare_overflow(day, expected, report)

    def _add_made(self, day: int, expected: dict[str, Rows]) -> None:
        """Add what is made of the cells and of the hours."""
        hours: dict[int, list[tuple[Any, ...]]] = {}
        for row in expected["hour_cell"]:
            hours.setdefault(row[0], []).append(row)
        for hour, cells in hours.items():
            made = folded((self._named(row[1]), packed(row[2:])) for row in cells)
            for table, rows in made.tables(hour, lambda shape: self._shapes.get(shape, -1)):
                expected[table].update(rows)
        if day not in self._stale_days:
            expected["day_value"] = _by_day(day, expected["hour_value"], 3)
            expected["day_cell"] = _of_hours(day, expected["hour_cell"], 2)
            expected["day_shape"] = _of_hours(day, expected["hour_shape"], 2)
            expected["day_key_shape"] = _of_hours(day, expected["hour_key_shape"], 3)
            expected["day_model_key"] = self._models_and_keys(day, expected["day_cell"])
        expected["hour_value"] = self._settled("hour_value", expected["hour_value"])
        for table in _OF_HOURS:
            expected[table] = self._settled(table, expected[table])

    def _add_combined(self, day: int, expected: dict[str, Rows], admitted: AdmittedValues) -> None:
        """Add what is made of a day's calls."""
        if day in self._stale_days:
            return
        combined = Combined(day, admitted.of(day), lambda shape: self._shapes.get(shape, -1))
        source = source_of(self._connection)
        statement = f"SELECT {SELECTED} FROM {source} WHERE occurred_at >= ? AND occurred_at < ?"  # noqa: S608
        calls = iter(self._connection.execute(statement, (day * DAY_NS, (day + 1) * DAY_NS)))
        while batch := list(itertools.islice(calls, _ROWS_AT_A_TIME)):
            combined.add_whole(batch)
        for table, rows in combined.tables():
            expected[table].update(_added_up(rows, KEY_WIDTH[table]))

    def _models_and_keys(self, day: int, cells: Rows) -> Rows:
        model, key = CELL.index("model"), CELL.index("key")
        named = [(self._named(row[1]), row[2:]) for row in cells]
        return _added_up(((day, cell[model], cell[key], *sums) for cell, sums in named), 3)

    def _named(self, number: int) -> tuple[str, ...]:
        return self._names.get(number) or ("",) * len(CELL)

    def _settled(self, table: str, rows: Iterable[tuple[Any, ...]]) -> Rows:
        """Return the rows but those of stale hours that may be there or not."""
        if table != "hour_value":
            return {row for row in rows if row[0] not in self._stale_hours}
        return {row for row in rows if row[1] not in self._stale_hours or row[0] in _WRITTEN}

    def _days(self) -> list[int]:
        sums = [f"SELECT {bucket} / {per} FROM {table}" for table, (bucket, per) in BUCKETS.items()]  # noqa: S608
        statement = " UNION ".join([f"SELECT occurred_at / {DAY_NS} FROM call", *sums]) + " ORDER BY 1"  # noqa: S608
        return [day for (day,) in self._connection.execute(statement)]

    def _calls_of(self, day: int) -> Iterator[tuple[Any, ...]]:
        names = ", ".join("NULL" if name in _NOT_SUMMED else name for name in COLUMNS)
        source = source_of(self._connection)
        statement = f"SELECT {names} FROM {source} WHERE occurred_at >= ? AND occurred_at < ? ORDER BY seq"  # noqa: S608
        yield from self._connection.execute(statement, (day * DAY_NS, (day + 1) * DAY_NS))

    def _compare(self, table: str, day: int, expected: Rows, report: Report) -> None:
        if table in _MADE_BY_DAY and day in self._stale_days:
            return
        column, per = BUCKETS[table]
        statement = f"SELECT * FROM {table} WHERE {column} >= ? AND {column} < ?"  # noqa: S608
        found = set(self._connection.execute(statement, (day * per, (day + 1) * per)))
        if table == "hour_value" or table in _OF_HOURS:
            found = self._settled(table, found)
        if self._corrected:
            # A state that every call has left stays, with sums of nought and the calls it once had.
            expected, found = _comparable(table, expected), _comparable(table, found)
        for row in sorted(expected ^ found, key=str)[:3]:
            origin = "the calls" if row in expected else "the ledger"
            report(f"{table}: calls and sums differ, {origin} say {row}")

    def _compare_overflow(self, day: int, expected: dict[str, Rows], report: Report) -> None:
        """Compare which dimensions have values that are not counted each."""
        calls = {row[0] for row in expected["hour_value"] if row[2] == OTHER}
        for row in expected["hour_cell"]:
            cell = self._names.get(row[1], ())
            calls.update(NUMBER[name] for name, value in zip(CELL, cell, strict=False) if value == OTHER)
        statement = "SELECT dimension FROM overflow WHERE day = ?"
        known = {number for (number,) in self._connection.execute(statement, (day,))}
        for number in sorted(calls - known):
            report(f"overflow: dimension {number} has values that are counted together on day {day}")


def _merged(table: str, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield rows with those of one key added up: values that are counted together."""
    width = KEY_WIDTH[table]
    end = width + _WIDTH
    found: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for row in rows:
        key, known = row[:width], found.get(row[:width])
        if known is not None:
            added = [a + b for a, b in zip(known[width:end], row[width:end], strict=True)]
            span = (min(known[end], row[end]), max(known[-1], row[-1])) if len(row) > end else ()
            row = (*key, *added, *span)
        found[key] = row
    yield from found.values()


def _by_day(day: int, rows: Iterable[tuple[Any, ...]], width: int) -> Rows:
    """Return the sums of rows that differ in nothing but their hour, the second column."""
    return _added_up(((row[0], day, *row[2:]) for row in rows), width)


def _of_hours(day: int, rows: Iterable[tuple[Any, ...]], width: int) -> Rows:
    """Return the sums of rows that differ in nothing but their hour, the first column."""
    return _added_up(((day, *row[1:]) for row in rows), width)


def _added_up(rows: Iterable[tuple[Any, ...]], width: int) -> Rows:
    """Return the sums of rows with the same first `width` columns."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for row in rows:
        known = found.setdefault(row[:width], [0] * _WIDTH)
        known[:] = [a + b for a, b in zip(known, row[width : width + _WIDTH], strict=True)]
    return {(*key, *sums) for key, sums in found.items()}


def _comparable(table: str, rows: Iterable[tuple[Any, ...]]) -> Rows:
    """Return the sums that are not nought, those by state without the span of their calls."""
    width = KEY_WIDTH[table]
    end = width + _WIDTH
    loose = table == "hour_cell"
    return {
        row[:end] if loose or (table == "hour_value" and row[0] == NUMBER["cost_state"]) else row
        for row in rows
        if any(row[width:end])
    }
