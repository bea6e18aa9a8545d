"""A record of the journal as a public event: the other direction of `events.py`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from farebox.clock import uuid_text
from farebox.journal.records import OUTCOME, SCORE, Done, Result
from farebox.recording.event_schema import VALUE_MAX, Event, EventPart
from farebox.recording.events import NAMED, moment_text
from farebox.wire.facts import Part


def event_of_done(done: Done) -> Event:
    """Return the event that says what the end of a call says."""
    found = done.extraction
    named, tags, others = _split(done.attribution)
    took_ns = done.total_us * 1000
    usual = "final" if found.parts else "none"
    return Event(
        id=_id(done.event_id, done.event_id_text),
        source=done.source,
        time=moment_text(done.occurred_at_ns),
        **named,
        tags=tags,
        attribution=others,
        attribution_from={name: said[:VALUE_MAX] for name, said in done.attribution_from.items()},
        provider=done.provider,
        request_model=found.request_model,
        response_model=found.response_model,
        parts=tuple([_event_part(part, done.provider) for part in found.parts]),
        completeness=None if found.completeness == usual else found.completeness,
        reason=found.reason,
        billable=found.billable,
        not_billable_because=found.not_billable_because,
        response_id=found.response_id,
        request_id=None if done.request_id is None else done.request_id[:VALUE_MAX],
        streamed=found.streamed,
        max_tokens=done.max_tokens,
        outcome=done.outcome,
        status=done.status,
        error_class=done.error_class,
        error_code=found.error_code,
        ended_at=None if done.ended_at_ns == done.occurred_at_ns + took_ns else moment_text(done.ended_at_ns),
        total_us=done.total_us,
        first_byte_us=done.first_byte_us,
        added_us=done.added_us,
        request_bytes=done.request_bytes,
        response_bytes=done.response_bytes,
        surface=done.surface,
        method=done.method,
        path=done.path,
        host=done.host,
        key_fingerprint=done.key_fingerprint,
        attempt=done.attempt,
        raw_usage=found.raw_usage,
        flags=found.flags,
        lacks=found.lacks,
        witness=done.witness,
        passed_on=done.passed_on,
        payload_sha256=None if done.payload_sha256 is None else done.payload_sha256.hex(),
    )


def event_of_result(kind: int, result: Result) -> Event:
    """Return the event that says what an outcome or a score (the record's type) says."""
    named, tags, others = _split(result.attribution)
    return Event(
        id=_id(result.event_id, result.event_id_text),
        source=result.source,
        type=_RESULTS[kind],
        time=moment_text(result.occurred_at_ns),
        **named,
        tags=tags,
        attribution=others,
        attribution_from={name: said[:VALUE_MAX] for name, said in result.attribution_from.items()},
        name=result.name,
        value=None if result.value is None else Decimal(result.value),
        payload_sha256=None if result.payload_sha256 is None else result.payload_sha256.hex(),
    )


_RESULTS: dict[int, Literal["outcome", "score"]] = {OUTCOME: "outcome", SCORE: "score"}


def loss_event(
    event_id: bytes, source: str, *, records: int, exchanges: int, size: int, from_ns: int, until_ns: int
) -> Event:
    """Return the event that reports what a full spool refused since the last report."""
    return Event(
        id=uuid_text(event_id),
        source=source,
        type="loss",
        time=moment_text(from_ns),
        ended_at=moment_text(until_ns),
        records=records,
        exchanges=exchanges,
        lost_bytes=size,
    )


def _id(event_id: bytes, text: str | None) -> str:
    return uuid_text(event_id) if text is None else text


def _split(attribution: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    named: dict[str, Any] = {}
    tags: dict[str, str] = {}
    others: dict[str, str] = {}
    for name, value in attribution.items():
        value = value[:VALUE_MAX]
        if name in NAMED:
            named[name] = value
        elif name.startswith("tag.") and name == name.lower().strip():
            tags[name[4:]] = value
        else:
            others[name] = value
    return named, tags, others


def _event_part(part: Part, provider: str) -> EventPart:
    return EventPart(
        provider="" if part.provider == provider else part.provider,
        request_model=part.request_model,
        response_model=part.response_model,
        kind=part.kind,
        usage=dict(part.quantities),
        facts=part.facts,
        provider_cost_usd=part.provider_cost_usd,
    )
