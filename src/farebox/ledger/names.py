"""What each value is counted under: at most so many of a dimension's values a day have their own sums."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from farebox.ledger.database import Connection
from farebox.ledger.filter import OTHER
from farebox.ledger.inserting import Insert
from farebox.ledger.tables import CELL, NUMBER, OPEN

VALUES_PER_DAY_MAX = 10_000
"""What a dimension may have before the rest of its values that day are counted as `(other)`."""

_DAYS_KEPT = 2
_CELLS_KEPT = 10_000

_OPEN_VALUES = "SELECT DISTINCT value FROM hour_value WHERE dimension = ? AND hour BETWEEN ? AND ?"
_CELLS_OF_DAY = (
    f"SELECT {', '.join(CELL)} FROM cell WHERE id IN "  # noqa: S608 - names from constants
    "(SELECT DISTINCT cell FROM hour_cell WHERE hour BETWEEN ? AND ?)"
)
_FIND_CELL = f"SELECT id FROM cell WHERE {' AND '.join(f'{name} = ?' for name in CELL)}"  # noqa: S608
_ADD_CELLS = Insert(f"cell (id, {', '.join(CELL)})", len(CELL) + 1)


class Names(dict["str | int | None", str]):
    """What each value of one dimension is counted under on one day."""

    def __init__(self, known: Iterable[str], limit: int) -> None:
        super().__init__((value, value) for value in known)
        self._room = limit - len(self)
        self.overflowed = False
        """A value had no room, so that `(other)` stands for it."""

    def __missing__(self, value: str | int | None) -> str:
        text = "" if value is None else str(value)
        if text not in self:
            if self._room <= 0:
                self.overflowed = True
                return OTHER
            self._room -= 1
            self[text] = text
        self[value] = self[text]
        return text


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
            if len(self._days) >= _DAYS_KEPT:  # late calls are few; two days are all that is usual
                self._days.pop(next(iter(self._days)))
            known = self._days[day] = self._load(day)
        return known

    def forget(self) -> None:
        """Drop everything, after a transaction was rolled back."""
        self._days.clear()

    def _load(self, day: int) -> dict[str, Names]:
        hours = (day * 24, day * 24 + 23)
        found: dict[str, set[str]] = {name: set() for name in NUMBER}
        for name in OPEN:
            found[name].update(
                value for (value,) in self._connection.execute(_OPEN_VALUES, (NUMBER[name], *hours))
            )
        for cell in self._connection.execute(_CELLS_OF_DAY, hours):
            for name, value in zip(CELL, cell, strict=True):
                found[name].add(value)
        return {name: Names(values - {OTHER}, self._limit) for name, values in found.items()}


class Cells:
    """The number of every combination of values."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._numbers: dict[Sequence[str], int] = {}

    def numbers(self, cells: Sequence[tuple[str, ...]]) -> list[int]:
        """Return the numbers of combinations, new ones where they have none."""
        known, execute = self._numbers, self._connection.execute
        if len(known) >= _CELLS_KEPT:
            known.clear()
        added: list[tuple[Any, ...]] = []
        last = 0
        for cell in cells:
            if cell in known:
                continue
            row = execute(_FIND_CELL, cell).fetchone()
            if row is not None:
                known[cell] = row[0]
                continue
            if not last:
                last = execute("SELECT coalesce(max(id), 0) FROM cell").fetchone()[0]
            last += 1
            known[cell] = last
            added.append((last, *cell))
        _ADD_CELLS.run(self._connection, added)
        return [known[cell] for cell in cells]

    def forget(self) -> None:
        """Drop everything, after a transaction was rolled back."""
        self._numbers.clear()
