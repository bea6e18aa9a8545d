"""The public event as a record: flat JSON of whoever sends records over a network, as the journal has it.

`event_spelling.py` is the other direction, and there is no third. Everything a `Done` or `Result` says can be
spelled, and is read back as it was; an event written by hand needs little of it: id, provider, model, usage,
customer. What a token proves, and what a collector accepts, is not decided here. What budgets of a machine
held for a call is not sent: their counters are that machine's own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from farebox.errors import UsageError
from farebox.journal.records import Done, Mark, Result
from farebox.money import INT64_MAX
from farebox.recording.error_class import error_class_of
from farebox.recording.event_schema import NAME_MAX, Event, EventPart, Excerpt
from farebox.recording.excerpted import Excerpted
from farebox.recording.invalid_event import EventInvalidError
from farebox.recording.stated_usage import COUNT_MAX, quantity_of
from farebox.wire.facts import Extraction, Part, Quantity
from farebox.wire.keys import path_without_keys, redacted, without_keys

_EXPONENT_MAX, _DIGITS_MAX = 30, 60
_FREE: dict[str, Any] = {
    "billable": False,
    "not_billable_because": "not_sent",
    "reason": "not_sent",
    "lacks": (),
}
"""Of an excerpt whose sender knows that the provider received nothing."""
SAMPLED = "sampled"
"""The reason of a loss that is none: a sampler sent some calls and left the others out."""
_OF_CALLS = ("provider", "model", "usage", "parts", "excerpt")
_OF_RESULTS = ("name", "value")
_OF_LOSSES = ("records", "exchanges", "lost_bytes")


decode_event = msgspec.json.Decoder(Event).decode
encode_event = msgspec.json.Encoder(decimal_format="string").encode
_canonical = msgspec.json.Encoder(order="deterministic", decimal_format="string").encode

ReadUsage = Callable[[str, str, Mapping[str, Any]], tuple[str, Extraction]]
"""Provider, model and what stands under `usage`, to the surface that goes with it and what was used. Raises
`UsageError`."""

ReadExcerpt = Callable[[Event, Excerpt], Excerpted]
"""A call and its excerpt to what they come to. Raises `EventInvalidError`."""

# -- who and when --

_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def event_key(source: str, text: str) -> tuple[bytes, str | None]:
    """Return the 16 bytes that stand for an id, and its text where they cannot be turned back into it.

    Raises:
        EventInvalidError: An API key was taken for an id, and would be written down.
    """
    for field, said in (("id", text), ("source", source)):
        if without_keys(said) != said:
            raise EventInvalidError(field, "this looks like an API key")
    if _UUID.fullmatch(text):
        return bytes.fromhex(text.replace("-", "")), None
    return hashlib.sha256(source.encode() + b"\0" + text.encode()).digest()[:16], text


def moment_text(moment_ns: int) -> str:
    """Return a moment in nanoseconds since 1970 as RFC 3339 text in UTC; every nanosecond is kept."""
    seconds, nanos = divmod(moment_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanos:09d}Z"


def moment_ns(text: str, field: str = "time") -> int:
    """Return a moment in nanoseconds since 1970.

    Raises:
        EventInvalidError: It is no RFC 3339 text with an offset, or of a time that no record can have.
    """
    found = _MOMENT.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        day, clock, fraction, offset = found.groups()
        stamp = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if offset in 'Zz' else offset}")
        seconds = int(stamp.timestamp())
    except (ValueError, OverflowError):
        raise EventInvalidError(
            field, f"expected RFC 3339 with an offset such as 2026-11-29T08:30:00.125Z, got {text!r}"
        ) from None
    moment = seconds * 1_000_000_000 + int((fraction or "").ljust(9, "0"))
    if not 0 <= moment <= INT64_MAX:
        raise EventInvalidError(field, f"expected a time between 1970 and 2262, got {text!r}")
    return moment


# -- attribution --

NAMED = ("customer", "user", "agent", "session", "task", "project", "app", "step", "parent_step")


def _attribution(event: Event) -> tuple[dict[str, str], dict[str, str]]:
    values: dict[str, str] = {}
    for name in NAMED:
        value = getattr(event, name)
        if value:
            values[name] = value
    for name, value in event.tags.items():
        _put(values, f"tag.{name.strip().lower()}", value, "tags")
    for name, value in event.attribution.items():
        _put(values, name, value, "attribution")
    return (
        {name: without_keys(value) for name, value in values.items()},
        {name: without_keys(said) for name, said in event.attribution_from.items() if name in values},
    )


def _put(values: dict[str, str], name: str, value: str, field: str) -> None:
    if not name or name == "tag.":
        raise EventInvalidError(field, "a name is empty")
    if values.setdefault(without_keys(name)[:NAME_MAX], value) != value and len(name) <= NAME_MAX:
        raise EventInvalidError(field, f"{name} is said twice, with two values")


# -- an event to a record --


def done_of(
    event: Event,
    *,
    source: str,
    received_ns: int,
    read_usage: ReadUsage,
    read_excerpt: ReadExcerpt | None = None,
) -> Done:
    """Return the end of a call that an event of the type `call` states. Nothing in it looks like a key.

    Raises:
        EventInvalidError: It makes no sense.
    """
    if event.provider is None:
        raise EventInvalidError("provider", "a call has a provider")
    _refuse_fields_of_others(event, (*_OF_RESULTS, *_OF_LOSSES))
    occurred_ns, ended_ns = _moments(event, received_ns)
    max_tokens, request_id, error_class = event.max_tokens, event.request_id, event.error_class
    if event.excerpt is None:
        extraction, surface = _extraction(event, read_usage)
    else:
        excerpted = _excerpted(event, event.excerpt, read_excerpt)
        extraction, surface = excerpted.extraction, excerpted.surface
        max_tokens = excerpted.max_tokens if max_tokens is None else max_tokens
        request_id = request_id or excerpted.request_id
        error_class = error_class or error_class_of(event.status)
    event_id, text = event_key(source, event.id)
    attribution, said = _attribution(event)
    return Done(
        event_id=event_id,
        source=source,
        witness=event.witness,
        occurred_at_ns=occurred_ns,
        provider=event.provider,
        surface=without_keys(event.surface or surface),
        method=without_keys(event.method),
        path=path_without_keys(event.path),
        host=without_keys(event.host),
        key_fingerprint=event.key_fingerprint,
        attribution=attribution,
        attribution_from=said,
        attempt=event.attempt,
        ended_at_ns=ended_ns,
        outcome=event.outcome,
        status=event.status,
        error_class=None if error_class is None else without_keys(error_class),
        request_bytes=event.request_bytes,
        response_bytes=event.response_bytes,
        first_byte_us=event.first_byte_us,
        total_us=event.total_us,
        added_us=event.added_us,
        extraction=redacted(extraction),
        max_tokens=max_tokens,
        event_id_text=text,
        payload_sha256=_payload(event),
        request_id=None if request_id is None else without_keys(request_id),
        passed_on=event.passed_on,
    )


def result_of(event: Event, *, source: str, received_ns: int) -> Result:
    """Return the outcome or score that an event states.

    Raises:
        EventInvalidError: It makes no sense.
    """
    if event.name is None:
        raise EventInvalidError(
            "name", f"{'an outcome' if event.type == 'outcome' else 'a score'} has a name"
        )
    if event.type == "score" and event.value is None:
        raise EventInvalidError("value", "a score has a value")
    _refuse_fields_of_others(event, (*_OF_CALLS, *_OF_LOSSES))
    value = None
    if event.value is not None:
        value = f"{_exact(event.value, 'value'):f}"
    event_id, text = event_key(source, event.id)
    attribution, said = _attribution(event)
    return Result(
        event_id=event_id,
        source=source,
        occurred_at_ns=received_ns if event.time is None else moment_ns(event.time),
        name=without_keys(event.name),
        value=value,
        attribution=attribution,
        attribution_from=said,
        event_id_text=text,
        payload_sha256=_payload(event),
    )


def loss_of(event: Event, *, source: str, received_ns: int) -> Mark:
    """Return what a sender could not keep, as a `lost` mark, or what a sampler of traces left out, as a
    `sampled` one. The ledger counts each id once.

    Raises:
        EventInvalidError: It makes no sense.
    """
    if not event.records:
        raise EventInvalidError("records", "a loss says how many records it was")
    if event.exchanges > event.records:
        raise EventInvalidError("exchanges", "more calls than records")
    _refuse_fields_of_others(event, (*_OF_CALLS, *_OF_RESULTS))
    event_id, _ = event_key(source, event.id)
    from_ns = received_ns if event.time is None else moment_ns(event.time)
    return Mark(
        at_ns=received_ns,
        kind=SAMPLED if event.reason == SAMPLED else "lost",
        detail={
            "records": event.records,
            "exchanges": event.exchanges,
            "bytes": event.lost_bytes,
            "from_ns": from_ns,
            "until_ns": from_ns if event.ended_at is None else moment_ns(event.ended_at, "ended_at"),
            "source": source,
            "event_id": event_id.hex(),
        },
    )


def content_digest(event: Event) -> bytes:
    """Return what tells events with one id apart: of everything that is said, however it is spelled.

    Of a loss only the counts: senders find the same loss at different times.
    """
    if event.payload_sha256 is not None:
        return bytes.fromhex(event.payload_sha256)
    is_loss = event.type == "loss"
    plain = msgspec.structs.replace(
        event,
        id="-",
        source="",
        time=None if event.time is None or is_loss else moment_text(moment_ns(event.time)),
        ended_at=None
        if event.ended_at is None or is_loss
        else moment_text(moment_ns(event.ended_at, "ended_at")),
    )
    return hashlib.sha256(_canonical(plain)).digest()


def _payload(event: Event) -> bytes | None:
    return None if event.payload_sha256 is None else bytes.fromhex(event.payload_sha256)


def _refuse_fields_of_others(event: Event, fields: tuple[str, ...]) -> None:
    for field in fields:
        if getattr(event, field):
            raise EventInvalidError(field, f"an event of type {event.type} has none")


def _moments(event: Event, received_ns: int) -> tuple[int, int]:
    took_ns = event.total_us * 1000
    if event.ended_at is None:
        occurred_ns = received_ns if event.time is None else moment_ns(event.time)
        return occurred_ns, occurred_ns + took_ns
    ended_ns = moment_ns(event.ended_at, "ended_at")
    return (ended_ns - took_ns if event.time is None else moment_ns(event.time)), ended_ns


def _extraction(event: Event, read_usage: ReadUsage) -> tuple[Extraction, str]:
    """Return what was used, and the surface of an event that states none."""
    if event.usage and event.parts:
        raise EventInvalidError("usage", "usage or parts, not both")
    if event.model is not None and (event.request_model is not None or event.response_model is not None):
        raise EventInvalidError("model", "model, or request_model and response_model, not both")
    provider = event.provider or ""
    asked, answered = event.request_model or event.model, event.response_model or event.model
    surface, parts = "", tuple([_part(part, provider) for part in event.parts])
    found = Extraction()
    if event.usage or event.surface is None:
        if event.usage and not (asked or answered):
            raise EventInvalidError("model", "nothing can be priced without a model")
        try:
            surface, found = read_usage(provider, answered or asked or "", event.usage)
        except UsageError as error:
            raise EventInvalidError("usage", str(error)) from None
    for part in found.parts:
        if event.model is None:
            part = msgspec.structs.replace(part, request_model=asked, response_model=answered)
        parts = (*parts, part)
    completeness = event.completeness or ("final" if event.parts else found.completeness)
    return (
        Extraction(
            parts=parts,
            completeness=completeness,
            reason=event.reason,
            billable=event.billable,
            not_billable_because=event.not_billable_because,
            response_id=event.response_id,
            request_model=asked,
            response_model=answered,
            streamed=event.streamed,
            raw_usage=event.raw_usage if event.raw_usage is not None else found.raw_usage,
            error_code=event.error_code,
            flags=event.flags or found.flags,
            lacks=event.lacks or found.lacks,
        ),
        surface,
    )


def _excerpted(event: Event, excerpt: Excerpt, read_excerpt: ReadExcerpt | None) -> Excerpted:
    """Return what an excerpt comes to; what the event says of the same stands beside it, and above it."""
    if read_excerpt is None:
        raise EventInvalidError("excerpt", "nothing reads excerpts here")
    for field in ("usage", "parts", "completeness", "reason", "not_billable_because", "raw_usage", "lacks"):
        if getattr(event, field):
            raise EventInvalidError(field, "an event with an excerpt has none")
    found = read_excerpt(event, excerpt)
    extraction = found.extraction
    asked = event.request_model or event.model or extraction.request_model
    answered = event.response_model or extraction.response_model
    parts = [
        msgspec.structs.replace(
            part, request_model=part.request_model or asked, response_model=part.response_model or answered
        )
        for part in extraction.parts
    ]
    return found._replace(
        extraction=msgspec.structs.replace(
            extraction,
            parts=tuple(parts),
            response_id=event.response_id or extraction.response_id,
            request_model=asked,
            response_model=answered,
            streamed=event.streamed or extraction.streamed,
            error_code=event.error_code or extraction.error_code,
            flags=(*extraction.flags, *event.flags),
            **({} if event.billable else _FREE),
        )
    )


def _part(part: EventPart, provider: str) -> Part:
    return Part(
        provider=part.provider or provider,
        request_model=part.request_model,
        response_model=part.response_model,
        kind=part.kind,
        quantities={leaf: _quantity(leaf, count) for leaf, count in part.usage.items()},
        facts=part.facts,
        provider_cost_usd=None
        if part.provider_cost_usd is None
        else Decimal(_exact(part.provider_cost_usd, "parts.provider_cost_usd")),
    )


def _quantity(leaf: str, count: int | Decimal) -> Quantity:
    try:
        return quantity_of(leaf, count)
    except UsageError as error:
        raise EventInvalidError("parts.usage", str(error)) from None


def _exact(number: int | Decimal, field: str) -> int | Decimal:
    if isinstance(number, Decimal):
        if (
            not number.is_finite()
            or abs(number.adjusted()) > _EXPONENT_MAX
            or len(number.as_tuple().digits) > _DIGITS_MAX
        ):
            said = f"expected a number of at most {_DIGITS_MAX} digits, between 10^-30 and 10^30"
            raise EventInvalidError(field, f"{said}, got {str(number)[:40]}")
    elif abs(number) > COUNT_MAX:
        raise EventInvalidError(field, "a number this large means nothing")
    return number
