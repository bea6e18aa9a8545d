"""A span that is a call to a model, as the event that everybody else sends as well."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from farebox.recording.event_schema import VALUE_MAX, Event, EventPart
from farebox.recording.events import moment_text
from farebox.telemetry.otlp_in import attribute_names as names
from farebox.telemetry.otlp_in.attribute_values import count_of, is_true, number_of, text_of
from farebox.telemetry.otlp_in.records import OUTPUT_ID, Attributes, MalformedError, Span
from farebox.telemetry.otlp_in.telemetry_catalog import ProviderNames, telemetry_catalog
from farebox.telemetry.otlp_in.usage_attributes import counts_of, details_of, leaves_of, own_leaves
from farebox.telemetry.otlp_in.witness_kind import witness_kind

SOURCE = "otlp"
"""Whose ids these are: a span's are unique by themselves, whoever passes it on."""
_TAGS_MAX = 32
_DAY_NS = 86_400 * 10**9


class NoUsageError(Exception):
    """A call of which nothing is known: neither what it used nor which response it got."""


def event_of_span(span: Span, providers: ProviderNames, agents: dict[str, str]) -> Event:
    """Return the event that a call's span is; `agents` are names of the spans around others, by their ids.

    Raises:
        MalformedError: It makes no sense.
        NoUsageError: It says too little to be recorded.
    """
    _check(span)
    attributes = span.attributes
    asked, answered = text_of(attributes, names.REQUEST_MODEL), text_of(attributes, names.RESPONSE_MODEL)
    provider = providers.provider_of(attributes, answered or asked)
    identity = text_of(attributes, (*names.RESPONSE_ID, OUTPUT_ID))
    usage, leaves = _usage(span)
    if leaves is None and usage is None and identity is None:
        raise NoUsageError
    if provider is None:
        raise MalformedError("it says no provider, and its model is nobody's that is known")
    if not asked and not answered:
        raise MalformedError("a call has a model")
    total_us = max(span.end_ns - span.start_ns, 0) // 1000
    tier = text_of(attributes, names.SERVICE_TIER)
    facts = {"service_tier": tier} if tier else {}
    part = EventPart(
        request_model=asked or answered, response_model=answered, usage=dict(leaves or {}), facts=facts
    )
    return Event(
        id=f"{span.trace_id}/{span.span_id}",
        source=SOURCE,
        witness=witness_kind(span.scope),
        time=moment_text(span.start_ns),
        ended_at=moment_text(max(span.end_ns, span.start_ns)),
        total_us=total_us,
        first_byte_us=_first_chunk_us(attributes),
        provider=provider,
        request_model=asked or answered,
        response_model=answered,
        usage=dict(usage or {}),
        parts=(part,) if leaves is not None else (),
        completeness=None if leaves is not None or usage is not None else "none",
        reason=None if leaves is not None or usage is not None else "no_usage_in_trace",
        response_id=identity,
        request_id=text_of(attributes, names.REQUEST_ID),
        streamed=is_true(attributes, names.STREAMED),
        max_tokens=_max_tokens(attributes),
        outcome="upstream_failed" if span.is_error else "completed",
        status=_status(attributes),
        error_class=_slug(text_of(attributes, names.ERROR)) if span.is_error else None,
        raw_usage=stated_figures(attributes),
        **whose(span.attributes, span.resource, agents.get(span.span_id)),
        attribution={"trace": span.trace_id},
    )


def whose(attributes: Attributes, resource: Attributes, agent: str | None = None) -> dict[str, Any]:
    """Return the names that attributes of a span, and after them its resource's, give a call."""
    found: dict[str, Any] = {}
    for dimension, keys in _MEANINGS.items():
        value = text_of(attributes, keys) or (text_of(resource, keys) if resource else None)
        if value:
            found[dimension] = value
    if agent and "agent" not in found:
        found["agent"] = agent
    if "app" in found and not text_of(attributes, _STATED_APP) and not text_of(resource, _STATED_APP):
        # Every program has a service's name, if only a default: what was said of the app on purpose stands.
        found["attribution_from"] = {"app": "process:service.name"}
    tags: dict[str, str] = {}
    for said in (resource, attributes):
        for name, value in said.items():
            if not name.startswith(names.TAGS) or isinstance(value, list) or name in _DIMENSIONS:
                continue
            prefix = next(each for each in names.TAGS if name.startswith(each))
            tag = name.removeprefix(prefix).strip().lower()[:64]
            if tag and len(tags) < _TAGS_MAX:
                tags[tag] = str(value)[:VALUE_MAX]
    environment = text_of(attributes, names.ENVIRONMENT) or text_of(resource, names.ENVIRONMENT)
    if environment:
        tags.setdefault("environment", environment)
    for name in names.LABELS:
        labels = attributes.get(name)
        if isinstance(labels, list) and labels:
            tags.setdefault("labels", ",".join(labels)[:VALUE_MAX])
    if tags:
        found["tags"] = tags
    return found


