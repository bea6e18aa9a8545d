"""Insert many rows with few statements: a statement's overhead is larger than the cost of its row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Any

from farebox.ledger.database import Connection

_SIZES = (32, 8, 1)
"""How many rows one statement has: few sizes, because each is compiled and kept."""


class Insert:
    """`INSERT INTO <into> VALUES <rows> <then>`, for any number of rows."""

    def __init__(self, into: str, width: int, then: str = "", *, replaces: bool = False) -> None:
        """With `replaces` a row takes the place of one with the same key."""
        verb = "REPLACE" if replaces else "INSERT"
        row = f"({', '.join('?' * width)})"
        self._sql = {size: f"{verb} INTO {into} VALUES {', '.join([row] * size)} {then}" for size in _SIZES}

    def run(self, connection: Connection, rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows, in order."""
        remaining = iter(rows)
        largest = _SIZES[0]
        while chunk := list(islice(remaining, largest)):
            if len(chunk) == largest:
                connection.execute(self._sql[largest], list(chain.from_iterable(chunk)))
                continue
            start = 0
            for size in _SIZES:
                while len(chunk) - start >= size:
                    some = chunk[start : start + size]
                    connection.execute(self._sql[size], list(chain.from_iterable(some)))
                    start += size
