"""OTLP requests are read alike in both encodings, and what is malformed hurts nothing beside it."""

from __future__ import annotations

import gzip

import pytest
from otlp_requests import (
    AS_JSON,
    AS_PROTOBUF,
    GPT,
    PROMPT,
    as_json,
    as_json_logs,
    as_protobuf,
    counted,
    emissions,
    events,
    read,
    span,
)

from farebox.catalog import load
from farebox.ingest.refused_body import BodyRefusedError
from farebox.telemetry.otlp_in.reception import OtlpReader
from farebox.telemetry.protobuf_message import integer, message, text


def test_protobuf_and_json_say_the_same() -> None:
    spans = emissions()
    resource = {"service.name": "shop", "farebox.tag.team": "core", "deployment.environment.name": "prod"}
    by_protobuf = read(as_protobuf(*spans, resource=resource), AS_PROTOBUF)
    by_json = read(as_json(*spans, resource=resource))
    assert events(by_protobuf) == events(by_json)
    assert counted(by_protobuf) == counted(by_json)
    first = events(by_json)[0]
    assert (first["app"], first["tags"]) == ("shop", {"team": "core", "environment": "prod"})


@pytest.mark.parametrize("headers", [AS_PROTOBUF, AS_JSON])
def test_a_packed_request_is_unpacked(headers: list[tuple[bytes, bytes]]) -> None:
    body = as_json(span("a")) if headers is AS_JSON else as_protobuf(span("a"))
    found = read(gzip.compress(body), [*headers, (b"content-encoding", b"gzip")])
    assert counted(found) == {"calls": 1}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"trace_id": "00" * 16}, "trace id"),
        ({"span_id": "ab"}, "span id"),
        ({"start_ns": 0}, "no time"),
        ({"attributes": {**GPT, "gen_ai.usage.input_tokens": -5}}, "gen_ai.usage.input_tokens is no count"),
        ({"attributes": {**GPT, "gen_ai.usage.output_tokens": "many"}}, "output_tokens is no count"),
        ({"attributes": {**GPT, "gen_ai.usage.output_tokens": 1.5}}, "output_tokens is no count"),
        ({"attributes": {**GPT, "gen_ai.request.model": ""}}, "a model"),
        (
            {
                "attributes": {
                    k: v for k, v in {**GPT, "gen_ai.request.model": "x-1"}.items() if "prov" not in k
                }
            },
            "no provider",
        ),
    ],
)
def test_a_malformed_span_is_rejected_beside_good_ones(fields: dict[str, object], why: str) -> None:
    spans = [span("a"), span("b", **fields), span("c")]
    for found in (read(as_json(*spans)), read(as_protobuf(*spans), AS_PROTOBUF)):
        assert counted(found) == {"calls": 2, "malformed": 1}
        (reason,) = found.reasons
        assert why in reason


def test_a_span_whose_bytes_or_fields_are_broken_is_rejected_beside_good_ones() -> None:
    body = as_protobuf(span("a")) + message(1, message(2, message(2, b"\x0a\xff\x01broken")))
    assert counted(read(body, AS_PROTOBUF)) == {"calls": 1, "malformed": 1}
    body = as_json(span("a"), span("b")).replace(b'"name":"b"', b'"name":17')
    assert counted(read(body)) == {"calls": 1, "malformed": 1}


@pytest.mark.parametrize("body", [b"\x0a\xff", b"\x0b", b"\xff" * 40, b"{]", b"[]"])
def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    for headers in (AS_PROTOBUF, AS_JSON):
        with pytest.raises(BodyRefusedError) as refused:
            read(body, headers)
        assert refused.value.status == 400


def test_a_content_type_of_grpc_is_refused_by_name() -> None:
    with pytest.raises(BodyRefusedError, match="not gRPC") as refused:
        read(b"", [(b"content-type", b"application/grpc")])
    assert refused.value.status == 415


def test_an_empty_request_is_taken() -> None:
    assert counted(read(b"", AS_PROTOBUF)) == {}
    assert counted(read(b"{}")) == {}


def test_ten_thousand_spans_in_one_request_are_ten_thousand_calls() -> None:
    spans = [span(f"s{number}", f"t{number // 10}") for number in range(10_000)]
    found = read(as_protobuf(*spans), AS_PROTOBUF)
    assert counted(found) == {"calls": 10_000}
    assert len({each["id"] for each in events(found)}) == 10_000


def test_no_prompt_of_any_library_is_in_an_event() -> None:
    spans = emissions()
    assert PROMPT.encode() in as_protobuf(*spans)
    for found in (read(as_json(*spans)), read(as_protobuf(*spans), AS_PROTOBUF)):
        assert all(PROMPT.encode() not in each for each in found.items.texts)


def test_metrics_are_counted_by_their_points_and_make_no_call() -> None:
    points = message(7, message(1, integer(2, 5)) + message(1, integer(2, 6)))
    metric = text(1, "gen_ai.client.token.usage") + points
    body = message(1, message(2, message(2, metric)))
    assert counted(read(body, AS_PROTOBUF, "metrics")) == {"metric_points": 2}
    body = (
        b'{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"claude_code.token.usage",'
        b'"sum":{"dataPoints":[{"asInt":"5"},{"asDouble":6}]}}]}]}]}'
    )
    assert counted(read(body, AS_JSON, "metrics")) == {"metric_points": 2}


def test_spans_and_log_records_that_are_no_calls_are_counted_by_name() -> None:
    http = span("GET /", attributes={"http.request.method": "GET", "url.full": "https://a/?key=1"})
    quiet = span("b", attributes={k: v for k, v in GPT.items() if "usage" not in k})
    agent = span("c", attributes={**GPT, "gen_ai.operation.name": "invoke_agent"})
    found = read(as_json(http, quiet, agent))
    assert counted(found) == {"other_spans": 1, "calls_without_usage": 1, "parent_totals": 1}
    found = read(as_json_logs({"event": "gen_ai.choice", "attributes": {}}), signal="logs")
    assert counted(found) == {"other_logs": 1}


def test_a_call_without_usage_that_has_a_response_id_is_recorded_as_unknown() -> None:
    attributes = {k: v for k, v in GPT.items() if "usage" not in k} | {"gen_ai.response.id": "chatcmpl-1"}
    (event,) = events(read(as_json(span("a", attributes=attributes))))
    assert (event["completeness"], event["reason"]) == ("none", "no_usage_in_trace")


def test_one_request_twice_says_the_same_events() -> None:
    reader = OtlpReader(load)
    body = as_protobuf(*emissions())
    assert (
        read(body, AS_PROTOBUF, reader=reader).items.texts
        == read(body, AS_PROTOBUF, reader=reader).items.texts
    )
