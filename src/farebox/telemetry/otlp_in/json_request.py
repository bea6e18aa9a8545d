"""OTLP in JSON: `application/json`. Ids are hexadecimal here, 64-bit numbers are text or numbers.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from farebox.telemetry.otlp_in.attribute_names import KEY_BYTES_MAX, is_response, is_wanted
from farebox.telemetry.otlp_in.attribute_values import TEXT_MAX, VALUES_MAX, response_id
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

_INT = re.compile(r"-?\d{1,20}", re.ASCII)


class _Text(msgspec.Struct, rename="camel"):
    string_value: str | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    bool_value: bool | None = None
    array_value: _Values | None = None


class _Values(msgspec.Struct):
    values: list[_Text] = []


class _KeyValue(msgspec.Struct):
    key: str = ""
    value: msgspec.Raw = msgspec.Raw(b"{}")


class _Resource(msgspec.Struct):
    attributes: list[_KeyValue] = []


class _Scope(msgspec.Struct):
    name: str = ""


class _Status(msgspec.Struct):
    code: int | str = 0


class _Span(msgspec.Struct, rename="camel"):
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str | None = None
    trace_state: str | None = None
    name: str = ""
    start_time_unix_nano: int | str = 0
    end_time_unix_nano: int | str = 0
    attributes: list[_KeyValue] = []
    status: _Status | None = None


class _Log(msgspec.Struct, rename="camel"):
    trace_id: str | None = None
    span_id: str | None = None
    time_unix_nano: int | str | None = None
    observed_time_unix_nano: int | str | None = None
    event_name: str | None = None
    body: msgspec.Raw = msgspec.Raw(b"null")
    attributes: list[_KeyValue] = []


class _Points(msgspec.Struct, rename="camel"):
    data_points: list[msgspec.Raw] = []


class _Metric(msgspec.Struct, rename="camel"):
    name: str = ""
    gauge: _Points | None = None
    sum: _Points | None = None
    histogram: _Points | None = None
    exponential_histogram: _Points | None = None
    summary: _Points | None = None


class _ScopeItems(msgspec.Struct, rename="camel"):
    scope: _Scope | None = None
    spans: list[msgspec.Raw] = []
    log_records: list[msgspec.Raw] = []
    metrics: list[msgspec.Raw] = []


class _ResourceItems(msgspec.Struct, rename="camel"):
    resource: _Resource | None = None
    scope_spans: list[_ScopeItems] = []
    scope_logs: list[_ScopeItems] = []
    scope_metrics: list[_ScopeItems] = []


class _Body(msgspec.Struct, rename="camel"):
    resource_spans: list[_ResourceItems] = []
    resource_logs: list[_ResourceItems] = []
    resource_metrics: list[_ResourceItems] = []


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_span = msgspec.json.Decoder(_Span).decode
_decode_log = msgspec.json.Decoder(_Log).decode
_decode_metric = msgspec.json.Decoder(_Metric).decode
_decode_value = msgspec.json.Decoder(_Text).decode


def read_json(signal: Signal, body: bytes) -> Request:
    """Return a request's spans, log records or metrics.

    Raises:
        MalformedError: It is no request at all.
    """
    try:
        found = _decode_body(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise MalformedError("the body is no OTLP request in JSON") from None
    request = Request()
    resources = {"traces": found.resource_spans, "logs": found.resource_logs}
    for each in resources.get(signal, found.resource_metrics):
        try:
            resource = _attributes(each.resource.attributes if each.resource is not None else [])
        except (MalformedError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            resource = {}  # whose spans they are is worth less than the spans
        for scoped in (*each.scope_spans, *each.scope_logs, *each.scope_metrics):
            scope = scoped.scope.name[:256] if scoped.scope is not None else ""
            for raw in (*scoped.spans, *scoped.log_records, *scoped.metrics):
                _read(signal, raw, scope, resource, request)
    return request


def _read(signal: Signal, raw: msgspec.Raw, scope: str, resource: Attributes, request: Request) -> None:
    try:
        if signal == "traces":
            request.spans.append(_span(_decode_span(raw), scope, resource))
        elif signal == "logs":
            request.logs.append(_log(_decode_log(raw), scope, resource))
        else:
            request.metrics.append(_metric(_decode_metric(raw)))
    except MalformedError as error:
        request.malformed.append(str(error))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        request.malformed.append("it has not the fields of the protocol")


def _span(said: _Span, scope: str, resource: Attributes) -> Span:
    return Span(
        trace_id=said.trace_id.lower(),
        span_id=said.span_id.lower(),
        parent_id=(said.parent_span_id or "").lower(),
        trace_state=(said.trace_state or "")[:512],
        name=said.name[:256],
        start_ns=_number(said.start_time_unix_nano),
        end_ns=_number(said.end_time_unix_nano),
        is_error=said.status is not None and said.status.code in (2, "STATUS_CODE_ERROR"),
        attributes=_attributes(said.attributes),
        scope=scope,
        resource=resource,
    )


def _log(said: _Log, scope: str, resource: Attributes) -> LogRecord:
    attributes = _attributes(said.attributes, is_log=True)
    body = None
    if len(bytes(said.body)) <= KEY_BYTES_MAX and said.body != msgspec.Raw(b"null"):
        body = _value(said.body)
    return LogRecord(
        trace_id=(said.trace_id or "").lower(),
        span_id=(said.span_id or "").lower(),
        time_ns=_number(said.time_unix_nano or 0) or _number(said.observed_time_unix_nano or 0),
        event=(said.event_name or str(attributes.get("event.name") or body or ""))[:KEY_BYTES_MAX],
        attributes=attributes,
        scope=scope,
        resource=resource,
    )


def _metric(said: _Metric) -> Metric:
    kinds = (said.gauge, said.sum, said.histogram, said.exponential_histogram, said.summary)
    return Metric(
        name=said.name[:128], points=sum(len(each.data_points) for each in kinds if each is not None)
    )


def _attributes(pairs: list[_KeyValue], *, is_log: bool = False) -> Attributes:
    found: Attributes = {}
    for pair in pairs:
        name = pair.key
        if is_response(name):
            said = _decode_value(pair.value).string_value
            identity = response_id(said) if said is not None else None
            if identity is not None:
                found[OUTPUT_ID] = identity
        elif is_wanted(name) or (is_log and len(name) + len(bytes(pair.value)) <= 2 * KEY_BYTES_MAX):
            value = _value(pair.value)
            if value is not None:
                found[name] = value
    return found


def _value(raw: msgspec.Raw) -> Value | None:
    said = _decode_value(raw)
    if said.string_value is not None:
        return said.string_value[:TEXT_MAX]
    if said.int_value is not None:
        return _number(said.int_value)
    if said.double_value is not None:
        return _double(said.double_value)
    if said.bool_value is not None:
        return said.bool_value
    if said.array_value is not None:
        texts = [each.string_value for each in said.array_value.values]
        return [text for text in texts if text is not None][:VALUES_MAX]
    return None


def _double(said: float | str) -> float:
    try:
        return float(said)  # `NaN` and `Infinity` are text
    except ValueError:
        raise MalformedError("a number is none") from None


def _number(said: Any) -> int:
    if isinstance(said, str):
        if not _INT.fullmatch(said):
            raise MalformedError("a number is none")
        return int(said)
    return int(said)
