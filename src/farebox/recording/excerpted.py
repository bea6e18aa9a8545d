"""Read the excerpt of a call: what an SDK that reads no usage itself has left of request and response."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec

from farebox.catalog import Endpoint
from farebox.recording.event_schema import Event, Excerpt
from farebox.recording.invalid_event import EventInvalidError
from farebox.wire.facts import Extraction
from farebox.wire.http.request_id import request_id_names, request_id_of
from farebox.wire.keys import path_without_keys
from farebox.wire.meter import Meter

LENGTH = "@length"
"""Stands in a request for a text that is charged by its length: `{"input": {"@length": 120}}`."""
_LENGTH_MAX = 1 << 20
_STATUS_UNKNOWN = 200
_JSON = [(b"content-type", b"application/json")]


class Excerpted(NamedTuple):
    """What an excerpt comes to."""

    surface: str
    extraction: Extraction
    max_tokens: int | None
    request_id: str | None


def read_excerpt(endpoint: Endpoint, event: Event, excerpt: Excerpt) -> Excerpted:
    """Return what request and response say, read by the meter that the proxy uses.

    Raises:
        EventInvalidError: What should be base64 is not.
    """
    headers = _headers(excerpt)
    meter = Meter(endpoint, path_without_keys(event.path), "", _JSON)
    meter.request_body(_with_lengths(excerpt.request.encode()))
    facts = meter.request_end()
    if event.status or excerpt.headers or excerpt.response or excerpt.response_base64:
        meter.response_head(event.status or _STATUS_UNKNOWN, headers)
    if excerpt.response_base64:
        try:
            meter.response_body(binascii.a2b_base64(excerpt.response_base64, strict_mode=True))
        except ValueError:
            raise EventInvalidError("excerpt.response_base64", "this is not base64") from None
    elif excerpt.response:
        meter.response_body(excerpt.response.encode())
    return Excerpted(
        endpoint.surface,
        meter.finish(event.outcome),
        facts.max_tokens,
        request_id_of(dict(headers), request_id_names(endpoint)),
    )


def _headers(excerpt: Excerpt) -> Sequence[tuple[bytes, bytes]]:
    # Bodies are excerpted after they were unpacked.
    return [
        (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for name, value in excerpt.headers.items()
        if name.lower() != "content-encoding"
    ]


def _with_lengths(request: bytes) -> bytes:
    """Return a request with texts of the stated lengths: their words were never sent."""
    if LENGTH.encode() not in request:
        return request
    try:
        found: Any = msgspec.json.decode(request)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return request
    if not isinstance(found, dict):
        return request
    fields = cast("dict[str, Any]", found)
    return msgspec.json.encode({key: _with_length(value) for key, value in fields.items()})


def _with_length(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    length = cast("dict[str, Any]", value).get(LENGTH)
    return "x" * length if type(length) is int and 0 <= length <= _LENGTH_MAX else cast("Any", value)
