"""Decode an exchange's end and decide whether it is billable."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec

from farebox.journal import records
from farebox.journal.records import HISTORIES, IMPORTED, Done

EVENT_ID_BYTES = 16
DIGITS_MAX = 60

NEVER_REACHED = frozenset({"connect_failed", "connect_timeout", "dns_failed", "tls_failed"})
"""Error classes of exchanges that reached no upstream, so that they cost nothing."""

_AN_ID = b"\xc4\x10"
"""How MessagePack begins 16 bytes; writers put the event's id first."""


class Judged(NamedTuple):
    """An exchange on its way to becoming a row."""

    done: Done
    billable: bool
    not_billable_because: str | None


def event_id_of(payload: bytes) -> bytes:
    """Return the id in an intent or a partial without decoding the rest of it.

    Raises:
        msgspec.ValidationError: There is none.
    """
    at = payload.find(_AN_ID, 0, 16)
    event_id = payload[at + 2 : at + 18]
    if at < 0 or len(event_id) != EVENT_ID_BYTES:
        raise msgspec.ValidationError("an event id has 16 bytes")
    return event_id


def done_of(payload: bytes) -> Done:
    """Return the end of a call.

    Raises:
        msgspec.MsgspecError, UnicodeDecodeError: It cannot be decoded.
    """
    done = records.decode_done(payload)
    if len(done.event_id) != EVENT_ID_BYTES:
        raise msgspec.ValidationError("an event id has 16 bytes")
    _ignore_claim(done)
    if b"E+" in payload and _has_endless_count(done):
        raise msgspec.ValidationError("a count of too many digits")
    return done


def judge(done: Done) -> Judged:
    """Decide whether an exchange is billable."""
    _ignore_claim(done)
    extraction = done.extraction
    because = extraction.not_billable_because
    if done.outcome != "completed":
        if done.outcome == "refused":
            return Judged(done, False, because or "refused_by_farebox")
        if done.outcome in ("upstream_failed", "timed_out") and done.error_class in NEVER_REACHED:
            return Judged(done, False, because or "upstream_not_reached")
    return Judged(done, extraction.billable, because)


def _ignore_claim(done: Done) -> None:
    """Forget that a call is of a history where its witness is none."""
    if done.witness not in HISTORIES and IMPORTED in done.attribution:
        del done.attribution[IMPORTED]
        done.attribution_from.pop(IMPORTED, None)


def _has_endless_count(done: Done) -> bool:
    """Tell whether a count has so many digits that computing with it would take minutes."""
    return any(
        isinstance(count, Decimal) and count.is_finite() and abs(count.adjusted()) > DIGITS_MAX
        for part in done.extraction.parts
        for count in part.quantities.values()
    )
