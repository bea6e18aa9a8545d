"""OTLP requests, in both encodings, made of spans as plain dicts; and what real libraries put into theirs.

`emissions.jsonl` was recorded from the libraries it names, calling a server on this machine; what they sent
of the prompt is replaced by a word.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from farebox.catalog import load
from farebox.clock import now_ns
from farebox.ingest.bodies import Headers
from farebox.ingest.event_reading import EventReader
from farebox.ingest.limits import IngestLimits
from farebox.ingest.trust import Sender
from farebox.journal.records import Done, decode_done
from farebox.telemetry.otlp_in.reception import OtlpReader, Read
from farebox.telemetry.otlp_in.records import Signal
from farebox.telemetry.protobuf_message import double, fixed64, integer, message, raw, text

SECOND = 10**9
PROMPT = "PROMPTSECRET"
AS_PROTOBUF: Headers = [(b"content-type", b"application/x-protobuf")]
AS_JSON: Headers = [(b"content-type", b"application/json; charset=utf-8")]
GPT: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 120,
    "gen_ai.usage.output_tokens": 45,
}


def hexadecimal(name: str, size: int) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[: 2 * size]


def span(name: str, trace: str = "t", parent: str = "", at_ns: int = 0, **others: Any) -> dict[str, Any]:
    """Return a span; `name`, `trace` and `parent` become ids."""
    start = at_ns or now_ns() - SECOND
    return {
        "trace_id": hexadecimal(trace, 16),
        "span_id": hexadecimal(name, 8),
        "parent_id": hexadecimal(parent, 8) if parent else "",
        "name": name,
        "start_ns": start,
        "end_ns": start + SECOND // 2,
        "attributes": GPT,
        "scope": "test",
        **others,
    }


def emissions(library: str | None = None) -> list[dict[str, Any]]:
    """Return the spans that libraries sent."""
    lines = (Path(__file__).parent / "emissions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [msgspec.json.decode(line) for line in lines]
    return [
        span(
            f"{row['library']}{row['span']}",
            f"{row['library']}{row['trace']}",
            f"{row['library']}{row['parent']}" if row["parent"] else "",
            attributes=row["attributes"],
            scope=row["scope"],
            library=row["library"],
        )
        for row in rows
        if library is None or row["library"] == library
    ]


def as_protobuf(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> bytes:
    """Return an export request, each span in a scope of its own."""
    scopes = b"".join(
        message(2, message(1, text(1, each["scope"])) + message(2, _span(each))) for each in spans
    )
    head = message(1, b"".join(_key_value(1, *pair) for pair in (resource or {}).items()))
    return message(1, head + scopes)


def as_json(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> bytes:
    scopes = [{"scope": {"name": each["scope"]}, "spans": [_json_span(each)]} for each in spans]
    attributes = [_json_pair(*pair) for pair in (resource or {}).items()]
    return msgspec.json.encode(
        {"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": scopes}]}
    )


def as_json_logs(*records: dict[str, Any], scope: str = "test") -> bytes:
    """Return log records: `event`, `time_ns`, `attributes`, `trace_id`, `span_id`."""
    items = [
        {
            "timeUnixNano": str(each.get("time_ns") or now_ns()),
            "eventName": each["event"],
            "traceId": each.get("trace_id", ""),
            "spanId": each.get("span_id", ""),
            "attributes": [_json_pair(*pair) for pair in each["attributes"].items()],
        }
        for each in records
    ]
    return msgspec.json.encode(
        {"resourceLogs": [{"scopeLogs": [{"scope": {"name": scope}, "logRecords": items}]}]}
    )


def read(body: bytes, headers: Headers = AS_JSON, signal: Signal = "traces", reader: Any = None) -> Read:
    return (reader or OtlpReader(load)).read(signal, headers, body)


def events(found: Read) -> list[dict[str, Any]]:
    return [msgspec.json.decode(each) for each in found.items.texts]


def dones(found: Read) -> list[Done]:
    """Return the records that a collector writes of what was read."""
    reader = EventReader(load(), IngestLimits(), b"secret")
    read_events = [reader.read(each, Sender("t"), now_ns()) for each in found.items.texts]
    return [decode_done(each.record) for each in read_events if each.record_type == 3]


def counted(found: Read) -> dict[str, int]:
    return {name: count for name, count in found.items.others.items() if count}


def _span(said: dict[str, Any]) -> bytes:
    return b"".join(
        (
            raw(1, bytes.fromhex(said["trace_id"])),
            raw(2, bytes.fromhex(said["span_id"])),
            text(3, said.get("trace_state", "")),
            raw(4, bytes.fromhex(said["parent_id"])),
            text(5, said["name"]),
            fixed64(7, said["start_ns"]),
            fixed64(8, said["end_ns"]),
            *(_key_value(9, *pair) for pair in said["attributes"].items()),
            message(15, integer(3, 2 if said.get("is_error") else 0)),
        )
    )


def _key_value(number: int, key: str, value: Any) -> bytes:
    return message(number, text(1, key) + message(2, _value(value)))


def _value(value: Any) -> bytes:
    if isinstance(value, bool):
        return bytes((0x10, value))
    if isinstance(value, int):
        return integer(3, value) or b"\x18\x00"
    if isinstance(value, float):
        return double(4, value)
    if isinstance(value, list):
        return message(5, b"".join(message(1, _value(each)) for each in value))
    return message(1, value.encode())


def _json_span(said: dict[str, Any]) -> dict[str, Any]:
    return {
        "traceId": said["trace_id"],
        "spanId": said["span_id"],
        "parentSpanId": said["parent_id"],
        "traceState": said.get("trace_state", ""),
        "name": said["name"],
        "startTimeUnixNano": str(said["start_ns"]),
        "endTimeUnixNano": str(said["end_ns"]),
        "attributes": [_json_pair(*pair) for pair in said["attributes"].items()],
        "status": {"code": 2 if said.get("is_error") else 0},
    }


def _json_pair(key: str, value: Any) -> dict[str, Any]:
    return {"key": key, "value": _json_value(value)}


def _json_value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_json_value(each) for each in value]}}
    return {"stringValue": value}
