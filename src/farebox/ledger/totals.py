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
from farebox.ledger.inserting import Insert
from farebox.ledger.kinds import Kind
from farebox.ledger.measures import rows_in
from farebox.ledger.names import AdmittedValues, Cells, Names
from farebox.ledger.rollup import Part, RollUp
from farebox.ledger.tables import ALL, CELL, NUMBER, SPANNED, columns_of, upsert_clause

_STALE_HOUR = "INSERT OR REPLACE INTO stale_hour VALUES (?, ?)"
_STALE_DAY = "INSERT OR IGNORE INTO stale_day VALUES (?)"
_OVERFLOW = "INSERT OR IGNORE INTO overflow VALUES (?, ?)"

_CELL_AT = [kinds.AT["key_fingerprint" if name == "key" else name] for name in CELL]
_NAMED = {
    "minute_model": (None, "provider", "model"),
}
"""The dimension whose values are in each column of a key."""

_UPSERT = {
    table: Insert(table, len(columns_of(table)), upsert_clause(table)) for table in (*_NAMED, *SPANNED)
}

NumbersOf = Callable[[Sequence[tuple[str, ...]]], list[int]]


class Totals:
    """The tables of sums of the one who writes them."""

    def __init__(self, connection: Connection, admitted: AdmittedValues) -> None:
        self._connection = connection
        self._admitted = admitted
        self._cells = Cells(connection)
        self._naming = Naming(admitted, self._cells.numbers)
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
        _UPSERT[part.table].run(self._connection, self._naming.rows(part, listed, base))
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

    def __init__(self, admitted: AdmittedValues, numbers_of: NumbersOf) -> None:
        """`numbers_of` gives cells their numbers."""
        self._admitted = admitted
        self._numbers_of = numbers_of
        self._day: int | None = None
        self._cell_of: dict[int, int] = {}

    def begin(self) -> None:
        """Expect parts whose kinds are counted anew."""
        self._day = None

    def rows(self, part: Part, listed: Sequence[Kind], base: int = 0) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a part: key, sums, span counted from `base`.

        Values that are counted together make several rows of one key.
        """
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
        if part.spans is None:
            return rows
        first, last = (map(base.__add__, numbers) for numbers in part.spans)
        return map(add, rows, zip(first, last, strict=True))

    def _numbers(
        self, day: int, of_kinds: Sequence[int], listed: Sequence[Kind], names: dict[str, Names]
    ) -> list[int]:
        if day != self._day:
            self._day = day
            self._cell_of = {}
        known = self._cell_of
        fresh = list({number: None for number in of_kinds if number not in known})
        if fresh:
            named = [(names[name], at) for name, at in zip(CELL, _CELL_AT, strict=True)]
            cells = [tuple([values[listed[number][at]] for values, at in named]) for number in fresh]
            known.update(zip(fresh, self._numbers_of(cells), strict=True))
        return [known[number] for number in of_kinds]
