"""Which customers' days the record has newer rows of: what was billed of all others is as it was."""

from __future__ import annotations

from typing import NamedTuple

from farebox.ledger.database import Connection

DAY_NS = 86_400 * 10**9

_DAYS = """
SELECT a.fields ->> '$.customer[0]', a.verified, day, sum(number), max(newest)
FROM (
  SELECT attribution, occurred_at / 86400000000000 AS day, sum(sign) AS number, max({key}) AS newest
  FROM {table} WHERE {key} > ? GROUP BY 1, 2
) JOIN attribution AS a ON a.id = attribution
WHERE a.fields ->> '$.customer[0]' IS NOT NULL
GROUP BY 1, 2, 3
"""
_NAMES = "SELECT id, value FROM personal WHERE id IN (SELECT value FROM json_each(?))"


class AppendedDay(NamedTuple):
    """One customer's rows of one day (UTC), by when they occurred."""

    customer: str
    day: int
    """Days since 1970."""
    verified: bool
    number: int
    """The sum of signs: how many there are more than before."""
    newest: int
    """The newest row's number."""


def appended_calls(connection: Connection, after_seq: int) -> list[AppendedDay]:
    """Return whose calls of which days rows after `after_seq` are, corrections among them."""
    return _days(connection, _DAYS.format(table="call", key="seq"), after_seq)


def appended_outcomes(connection: Connection, after_id: int) -> list[AppendedDay]:
    """Return whose outcomes of which days rows after `after_id` are, corrections among them."""
    return _days(connection, _DAYS.format(table="outcome", key="id"), after_id)


def _days(connection: Connection, statement: str, after: int) -> list[AppendedDay]:
    rows = connection.execute(statement, (after,)).fetchall()
    numbers = {row[0] for row in rows if isinstance(row[0], int)}
    names: dict[int, str | None] = {}
    if numbers:
        names = dict(connection.execute(_NAMES, (str(sorted(numbers)),)))
    found: list[AppendedDay] = []
    for said, verified, day, number, newest in rows:
        customer = names.get(said) if isinstance(said, int) else said
        if customer is not None:  # an erased one is nobody's
            found.append(AppendedDay(customer, day, bool(verified), number, newest))
    return found
