"""A correction: a row that reverses the one that counted, and a row in its place.

Nothing of the old row is changed. Both carry the call's moment, so that sums over any period add up, and
both are rows of the same chain. What was found out, and why, is the record of the replacement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from farebox.ledger.append.blocks import Row
from farebox.ledger.append.dictionaries import CLASS_AT, Whose
from farebox.wire.facts import Extraction

if TYPE_CHECKING:
    from farebox.ledger.call_store import StoredCall

RERATE, ESTIMATE, MEASURED, WITNESS = "rerate", "estimate", "measured", "witness"
CUSTOMER, PLAN = "customer", "plan"

_CHECKSUM = (1 << 32) - 1
_COMPLETENESS, _STATE = CLASS_AT["completeness"], CLASS_AT["cost_state"]


class Bounds(msgspec.Struct, frozen=True, array_like=True):
    """The bounds of an estimate. New fields go to the end, with a default."""

    method: str
    """How it was made: `tokenizer:o200k_base`, `calibrated:42`, `default:openai` …"""
    input_tokens_low: int
    input_tokens_high: int | None
    output_tokens_low: int
    output_tokens_high: int | None
    cost_low_pico: int | None = None
    cost_high_pico: int | None = None


class Correction(msgspec.Struct, frozen=True, array_like=True):
    """The record of a replacement. New fields go to the end, with a default."""

    kind: str
    because: str
    request: str | None = None
    """The writer whose journal asked for it."""
    bounds: Bounds | None = None
    usage: Extraction | None = None
    """The usage in place of the call's own; None keeps that."""


class Change(NamedTuple):
    """The new state of a call."""

    now: StoredCall
    completeness: str
    cost_state: str
    cost_pico: int | None
    charge_pico: int | None
    tokens: tuple[int, ...]
    rating: bytes
    correction: Correction
    whose: Whose | None = None
    """Whose call it is now; None: whose it was."""


encode_correction = msgspec.msgpack.Encoder().encode
decode_correction = msgspec.msgpack.Decoder(Correction).decode
_NO_RATING = msgspec.Raw(msgspec.msgpack.encode(None))


def rows_of(change: Change) -> tuple[Row, Row]:
    """Return the reversal and the replacement that make a correction."""
    now = change.now
    changed = list(now.call_class)
    changed[_COMPLETENESS], changed[_STATE] = change.completeness, change.cost_state
    replacement = Row(
        (
            *_head(now, now.revision + 2, 1, None),
            tuple(changed),
            *_middle(now, change.whose),
            change.cost_pico,
            change.charge_pico,
            *change.tokens,
        ),
        encode_correction(change.correction),
        msgspec.Raw(change.rating),
    )
    return reversal_of(now), replacement


def reversal_of(now: StoredCall) -> Row:
    """Return the row that takes back what counts of a call; alone it means that there is no such call."""
    return Row(
        (
            *_head(now, now.revision + 1, -1, now.row),
            now.call_class,
            *_middle(now),
            _negative(now.cost_pico),
            _negative(now.charge_pico),
            *[-count for count in now.tokens],
        ),
        b"",
        _NO_RATING,
    )


def _head(now: StoredCall, revision: int, sign: int, reverses: int | None) -> tuple[object, ...]:
    return now.event_id, now.source, revision, sign, reverses, now.occurred_at


def _middle(now: StoredCall, whose: Whose | None = None) -> tuple[object, ...]:
    checksum = None if now.response_key is None else now.response_key & _CHECKSUM
    return (
        now.attribution if whose is None else whose,
        now.step,
        now.parent_step,
        checksum,
        now.max_tokens,
        now.first_byte_us,
        now.total_us,
    )


def _negative(amount: int | None) -> int | None:
    return None if amount is None else -amount
