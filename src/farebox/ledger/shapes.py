"""Shapes and their numbers: a cell without its key, without its models too where a key stands beside it."""

from __future__ import annotations

from collections.abc import Sequence

from farebox.ledger.database import Connection
from farebox.ledger.tables import CELL, LEFT_OPEN, SHAPE

_KEY_AT = CELL.index("key")
_LEFT_OPEN_AT = frozenset(SHAPE.index(name) for name in LEFT_OPEN)
_KEPT = 4_000

_FIND = f"SELECT id FROM shape WHERE {' AND '.join(f'{name} = ?' for name in SHAPE)}"  # noqa: S608 - constants
_ADD = f"INSERT INTO shape ({', '.join(SHAPE)}) VALUES ({', '.join('?' * len(SHAPE))}) RETURNING id"  # noqa: S608


def without_key(cell: Sequence[str]) -> tuple[str, ...]:
    """Return a cell's shape."""
    return (*cell[:_KEY_AT], *cell[_KEY_AT + 1 :])


def without_models(shape: Sequence[str]) -> tuple[str, ...]:
    """Return a shape as it stands beside a key."""
    return tuple("" if at in _LEFT_OPEN_AT else value for at, value in enumerate(shape))


class Shapes:
    """Finds numbers, and gives them, within one transaction of the writer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._numbers: dict[tuple[str, ...], int] = {}

    def number(self, shape: tuple[str, ...]) -> int:
        """Return the number of a shape, a new one where it has none."""
        known = self._numbers.get(shape)
        if known is None:
            if len(self._numbers) >= _KEPT:
                self._numbers.clear()
            row = self._connection.execute(_FIND, shape).fetchone()
            if row is None:
                row = self._connection.execute(_ADD, shape).fetchone()
            known = self._numbers[shape] = int(row[0])
        return known
