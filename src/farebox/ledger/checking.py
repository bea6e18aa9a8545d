"""Check one block of calls against its digest, and find the call that is not as it was appended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from farebox.errors import LedgerError
from farebox.ledger.blocks import CALL, digest_of, opened
from farebox.ledger.entries import COLUMN, RESPONSE_RUN_BITS, Judged, Values, decode_rating, entry_of
from farebox.ledger.kinds import KIND
from farebox.ledger.preparing import done_of
from farebox.pricing.facts import RatedPart

_KIND_AT = [COLUMN[name] for name in KIND]
_RESPONSE, _BILLABLE = COLUMN["response_key"], COLUMN["billable"]
_KEY_BITS = 32
_PART_NAMES = RatedPart.__struct_fields__[1:]


class Checked(NamedTuple):
    """What a block's calls come to."""

    digest: bytes
    problem: tuple[str, int] | None
    """What is wrong however the digest is, and with which call."""


def check_block(first: int, last: int, calls: Sequence[Values], detail: bytes) -> Checked:
    """Return the digest of a block's calls, given as `COLUMNS`."""
    problem: tuple[str, int] | None = None
    for seq, call in enumerate(calls, first):
        if call[0] != seq:
            problem = f"call {seq} is missing", seq
            break
        key = call[_RESPONSE]
        if key is not None and key >> _KEY_BITS != seq >> RESPONSE_RUN_BITS:
            problem = f"call {seq} is not as it was appended", seq
            break
    if problem is None and len(calls) != last - first + 1:
        problem = f"call {first + len(calls)} is missing", first + len(calls)
    return Checked(digest_of(list(zip(*map(_as_digested, calls), strict=True)), detail), problem)


def suspect(first: int, last: int, calls: Sequence[Values], detail: bytes) -> tuple[str, int]:
    """Say which call of a block is not as it was appended: not what its record makes of it."""
    try:
        stored, ratings = opened(detail)
    except LedgerError:
        return f"the records of calls {first} to {last} are not as they were appended", first
    for seq, (call, record, rating) in enumerate(zip(calls, stored, ratings, strict=False), first):
        if _made_of(record, bytes(rating), call) != _as_digested(call):
            return f"call {seq} is not as it was appended", seq
    return f"one of calls {first} to {last} is not as it was appended", first


def _as_digested(call: Values) -> Values:
    """Return a call's `COLUMNS` as its digest is made over them."""
    values: list[Any] = []
    for name in CALL:
        if name == "kind":
            values.append(tuple([call[at] for at in _KIND_AT]))
        elif name == "response_key":
            key = call[_RESPONSE]
            values.append(None if key is None else key & (1 << _KEY_BITS) - 1)
        else:
            values.append(call[COLUMN[name]])
    return tuple(values)


def _made_of(record: bytes, rating: bytes, call: Values) -> Values | None:
    """Return what a call's record and rating make of it now; None where nothing can be made of them."""
    try:
        done, decided = done_of(record), decode_rating(rating)
        rated = [
            msgspec.convert(dict(zip(_PART_NAMES, part[1:], strict=False)), RatedPart)
            for part in decided.parts
        ]
        billable = decided.not_billable_because is None and bool(call[_BILLABLE])
        judged = Judged(done, record, billable, decided.not_billable_because)
        return entry_of(judged, rated)[0]
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, ValueError, ArithmeticError):
        return None
