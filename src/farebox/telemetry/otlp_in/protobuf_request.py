"""OTLP in protobuf: `application/x-protobuf`.

Field numbers are those of https://github.com/open-telemetry/opentelemetry-proto, where they never change.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator

from farebox.telemetry.otlp_in.attribute_names import KEY_BYTES_MAX, is_response, is_wanted
from farebox.telemetry.otlp_in.attribute_values import TEXT_MAX, VALUES_MAX, response_id
from farebox.telemetry.otlp_in.protobuf_fields import BYTES, FIXED64, VARINT, fields, signed
from farebox.telemetry.otlp_in.records import (
    OUTPUT_ID,
    Attributes,
    LogRecord,
    MalformedError,
    Metric,
    Request,
    Signal,
    Span,
    Value,
)

_DATA_POINTS = frozenset((5, 7, 9, 10, 11))
"""Gauge, sum, histogram, exponential histogram, summary."""
_ERROR = 2

_known_keys: dict[bytes, str | None] = {}
"""Names seen before, and None for those that are not read: libraries use the same few over and over."""
_KNOWN_MAX = 20_000


def read_protobuf(signal: Signal, body: bytes) -> Request:
    """Return a request's spans, log records or metrics.

    Raises:
        MalformedError: It is no request at all: where its items begin and end cannot be told.
    """
    request = Request()
    for resource, scope, start, end in _items(body):
        try:
            if signal == "traces":
                request.spans.append(_span(body, start, end, scope, resource))
            elif signal == "logs":
                request.logs.append(_log(body, start, end, scope, resource))
            else:
                request.metrics.append(_metric(body, start, end))
        except MalformedError as error:
            request.malformed.append(str(error))
    return request


def _items(data: bytes) -> Iterator[tuple[Attributes, str, int, int]]:
    """Yield what stands in each scope of each resource, by its place."""
    for number, wire, start, end in fields(data, 0, len(data)):
        if number != 1 or wire != BYTES:
            continue
        resource: Attributes = {}
        scopes: list[tuple[int, int]] = []
        for inner, kind, begin, stop in fields(data, start, end):
            if kind == BYTES and inner == 1:
                with contextlib.suppress(MalformedError):  # whose spans they are is worth less than the spans
                    resource = _attributes(data, begin, stop, 1)
            elif kind == BYTES and inner == 2:
                scopes.append((begin, stop))
        for begin, stop in scopes:
            name = ""
            items: list[tuple[int, int]] = []
            for inner, kind, first, last in fields(data, begin, stop):
                if kind == BYTES and inner == 1:
                    name = _name(data, first, last)
                elif kind == BYTES and inner == 2:
                    items.append((first, last))
            for first, last in items:
                yield resource, name, first, last


def _span(data: bytes, start: int, end: int, scope: str, resource: Attributes) -> Span:
    trace_id = span_id = parent_id = state = name = ""
    start_ns = end_ns = 0
    is_error = False
    attributes: Attributes = {}
    for number, wire, begin, stop in fields(data, start, end):
        if number == 9 and wire == BYTES:
            _attribute(data, begin, stop, attributes)
        elif wire == BYTES:
            if number == 1:
                trace_id = data[begin:stop].hex()
            elif number == 2:
                span_id = data[begin:stop].hex()
            elif number == 3:
                state = _text(data, begin, min(stop, begin + 512))
            elif number == 4:
                parent_id = data[begin:stop].hex()
            elif number == 5:
                name = _text(data, begin, min(stop, begin + 256))
            elif number == 15:
                is_error = any(at == 3 and value == _ERROR for at, _, value, _ in fields(data, begin, stop))
        elif wire == FIXED64:
            if number == 7:
                start_ns = begin
            elif number == 8:
                end_ns = begin
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id,
        trace_state=state,
        name=name,
        start_ns=start_ns,
        end_ns=end_ns,
        is_error=is_error,
        attributes=attributes,
        scope=scope,
        resource=resource,
    )


def _log(data: bytes, start: int, end: int, scope: str, resource: Attributes) -> LogRecord:
    found = LogRecord(attributes={}, scope=scope, resource=resource)
    body = ""
    observed = 0
    for number, wire, begin, stop in fields(data, start, end):
        if wire == BYTES:
            if number == 6:
                _attribute(data, begin, stop, found.attributes, is_log=True)
            elif number == 9:
                found.trace_id = data[begin:stop].hex()
            elif number == 10:
                found.span_id = data[begin:stop].hex()
            elif number == 12:
                found.event = _text(data, begin, min(stop, begin + 128))
            elif number == 5 and stop - begin <= KEY_BYTES_MAX:
                said = _any_value(data, begin, stop)
                body = said if isinstance(said, str) else ""
        elif wire == FIXED64 and number == 1:
            found.time_ns = begin
        elif wire == FIXED64 and number == 11:
            observed = begin
    found.time_ns = found.time_ns or observed
    found.event = found.event or str(found.attributes.get("event.name") or body)
    return found


def _metric(data: bytes, start: int, end: int) -> Metric:
    name, points = "", 0
    for number, wire, begin, stop in fields(data, start, end):
        if wire == BYTES and number == 1:
            name = _text(data, begin, min(stop, begin + 128))
        elif wire == BYTES and number in _DATA_POINTS:
            points += sum(1 for at, kind, _, _ in fields(data, begin, stop) if at == 1 and kind == BYTES)
    return Metric(name=name, points=points)


# -- attributes --


def _attributes(data: bytes, start: int, end: int, number: int) -> Attributes:
    found: Attributes = {}
    for at, wire, begin, stop in fields(data, start, end):
        if at == number and wire == BYTES:
            _attribute(data, begin, stop, found)
    return found


def _attribute(data: bytes, start: int, end: int, found: Attributes, *, is_log: bool = False) -> None:
    key = b""
    value = (0, 0)
    for number, wire, begin, stop in fields(data, start, end):
        if wire == BYTES and number == 1:
            key = data[begin : min(stop, begin + KEY_BYTES_MAX + 1)]
        elif wire == BYTES and number == 2:
            value = begin, stop
    try:
        name = _known_keys[key]
    except KeyError:
        name = _learn(key)
    if name is None:
        if not is_log or len(key) > KEY_BYTES_MAX or value[1] - value[0] > KEY_BYTES_MAX:
            return
        name = key.decode("utf-8", "replace")  # a few short words of a log record, which its event names
    if is_response(name):
        said = _any_value(data, *value, whole=True)
        identity = response_id(said) if isinstance(said, str) else None
        if identity is not None:
            found[OUTPUT_ID] = identity
        return
    said = _any_value(data, *value)
    if said is not None:
        found[name] = said


def _learn(key: bytes) -> str | None:
    try:
        name = key.decode()
    except UnicodeDecodeError:
        name = ""
    wanted = name if len(key) <= KEY_BYTES_MAX and (is_wanted(name) or is_response(name)) else None
    if len(_known_keys) < _KNOWN_MAX:
        _known_keys[key] = wanted
    return wanted


def _any_value(data: bytes, start: int, end: int, *, whole: bool = False) -> Value | None:
    for number, wire, begin, stop in fields(data, start, end):
        if wire == BYTES and number == 1:
            return _text(data, begin, stop if whole else min(stop, begin + TEXT_MAX))
        if wire == VARINT and number == 3:
            return signed(begin)
        if wire == VARINT and number == 2:
            return bool(begin)
        if wire == FIXED64 and number == 4:
            (value,) = struct.unpack("<d", begin.to_bytes(8, "little"))
            return float(value)
        if wire == BYTES and number == 5:
            return _texts(data, begin, stop)
    return None


def _texts(data: bytes, start: int, end: int) -> list[str]:
    """Return the texts of a list; lists in it are stepped over, however deep they are."""
    said: list[str] = []
    for number, wire, begin, stop in fields(data, start, end):
        if number == 1 and wire == BYTES and len(said) < VALUES_MAX:
            for inner, kind, first, last in fields(data, begin, stop):
                if inner == 1 and kind == BYTES:
                    said.append(_text(data, first, min(last, first + TEXT_MAX)))
    return said


def _name(data: bytes, start: int, end: int) -> str:
    for number, wire, begin, stop in fields(data, start, end):
        if number == 1 and wire == BYTES:
            return _text(data, begin, min(stop, begin + 256))
    return ""


def _text(data: bytes, start: int, end: int) -> str:
    return data[start:end].decode("utf-8", "replace")
