"""What can be done with records before anybody looks into the ledger: decode, judge, rate, put into columns.

In a backlog another process does it ahead of the one that writes (ahead.py). Only what is plain is
prepared, which is nearly everything: ends and beginnings of calls that need nothing but themselves.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import msgspec

from farebox.journal import records
from farebox.journal.reader import Batch, Position
from farebox.journal.records import Done
from farebox.ledger.blocks import Block, blocks_of
from farebox.ledger.entries import Judged, entry_of
from farebox.ledger.kinds import Kind, Kinds
from farebox.pricing.facts import RatedPart
from farebox.wire.facts import Part

EVENT_ID_BYTES = 16
DIGITS_MAX = 60

NEVER_REACHED = frozenset({"connect_failed", "connect_timeout", "dns_failed", "tls_failed"})
"""Error classes of exchanges no upstream has seen, so that they certainly cost nothing."""

_AN_ID = b"\xc4\x10"
"""How MessagePack begins 16 bytes; writers put the event's id first."""


class PlainBook(Protocol):
    """What is asked of a price book without contracts."""

    @property
    def digest(self) -> str: ...

    def rate(self, part: Part, *, occurred_at_ns: int, completeness: str, billable: bool) -> RatedPart: ...


class Prepared(NamedTuple):
    """A batch of records as blocks of calls, without what only the ledger knows: numbers, time, chain."""

    start: tuple[int, int, int]
    """Where in the journal they begin, and where the next ones do."""
    position: tuple[int, int, int]
    records: int
    snapshot: str
    """The prices they were rated by."""
    blocks: list[Block]
    responses: list[tuple[str, str]]
    """Provider and id of each response."""
    settled: list[bytes]
    """Calls that ended here and did not begin here."""
    begun: list[tuple[bytes, bytes]]
    """Calls that began here and did not end here, with their beginnings."""
    partials: list[tuple[bytes, bytes]]
    """What is known so far of calls that did not end here."""
    kinds: list[Kind]
    """Kinds of calls that were not met before in the same transaction."""
    lacking: list[tuple[int, bytes]]
    """Calls whose usage nobody stated: their place among the rows, and their records."""


class Left(NamedTuple):
    """A batch that the ledger has to read itself."""

    start: tuple[int, int, int]
    position: tuple[int, int, int]


class Finished(NamedTuple):
    """The sums of everything that was prepared have come: what there is can be committed."""

    hours: list[int]
    """The hours that have calls."""


def plain(position: Position) -> tuple[int, int, int]:
    """Return a position as `marshal` takes it."""
    segment, offset, seq = position
    return segment, offset, seq


def event_id_of(payload: bytes) -> bytes:
    """Return the id in an intent or a partial without decoding the rest of it."""
    at = payload.find(_AN_ID, 0, 16)
    event_id = payload[at + 2 : at + 18]
    if at < 0 or len(event_id) != EVENT_ID_BYTES:
        raise msgspec.ValidationError("an event id has 16 bytes")
    return event_id


def done_of(payload: bytes) -> Done:
    """Return the end of a call.

    Raises:
        msgspec.MsgspecError, UnicodeDecodeError: Nothing can be made of it.
    """
    done = records.decode_done(payload)
    if len(done.event_id) != EVENT_ID_BYTES:
        raise msgspec.ValidationError("an event id has 16 bytes")
    if b"E+" in payload and _has_endless_count(done):
        raise msgspec.ValidationError("a count of too many digits")
    return done


def judge(done: Done, payload: bytes) -> Judged:
    """Decide whether an exchange is to be paid for at all."""
    extraction = done.extraction
    because = extraction.not_billable_because
    if done.outcome != "completed":
        if done.outcome == "refused":
            return Judged(done, payload, False, because or "refused_by_farebox")
        if done.outcome in ("upstream_failed", "timed_out") and done.error_class in NEVER_REACHED:
            return Judged(done, payload, False, because or "upstream_not_reached")
    return Judged(done, payload, extraction.billable, because)


def prepare(batch: Batch, book: PlainBook, start: tuple[int, int, int], kinds: Kinds) -> Prepared | None:
    """Return the calls of a batch; None where it needs a look into the ledger, or fails in any way."""
    if batch.gaps or batch.finished or not batch.entries:
        return None
    try:
        return _prepare(batch, book, start, kinds)
    except Exception:  # who applies it without our help meets the same, and deals with it
        return None


def _prepare(batch: Batch, book: PlainBook, start: tuple[int, int, int], kinds: Kinds) -> Prepared | None:
    begun: dict[bytes, bytes] = {}
    partials: dict[bytes, bytes] = {}
    ended: dict[bytes, Judged] = {}
    settled: list[bytes] = []
    responses: list[tuple[str, str]] = []
    lacking: list[tuple[int, bytes]] = []
    for _, record_type, payload in batch.entries:
        if record_type == records.INTENT:
            event_id = event_id_of(payload)
            if event_id not in ended:
                begun[event_id] = payload
            continue
        if record_type == records.PARTIAL:
            event_id = event_id_of(payload)
            if event_id not in ended:
                partials[event_id] = payload
            continue
        if record_type != records.DONE:
            return None
        done = done_of(payload)
        event_id, extraction = done.event_id, done.extraction
        if event_id in ended:
            return None
        if extraction.response_id is not None:
            if done.method != "POST":
                return None
            responses.append((done.provider, extraction.response_id))
        if extraction.lacks:
            lacking.append((len(ended), payload))
        if begun.pop(event_id, None) is None:
            settled.append(event_id)
        partials.pop(event_id, None)
        ended[event_id] = judge(done, payload)
    rate = book.rate
    rows: list[tuple[Any, ...]] = []
    ratings: list[tuple[Any, ...]] = []
    for judged in ended.values():
        done, _, billable, _ = judged
        extraction = done.extraction
        at_ns, completeness = done.occurred_at_ns, extraction.completeness
        rated = [
            rate(part, occurred_at_ns=at_ns, completeness=completeness, billable=billable)
            for part in extraction.parts
        ]
        row, rating = entry_of(judged, rated)
        rows.append(row)
        ratings.append(rating)
    known = len(kinds.listed)
    blocks = list(blocks_of(rows, [judged.payload for judged in ended.values()], ratings, kinds))
    return Prepared(
        start,
        plain(batch.position),
        len(batch.entries),
        book.digest,
        blocks,
        responses,
        settled,
        list(begun.items()),
        list(partials.items()),
        kinds.listed[known:],
        lacking,
    )


def _has_endless_count(done: Done) -> bool:
    """Tell whether a count has so many digits that computing with it would take minutes."""
    return any(
        isinstance(count, Decimal) and count.is_finite() and abs(count.adjusted()) > DIGITS_MAX
        for part in done.extraction.parts
        for count in part.quantities.values()
    )
