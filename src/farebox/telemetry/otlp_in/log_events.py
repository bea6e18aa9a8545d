"""A log record that tells of a call, as an event: of coding agents, and of GenAI instrumentations."""

from __future__ import annotations

import hashlib
from decimal import Decimal

import msgspec

from farebox.recording.event_schema import Event, EventPart
from farebox.recording.events import moment_ns, moment_text
from farebox.recording.invalid_event import EventInvalidError
from farebox.telemetry.otlp_in import attribute_names as names
from farebox.telemetry.otlp_in.attribute_values import count_of, number_of, text_of
from farebox.telemetry.otlp_in.records import Attributes, LogRecord, MalformedError, Span
from farebox.telemetry.otlp_in.span_events import SOURCE, NoUsageError, event_of_span, stated_figures, whose
from farebox.telemetry.otlp_in.telemetry_catalog import LogShape, ProviderNames, telemetry_catalog
from farebox.telemetry.otlp_in.usage_attributes import Counts, leaves_of
from farebox.telemetry.otlp_in.witness_kind import witness_kind

GEN_AI_CALL = "gen_ai.client.inference.operation.details"
"""Beside a span, or instead of one: https://github.com/open-telemetry/semantic-conventions-genai"""
_DURATION_MS = ("duration_ms",)
_MODEL = ("model", "slug")


def event_of_log(record: LogRecord, providers: ProviderNames) -> Event | None:
    """Return the event that a log record is, None where it tells of no call.

    Raises:
        MalformedError: It makes no sense.
        NoUsageError: It says too little to be recorded.
    """
    if record.event == GEN_AI_CALL:
        return _of_conventions(record, providers)
    for shape in telemetry_catalog().logs:
        if _is_of(record, shape):
            return _of_agent(record, shape)
    return None


def _of_conventions(record: LogRecord, providers: ProviderNames) -> Event:
    """Return what the log record beside a span says: with the span's ids it is that span's event."""
    has_span = bool(record.trace_id.strip("0") and record.span_id.strip("0"))
    identity = text_of(record.attributes, names.RESPONSE_ID)
    trace_id, span_id = record.trace_id, record.span_id
    if not has_span:
        digest = _digest(record)
        trace_id, span_id = digest[:32], digest[32:48]
    span = Span(
        trace_id=trace_id,
        span_id=span_id,
        start_ns=record.time_ns,
        end_ns=record.time_ns,
        attributes=record.attributes,
        scope=record.scope,
        resource=record.resource,
    )
    event = event_of_span(span, providers, {})
    if has_span:
        return event
    event.witness = witness_kind(record.scope, is_log=True)
    event.id = f"log/{identity or trace_id}"
    event.attribution = {}
    return event


def _is_of(record: LogRecord, shape: LogShape) -> bool:
    """Tell whether a record has a shape. By its short name, which others may use, only with its counts."""
    is_short = record.event == shape.event.partition(".")[2] and shape.input in record.attributes
    if record.event != shape.event and not is_short:
        return False
    return all(record.attributes.get(name) == value for name, value in shape.only.items())


def _of_agent(record: LogRecord, shape: LogShape) -> Event:
    attributes = record.attributes

    def count(name: str) -> int:
        return (count_of(attributes, (name,)) or 0) if name else 0

    leaves = leaves_of(
        Counts(
            input=count_of(attributes, (shape.input,)),
            output=count_of(attributes, (shape.output,)),
            cache_read=count(shape.cache_read),
            cache_write=count(shape.cache_write),
            reasoning=count(shape.reasoning),
            tool_use_input=count(shape.tool_use_input),
            cache_outside_input=shape.cache_outside_input,
            reasoning_outside_output=shape.reasoning_outside_output,
        )
    )
    model = text_of(attributes, _MODEL)
    if leaves is None or model is None:
        raise NoUsageError
    request_id = text_of(attributes, (shape.request_id,)) if shape.request_id else None
    session = text_of(attributes, (shape.session,))
    ended_ns = _ended_ns(record, shape)
    took_ms = number_of(attributes, _DURATION_MS) or Decimal(0)
    took_us = int(took_ms * 1000) if 0 <= took_ms < 86_400_000 else 0
    names_of_call = whose(attributes, record.resource)
    names_of_call.setdefault("agent", shape.agent)
    names_of_call.update({"session": session} if session else {})
    sequence = text_of(attributes, (shape.sequence,)) if shape.sequence else None
    # Without a request's id a session's own numbers tell its records apart, else all that is said.
    identity = request_id or (f"{session}/{sequence}" if session and sequence else _digest(record))
    return Event(
        id=f"log/{identity}",
        source=SOURCE,
        witness=witness_kind(
            record.event.partition(".")[0] if "." in record.event else shape.agent, is_log=True
        ),
        time=moment_text(ended_ns - took_us * 1000),
        ended_at=moment_text(ended_ns),
        total_us=took_us,
        provider=shape.provider,
        model=model,
        parts=(EventPart(request_model=model, response_model=model, usage=dict(leaves)),),
        request_id=request_id,
        raw_usage=stated_figures(attributes) or _stated(attributes, shape),
        **names_of_call,
    )


def _stated(attributes: Attributes, shape: LogShape) -> str:
    named = (shape.input, shape.output, shape.cache_read, shape.cache_write, shape.reasoning)
    said = {name: attributes[name] for name in named if name in attributes}
    return msgspec.json.encode(said).decode()


def _ended_ns(record: LogRecord, shape: LogShape) -> int:
    said = text_of(record.attributes, (shape.ended_at,)) if shape.ended_at else None
    if said is not None:
        try:
            return moment_ns(said)
        except EventInvalidError:
            pass
    if not 0 < record.time_ns < 1 << 63:
        raise MalformedError("it has no time")
    return record.time_ns


def _digest(record: LogRecord) -> str:
    said = msgspec.json.encode(
        (record.event, record.time_ns, sorted(record.attributes.items())), order="sorted"
    )
    return hashlib.sha256(said).hexdigest()
