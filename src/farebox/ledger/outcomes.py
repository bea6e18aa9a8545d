"""Outcomes and scores as the record has them: read up to one row, for those who bill or judge by them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from farebox.ledger.database import Connection
from farebox.ledger.feed import Attribution, Feed

Kind = Literal["outcome", "score"]

_BETWEEN = (
    "SELECT id, sign, occurred_at, attribution, name, value, event_id, source FROM {kind} "
    "WHERE id <= ? AND occurred_at >= ? AND occurred_at < ? AND id > ? ORDER BY id LIMIT ?"
)
_ROWS_AT_ONCE = 20_000


class OutcomeRow(NamedTuple):
    """One row: an outcome or a score, or with sign −1 one that is taken back."""

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


def last_outcome(connection: Connection, kind: Kind = "outcome") -> int:
    """Return the newest row's number, 0 where there is none."""
    return connection.execute(f"SELECT coalesce(max(id), 0) FROM {kind}").fetchone()[0]  # noqa: S608 - a Kind


def outcomes_between(
    connection: Connection, from_ns: int, until_ns: int, *, last_id: int, kind: Kind = "outcome"
) -> Iterator[OutcomeRow]:
    """Yield the rows up to `last_id` of outcomes, or scores, in `[from_ns, until_ns)`, as they were recorded.

    Counts are sums of signs. Of an erased value there is only its stand-in.
    """
    feed, after, between = Feed(connection), 0, _BETWEEN.format(kind=kind)
    while True:
        rows = connection.execute(between, (last_id, from_ns, until_ns, after, _ROWS_AT_ONCE)).fetchall()
        owners = feed.attributions({row[3] for row in rows})
        for number, sign, occurred_at, attribution, name, value, event_id, source in rows:
            whose = owners[attribution]
            yield OutcomeRow(number, sign, occurred_at, name, value, whose, bytes(event_id), source)
        if len(rows) < _ROWS_AT_ONCE:
            return
        after = rows[-1][0]
