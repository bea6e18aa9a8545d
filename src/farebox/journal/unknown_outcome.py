"""What becomes of an exchange whose writer died before it could record how it ended."""

from __future__ import annotations

import msgspec

from farebox.journal import records
from farebox.journal.records import Done
from farebox.wire.facts import Extraction


def as_unknown(intent: bytes, partial: bytes | None) -> Done:
    """Return the end of an exchange, made of its encoded INTENT and last PARTIAL: always the same one.

    Raises:
        msgspec.MsgspecError: The records cannot be decoded.
    """
    begun = records.decode_intent(intent)
    extraction = Extraction(reason="writer_died", request_model=None)
    ended_at_ns = begun.occurred_at_ns
    if partial:
        known = records.decode_partial(partial)
        ended_at_ns = known.at_ns
        extraction = known.extraction
        # A stream whose last event was seen is complete: only its record is missing.
        if extraction.completeness not in ("none", "final"):
            extraction = msgspec.structs.replace(extraction, completeness="partial", reason="writer_died")
    return Done(
        **msgspec.structs.asdict(begun),
        ended_at_ns=ended_at_ns,
        outcome="unknown",
        extraction=extraction,
    )
