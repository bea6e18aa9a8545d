"""Which rows can lie in a period: calls are stored as they came, nearly in the order of their moments."""

from __future__ import annotations

from farebox.ledger.conditions import Conditions
from farebox.ledger.database import Connection
from farebox.ledger.tables import ALL, HOUR_NS

_CLOSE_TOGETHER = 4


def seq_span(connection: Connection, since_ns: int, until_ns: int) -> tuple[int, int, int]:
    """Return the first and last row that can lie in a period, and how many do by the hour."""
    row = connection.execute(
        "SELECT coalesce(min(first_seq), 0), coalesce(max(last_seq), -1), coalesce(sum(calls), 0) "
        "FROM hour_value WHERE dimension = ? AND hour >= ? AND hour <= ?",
        (ALL, since_ns // HOUR_NS, (until_ns - 1) // HOUR_NS),
    ).fetchone()
    return row[0], row[1], row[2]


def add_span(connection: Connection, where: Conditions, moment: str, since_ns: int, until_ns: int) -> None:
    """Require calls of a period: by their numbers where these lie close together, else by the index."""
    first, last, calls = seq_span(connection, since_ns, until_ns)
    if last - first < calls * _CLOSE_TOGETHER:  # walking the rows beats the index
        moment = f"+{moment}"
        where.add("seq BETWEEN ? AND ?", first, last)
    where.add(f"{moment} >= ? AND {moment} < ?", since_ns, until_ns)
