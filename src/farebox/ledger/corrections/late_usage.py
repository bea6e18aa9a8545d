"""Correct a call whose usage was seen in part, once a later exchange fetches all of it."""

from __future__ import annotations

from farebox.clock import uuid_text
from farebox.journal.records import Done
from farebox.ledger.append.entry import money_of, rating_of, token_totals
from farebox.ledger.call_store import StoredCall, read_calls
from farebox.ledger.corrections.correction import MEASURED, Change, Correction
from farebox.ledger.corrections.estimation import Estimation
from farebox.ledger.corrections.rerating import Rerating
from farebox.ledger.database import Connection
from farebox.ledger.witnesses.least_usage import lacking, states_less


def correct_late_usage(
    connection: Connection, rerating: Rerating, estimation: Estimation, event_id: bytes, done: Done
) -> Change | None:
    """Return the correction of the call `event_id` to the usage in `done`; None where nothing changes."""
    calls = read_calls(connection, "o.event_id = ? ORDER BY o.seq LIMIT 1", (event_id,))
    if not calls or calls[0].completeness == "final":
        return None
    (now,) = calls
    if not now.billable:
        return _billed_elsewhere(now, f"billed with {uuid_text(done.event_id)}")
    wire = lacking([now.done])
    if wire is not None and states_less(done, wire, now, estimation, rerating):
        return None
    extraction = done.extraction
    rated = rerating.rate_parts(now, extraction.parts, extraction.completeness)
    money = money_of(rated, billable=True)
    return Change(
        now,
        extraction.completeness,
        money.cost_state,
        money.cost_pico,
        money.charge_pico,
        token_totals(extraction.parts),
        rating_of(rated, money, None, ()),
        Correction(MEASURED, f"seen whole by {uuid_text(done.event_id)}", None, None, extraction),
    )


def _billed_elsewhere(now: StoredCall, because: str) -> Change | None:
    """Return the correction by which a call that only started a background response costs nothing."""
    if now.cost_state != "unknown":
        return None
    usage = None if now.correction is None else now.correction.usage
    correction = Correction(MEASURED, because, None, None, usage)
    return Change(now, now.completeness, "free", 0, 0, now.tokens, now.rating, correction)
