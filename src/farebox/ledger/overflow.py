"""Days on which a dimension had more values than are counted each: what is asked of the calls then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from farebox.ledger.conditions import is_class
from farebox.ledger.database import Connection
from farebox.ledger.filter import OTHER
from farebox.ledger.tables import CELL, DAY_NS, NUMBER

_NAME = {number: name for name, number in NUMBER.items()}


def uncounted_days(
    connection: Connection, wanted: Mapping[str, Sequence[str]], since_ns: int, until_ns: int
) -> list[int]:
    """Return the days whose sums do not know a wanted value of its own, oldest first."""
    if not wanted:
        return []
    days: set[int] = set()
    for day, number in connection.execute(
        "SELECT day, dimension FROM overflow WHERE day BETWEEN ? AND ?",
        (since_ns // DAY_NS, (until_ns - 1) // DAY_NS),
    ).fetchall():
        dimension = _NAME[number]
        for value in wanted.get(dimension, ()):
            named = value != OTHER and not is_class(dimension, value)
            if named and not _is_counted(connection, day, dimension, value):
                days.add(day)
    return sorted(days)


def _is_counted(connection: Connection, day: int, dimension: str, value: str) -> bool:
    hours = (day * 24, day * 24 + 23)
    if dimension in CELL:
        statement = (
            f"SELECT 1 FROM hour_cell JOIN cell ON id = cell WHERE hour BETWEEN ? AND ? "  # noqa: S608
            f"AND {dimension} = ? LIMIT 1"
        )
        return connection.execute(statement, (*hours, value)).fetchone() is not None
    statement = "SELECT 1 FROM hour_value WHERE dimension = ? AND hour BETWEEN ? AND ? AND value = ? LIMIT 1"
    return connection.execute(statement, (NUMBER[dimension], *hours, value)).fetchone() is not None
