"""Outcomes as the record has them: read up to one row, for those who bill by them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from farebox.ledger.database import Connection
from farebox.ledger.feed import Attribution, Feed

_BETWEEN = (
    "SELECT id, sign, occurred_at, attribution, name, value, event_id, source FROM outcome "
    "WHERE id <= ? AND occurred_at >= ? AND occurred_at < ? AND id > ? ORDER BY id LIMIT ?"
)
_ROWS_AT_ONCE = 20_000


class OutcomeRow(NamedTuple):
    """One row: an outcome, or with sign −1 one that is taken back."""

    id: int
    sign: int
    occurred_at_ns: int
    name: str
    value: str | None
    """Decimal text."""
    attribution: Attribution
    event_id: bytes
    source: int
    """The number of the writer: with the id, which outcome it is."""


def last_outcome(connection: Connection) -> int:
    """Return the newest row's number, 0 where there is none."""
    return connection.execute("SELECT coalesce(max(id), 0) FROM outcome").fetchone()[0]


def outcomes_between(
    connection: Connection, from_ns: int, until_ns: int, *, last_id: int
) -> Iterator[OutcomeRow]:
    """Yield the rows up to `last_id` of outcomes in `[from_ns, until_ns)`, in the order of the record.

    Counts are sums of signs. Of an erased value there is only its stand-in.
    """
    feed, after = Feed(connection), 0
    while True:
        rows = connection.execute(_BETWEEN, (last_id, from_ns, until_ns, after, _ROWS_AT_ONCE)).fetchall()
        owners = feed.attributions({row[3] for row in rows})
        for number, sign, occurred_at, attribution, name, value, event_id, source in rows:
            whose = owners[attribution]
            yield OutcomeRow(number, sign, occurred_at, name, value, whose, bytes(event_id), source)
        if len(rows) < _ROWS_AT_ONCE:
            return
        after = rows[-1][0]
