"""Routes that no list has: their response says whether a model made it, and what it used."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from farebox import catalog
from farebox.wire.facts import Extraction
from farebox.wire.meter import Meter

CATALOG = catalog.load()
JSON = b"application/json"


def metered(
    body: bytes,
    *,
    method: str = "POST",
    status: int = 200,
    kind: bytes = JSON,
    outcome: str = "completed",
    encoding: bytes = b"",
    pieces: int = 1,
    provider: str = "groq",
) -> Extraction:
    found = CATALOG.provider(provider)
    assert found is not None
    path = "/v9/tea"
    meter = Meter(found.endpoint(method, path), path, "", [(b"content-type", JSON)])
    if method == "POST":
        meter.request_body(b'{"model": "m-1"}')
    meter.request_end()
    headers = [(b"content-type", kind)]
    if encoding:
        headers.append((b"content-encoding", encoding))
    meter.response_head(status, headers)
    step = max(1, len(body) // pieces)
    for start in range(0, len(body), step):
        meter.response_body(body[start : start + step])
    return meter.finish(outcome)


CHAT = b"""{"id": "c-1", "model": "m-1", "choices": [], "usage": {"prompt_tokens": 100,
"prompt_tokens_details": {"cached_tokens": 60}, "completion_tokens": 20, "total_tokens": 120}}"""
RESPONSES = b"""{"id": "r-1", "model": "m-1",
"output": [{"type": "web_search_call", "action": {"type": "search"}}],
"status": "completed", "usage": {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 60},
"output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 120}}"""
MESSAGES = b"""{"id": "m-1", "type": "message", "model": "m-1", "content": [],
"usage": {"input_tokens": 40, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 7,
"output_tokens": 20}}"""
GEMINI = b"""{"candidates": [{"content": {}, "finishReason": "STOP"}],
"modelVersion": "m-1", "responseId": "g-1",
"usageMetadata": {"promptTokenCount": 100, "cachedContentTokenCount": 60, "candidatesTokenCount": 20,
"thoughtsTokenCount": 5, "totalTokenCount": 125}}"""
CONVERSE = b"""{"output": {}, "stopReason": "end_turn",
"usage": {"inputTokens": 40, "cacheReadInputTokens": 60, "outputTokens": 20, "totalTokens": 120}}"""

SHAPES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "openai/chat": (CHAT, {"input_uncached": 40, "cache_read": 60, "output_text": 20}),
    "openai/responses": (
        RESPONSES,
        {
            "input_uncached": 40,
            "cache_read": 60,
            "output_text": 15,
            "output_reasoning": 5,
            "calls_web_search": 1,
        },
    ),
    "anthropic/messages": (
        MESSAGES,
        {"input_uncached": 40, "cache_read": 60, "cache_write_5m": 7, "output_text": 20},
    ),
    "google/generate": (
        GEMINI,
        {"input_uncached": 40, "cache_read": 60, "output_text": 20, "output_reasoning": 5},
    ),
    "bedrock/converse": (CONVERSE, {"input_uncached": 40, "cache_read": 60, "output_text": 20}),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pieces", [1, 2, 40])
def test_usage_on_an_unlisted_route_is_read_by_its_shape(shape: str, pieces: int) -> None:
    body, leaves = SHAPES[shape]
    found = metered(body, pieces=pieces)
    assert (found.completeness, found.billable) == ("final", True)
    assert found.parts[0].quantities == leaves


def test_a_compressed_body_is_read_by_its_shape_too() -> None:
    found = metered(gzip.compress(MESSAGES), encoding=b"gzip")
    assert found.parts[0].quantities == SHAPES["anthropic/messages"][1]


def _events(*documents: bytes) -> bytes:
    return b"".join(b"data: " + document.replace(b"\n", b" ") + b"\n\n" for document in documents)


STREAMS = {
    "openai": _events(
        b'{"id": "c-1", "model": "m-1", "choices": [{"delta": {"content": "x"}}]}', CHAT, b"[DONE]"
    ),
    "anthropic": _events(
        b'{"type": "message_start", "message": {"id": "m-1", "model": "m-1", "usage": '
        b'{"input_tokens": 40, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 7, '
        b'"output_tokens": 1}}}',
        b'{"type": "content_block_delta", "delta": {"text": "x"}}',
        b'{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 20}}',
        b'{"type": "message_stop"}',
    ),
    "google": _events(
        b'{"candidates": [{}], "usageMetadata": {"promptTokenCount": 100, "totalTokenCount": 100}}', GEMINI
    ),
}


@pytest.mark.parametrize(
    ("name", "shape"),
    [("openai", "openai/chat"), ("anthropic", "anthropic/messages"), ("google", "google/generate")],
)
def test_a_stream_on_an_unlisted_route_is_read_by_its_shape(name: str, shape: str) -> None:
    for pieces in (1, 3, 50):
        found = metered(STREAMS[name], kind=b"text/event-stream", pieces=pieces)
        assert (found.completeness, found.streamed) == ("final", True)
        assert found.parts[0].quantities == SHAPES[shape][1]


def test_a_stream_that_breaks_off_on_an_unlisted_route_is_partial() -> None:
    body = STREAMS["anthropic"].partition(b'data: {"type": "message_delta"')[0]
    found = metered(body, kind=b"text/event-stream", outcome="client_disconnected")
    assert (found.completeness, found.reason, found.billable) == ("partial", "client_disconnected", True)


@pytest.mark.parametrize(
    ("body", "options"),
    [
        (b'{"id": "job-1", "status": "queued"}', {}),
        (b'{"images": ["x"]}', {}),
        (b"", {"status": 202}),
        (b"\x89PNG....", {"kind": b"image/png"}),
        (b"It is tea.", {"kind": b"text/plain"}),
        (b"data: {}\n\n", {"kind": b"text/event-stream"}),
        (b"data: {}\n\n", {"kind": b"text/event-stream", "method": "GET"}),
        (b'{"usage": {"queries": 3}}', {}),
    ],
)
def test_a_response_that_can_be_a_models_is_unknown(body: bytes, options: dict[str, Any]) -> None:
    found = metered(body, **options)
    assert (found.completeness, found.reason, found.billable) == ("none", "endpoint_not_metered", True)


@pytest.mark.parametrize(
    ("body", "options"),
    [
        (b"<html></html>", {"kind": b"text/html; charset=utf-8"}),
        (b"<html></html>", {"kind": b"text/html", "method": "GET"}),
        (b'{"object": "list", "data": []}', {"method": "GET"}),
        (b'{"deleted": true}', {"method": "DELETE"}),
        (b"", {"method": "HEAD"}),
        (b"", {"method": "OPTIONS", "status": 204}),
        (b"", {"status": 204}),
        (b"", {"status": 200}),
    ],
)
def test_a_response_that_cannot_be_a_models_is_not_billable(body: bytes, options: dict[str, Any]) -> None:
    found = metered(body, **options)
    assert (found.completeness, found.billable, found.not_billable_because) == ("none", False, "management")


def test_a_redirect_on_an_unlisted_route_costs_nothing() -> None:
    found = metered(b"", status=303)
    assert (found.billable, found.not_billable_because) == (False, "redirect")


def test_an_error_on_an_unlisted_route_costs_nothing() -> None:
    found = metered(b'{"error": {"message": "no such route"}}', status=404)
    assert (found.billable, found.not_billable_because) == (False, "error_response")


def test_what_a_get_fetches_is_charged_where_it_states_usage_and_an_id() -> None:
    assert metered(CHAT, method="GET").parts[0].quantities == SHAPES["openai/chat"][1]
    nameless = CHAT.replace(b'"id": "c-1", ', b"")
    found = metered(nameless, method="GET")
    assert (found.completeness, found.billable) == ("none", True)


def test_a_call_that_ended_before_its_response_is_unknown() -> None:
    found = metered(b"", status=0, outcome="upstream_error")
    assert (found.completeness, found.billable) == ("none", True)
