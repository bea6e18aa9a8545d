"""Correct a call that saw a part of its usage by an exchange that fetched the whole of it later."""

from __future__ import annotations

import msgspec

from farebox.clock import uuid_text
from farebox.journal.records import Done
from farebox.ledger.corrections import MEASURED, Change, current
from farebox.ledger.database import Connection
from farebox.ledger.entries import (
    COLUMN,
    COLUMNS,
    Values,
    money_of,
    rating_of,
    token_totals,
)
from farebox.ledger.rerating import Rerating

_COMPLETENESS, _STATE, _RATING = COLUMN["completeness"], COLUMN["cost_state"], COLUMN["rating"]
_BILLABLE, _USAGE = COLUMN["billable"], len(COLUMNS)
_MEASURED = slice(COLUMN["input_tokens"], COLUMN["reasoning_output_tokens"] + 1)
_encode = msgspec.msgpack.Encoder().encode


def measured(connection: Connection, rerating: Rerating, event_id: bytes, done: Done) -> Change | None:
    """Return what makes of the call `event_id` what `done` saw; None where it stands as it is."""
    row = connection.execute(
        "SELECT seq FROM call WHERE event_id = ? ORDER BY seq LIMIT 1", (event_id,)
    ).fetchone()
    if row is None:
        return None
    (now,) = current(connection, [row[0]])
    if now[_COMPLETENESS] == "final" or rerating.is_sealed(now):
        return None
    extraction = done.extraction
    because = f"seen whole by {uuid_text(done.event_id)}"
    if not now[_BILLABLE]:
        return _billed_elsewhere(now, f"billed with {uuid_text(done.event_id)}")
    rated = rerating.rate_parts(now, extraction.parts, extraction.completeness)
    money = money_of(rated, billable=True)
    replaced = (
        extraction.completeness,
        money.cost_state,
        money.cost_pico,
        money.charge_pico,
        *token_totals(extraction.parts),
    )
    rating = rating_of(rated, money, None, ())
    return Change(now, replaced, _encode(extraction), rating, MEASURED, because)


def _billed_elsewhere(now: Values, because: str) -> Change | None:
    """Return what makes of a call that began something unknown one that cost nothing itself."""
    if now[_STATE] != "unknown":
        return None
    replaced = (now[_COMPLETENESS], "free", 0, 0, *now[_MEASURED])
    return Change(now, replaced, now[_USAGE], now[_RATING], MEASURED, because)