_MEANINGS = {
    "customer": names.CUSTOMER,
    "user": names.USER,
    "session": names.SESSION,
    "agent": names.AGENT,
    "step": names.STEP,
    "task": names.TASK,
    "project": names.PROJECT,
    "app": names.APP,
}
_STATED_APP = ("farebox.app",)
_DIMENSIONS = frozenset((*names.CUSTOMER, *names.USER, *names.SESSION))


def stated_figures(attributes: Attributes) -> str | None:
    """Return the figures of a span as it states them, JSON text: counts, and money as text."""
    said: dict[str, Any] = {}
    for name, value in attributes.items():
        if name not in _FIGURES:
            continue
        if isinstance(value, float):
            said[name] = str(Decimal(str(value)))
        elif (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, str) and _is_figure(value)
        ):
            said[name] = value
    return msgspec.json.encode(said).decode() if said else None


def _is_figure(text: str) -> bool:
    """Tell whether a text is a number, or numbers by name in JSON: nothing else is kept of what was said."""
    try:
        _decode_figures(text)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


_decode_figures = msgspec.json.Decoder(Decimal | dict[str, Decimal | None]).decode

_FIGURES = frozenset(
    (
        *names.INPUT,
        *names.OUTPUT,
        *names.TOTAL,
        *names.CACHE_READ,
        *names.CACHE_WRITE,
        *names.CACHE_WRITE_5M,
        *names.CACHE_WRITE_1H,
        *names.REASONING,
        *names.INPUT_AUDIO,
        *names.INPUT_IMAGE,
        *names.INPUT_VIDEO,
        *names.OUTPUT_AUDIO,
        *names.OUTPUT_IMAGE,
        *names.COST,
    )
)


def _usage(span: Span) -> tuple[dict[str, Any] | None, dict[str, int] | None]:
    """Return a provider's usage object, or leaves; neither where a span has no figures."""
    outside = any(span.scope.startswith(each) for each in telemetry_catalog().cache_outside_input)
    leaves = leaves_of(counts_of(span.attributes, cache_outside_input=outside))
    if leaves is not None:
        return None, leaves
    details = details_of(span.attributes)
    if details is None:
        return None, None
    own = own_leaves(details)
    return (None, own) if own is not None else (dict(details), None)


def _check(span: Span) -> None:
    if len(span.trace_id) != 32 or not span.trace_id.strip("0") or not _is_hex(span.trace_id):
        raise MalformedError("its trace id is not 16 bytes, or all zero")
    if len(span.span_id) != 16 or not span.span_id.strip("0") or not _is_hex(span.span_id):
        raise MalformedError("its span id is not 8 bytes, or all zero")
    if not 0 < span.start_ns < 1 << 63 or not 0 <= span.end_ns < 1 << 63:
        raise MalformedError("it has no time")
    if span.end_ns - span.start_ns > _DAY_NS:
        raise MalformedError("it took longer than a day")


def _is_hex(text: str) -> bool:
    return all(each in "0123456789abcdef" for each in text)


def _first_chunk_us(attributes: Attributes) -> int:
    seconds = number_of(attributes, names.FIRST_CHUNK_S)
    if seconds is None:
        millis = number_of(attributes, names.FIRST_CHUNK_MS)
        seconds = None if millis is None else millis / 1000
    return int(seconds * 1_000_000) if seconds is not None and 0 <= seconds < 86_400 else 0


def _max_tokens(attributes: Attributes) -> int | None:
    try:
        return count_of(attributes, names.MAX_TOKENS)
    except MalformedError:  # OpenLIT writes -1 where a request has no limit
        return None


def _status(attributes: Attributes) -> int:
    try:
        status = count_of(attributes, names.STATUS) or 0
    except MalformedError:
        return 0
    return status if status <= 999 else 0


def _slug(text: str | None) -> str | None:
    """Return the type of an error; a sentence could repeat a prompt."""
    return text if text and len(text) <= 64 and " " not in text else ("error" if text else None)
