"""Add sums to the tables, in the transaction that appends their calls.

Only what the other tables cannot be made of is written here, few rows a call: see tables.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import add
from typing import Any

from farebox.clock import now_ns
from farebox.ledger import kinds
from farebox.ledger.database import Connection
from farebox.ledger.kinds import Kind
from farebox.ledger.measures import rows_in
from farebox.ledger.names import AdmittedValues, Cells, Names
from farebox.ledger.rollup import Part, RollUp
from farebox.ledger.tables import ALL, CELL, NUMBER, upsert_sql

_STALE_HOUR = "INSERT OR REPLACE INTO stale_hour VALUES (?, ?)"
_STALE_DAY = "INSERT OR IGNORE INTO stale_day VALUES (?)"
_OVERFLOW = "INSERT OR IGNORE INTO overflow VALUES (?, ?)"

_CELL_AT = [kinds.AT["key_fingerprint" if name == "key" else name] for name in CELL]
_NAMED = {
    "minute_model": (None, "provider", "model"),
    "day_project_model": (None, "project", "provider", "model"),
    "day_customer_model": (None, "customer", "provider", "surface", "model"),
    "day_customer_key": (None, "customer", "key"),
}
"""The dimension whose values are in each column of a key."""

NumberOf = Callable[[tuple[str, ...]], int]


class Totals:
    """The tables of sums of the one who writes them."""

    def __init__(self, connection: Connection, admitted: AdmittedValues) -> None:
        self._connection = connection
        self._admitted = admitted
        self._cells = Cells(connection)
        self._naming = Naming(admitted, self._cells.number)
        self._overflowed: set[tuple[int, int]] = set()
        """Days and dimensions with values that had no room."""

    def forget(self) -> None:
        """Drop everything, after a transaction was rolled back."""
        self._cells.forget()
        self._overflowed.clear()
        self._naming.begin()

    def begin(self) -> None:
        """Expect parts whose kinds are counted anew."""
        self._naming.begin()

    def add(self, part: Part, listed: Sequence[Kind], base: int = 0) -> None:
        """Add a part to its table; its spans are counted from `base`."""
        statement = upsert_sql(part.table)
        if base and part.spans is not None:
            statement = statement.replace(", ?, ?) ", f", ? + {base:d}, ? + {base:d}) ")
        self._connection.executemany(statement, self._naming.rows(part, listed))
        for name, names in self._admitted.of(part.day).items():
            if names.overflowed:
                self._overflowed.add((part.day, NUMBER[name]))

    def finish(self, hours: Iterable[int]) -> None:
        """Note which hours and days have other sums than what was made of them."""
        now, days = now_ns(), {hour // 24 for hour in hours}
        self._connection.executemany(_STALE_HOUR, [(hour, now) for hour in hours])
        self._connection.executemany(_STALE_DAY, [(day,) for day in days])
        self._connection.executemany(_OVERFLOW, sorted(self._overflowed))
        self._overflowed.clear()

    def write(self, rollup: RollUp) -> None:
        """Add everything that was gathered."""
        hours, listed = rollup.hours, rollup.kinds.listed
        self.begin()
        for part in rollup.parts():
            self.add(part, listed)
        self.finish(hours)


class Naming:
    """Puts what values are counted under in their place: the name, or `(other)`."""

    def __init__(self, admitted: AdmittedValues, number_of: NumberOf) -> None:
        """`number_of` gives a cell's number."""
        self._admitted = admitted
        self._number_of = number_of
        self._day: int | None = None
        self._cell_of: dict[int, int] = {}

    def begin(self) -> None:
        """Expect parts whose kinds are counted anew."""
        self._day = None

    def rows(self, part: Part, listed: Sequence[Kind]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a part: key, sums, span. Values counted together make rows of the same key."""
        names = self._admitted.of(part.day)
        if part.table == "hour_cell":
            hours, of_kinds = part.keys
            keys = [hours, self._numbers(part.day, of_kinds, listed, names)]
        elif part.table == "hour_value":
            dimensions, hours, values = part.keys
            known: dict[int, dict[Any, str]] = {number: names[name] for name, number in NUMBER.items()}
            known[ALL] = {"": ""}
            named = [known[at][value] for at, value in zip(dimensions, values, strict=True)]
            keys = [dimensions, hours, named]
        else:
            keys = [
                column if name is None else list(map(names[name].__getitem__, column))
                for name, column in zip(_NAMED[part.table], part.keys, strict=True)
            ]
        rows = map(add, zip(*keys, strict=True), rows_in(part.sums))
        return rows if part.spans is None else map(add, rows, zip(*part.spans, strict=True))

    def _numbers(
        self, day: int, of_kinds: Sequence[int], listed: Sequence[Kind], names: dict[str, Names]
    ) -> list[int]:
        if day != self._day:
            self._day = day
            self._cell_of = {}
        known = self._cell_of
        for number in of_kinds:
            if number not in known:
                kind = listed[number]
                named = zip(CELL, _CELL_AT, strict=True)
                known[number] = self._number_of(tuple([names[name][kind[at]] for name, at in named]))
        return [known[number] for number in of_kinds]
