"""Running counts do not fall: a zero, a null or nothing after a count is no news of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from farebox import catalog
from farebox.wire.meter import Meter

CATALOG = catalog.load()


def quantities(
    provider: str, path: str, events: list[dict[str, Any]], kind: bytes = b"text/event-stream"
) -> Any:
    found = CATALOG.provider(provider)
    assert found is not None
    meter = Meter(found.endpoint("POST", path), path, "", [])
    meter.request_body(b'{"model":"asked","stream":true}')
    meter.request_end()
    meter.response_head(200, [(b"content-type", kind)])
    for event in events:
        text = json.dumps(event).encode()
        meter.response_body(b"data: " + text + b"\n\n" if b"event" in kind else text + b"\n")
    if b"event" in kind:
        meter.response_body(b"data: [DONE]\n\n")
    result = meter.finish("completed")
    assert result.completeness == "final"
    return {leaf: count for leaf, count in result.parts[0].quantities.items() if count}


def anthropic(*usages: dict[str, Any]) -> list[dict[str, Any]]:
    start = {
        "type": "message_start",
        "message": {"id": "m1", "model": "claude-sonnet-4-5", "usage": usages[0]},
    }
    deltas = [{"type": "message_delta", "delta": {}, "usage": usage} for usage in usages[1:]]
    return [start, *deltas, {"type": "message_stop"}]


CACHED = {
    "input_tokens": 1500,
    "cache_read_input_tokens": 20_000,
    "cache_creation_input_tokens": 300,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 1,
}
ZEROES = {
    "input_tokens": 0,
    "cache_read_input_tokens": 0,
    "cache_creation_input_tokens": 0,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 15,
}


@pytest.mark.parametrize("provider", ["anthropic", "zai", "deepseek"])
@pytest.mark.parametrize(
    "usages",
    [(CACHED, ZEROES), (CACHED, dict.fromkeys(ZEROES), ZEROES), (ZEROES, CACHED | {"output_tokens": 15})],
    ids=["zero last", "null, then zero", "placeholder first"],
)
def test_a_later_zero_of_messages_replaces_no_count(
    provider: str, usages: tuple[dict[str, Any], ...]
) -> None:
    path = {"zai": "/api/anthropic/v1/messages", "deepseek": "/anthropic/v1/messages"}.get(
        provider, "/v1/messages"
    )
    found = quantities(provider, path, anthropic(*usages))
    assert found == {
        "input_uncached": 1500,
        "cache_read": 20_000,
        "cache_write_5m": 100,
        "cache_write_1h": 200,
        "output_text": 15,
    }


def test_a_later_zero_of_chat_replaces_no_count() -> None:
    usage = {
        "prompt_tokens": 90,
        "completion_tokens": 7,
        "total_tokens": 97,
        "prompt_tokens_details": {"cached_tokens": 80},
    }
    zeroes = {
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "total_tokens": 0,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    chunk = {"id": "c1", "model": "m", "choices": [{"delta": {"content": "x"}}]}
    for later in (zeroes, zeroes | {"prompt_tokens_details": None}, {"prompt_tokens": None}, {}, None):
        found = quantities(
            "openai", "/v1/chat/completions", [chunk, chunk | {"usage": usage}, chunk | {"usage": later}]
        )
        assert found == {"input_uncached": 10, "cache_read": 80, "output_text": 7}


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        ("google", "/v1beta/models/g:streamGenerateContent"),
        ("vertex", "/v1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent"),
    ],
)
def test_a_later_zero_of_generate_content_replaces_no_count(provider: str, path: str) -> None:
    usage = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 60,
        "promptTokensDetails": [
            {"modality": "IMAGE", "tokenCount": 30},
            {"modality": "TEXT", "tokenCount": 70},
        ],
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 9,
        "totalTokenCount": 114,
    }
    later: dict[str, Any] = {
        "promptTokenCount": 0,
        "cachedContentTokenCount": 0,
        "promptTokensDetails": [{"modality": "IMAGE", "tokenCount": 0}],
        "candidatesTokenCount": 8,
        "thoughtsTokenCount": 0,
        "totalTokenCount": 117,
    }
    events = [{"usageMetadata": usage}, {"usageMetadata": later, "candidates": [{"finishReason": "STOP"}]}]
    found = quantities(provider, path, events)
    assert found == {
        "input_uncached": 10,
        "cache_read": 60,
        "input_image": 30,
        "output_text": 8,
        "output_reasoning": 9,
    }


def test_a_later_zero_of_a_stream_of_lines_replaces_no_count() -> None:
    lines = [
        {"model": "m", "done": False, "prompt_eval_count": 40, "eval_count": 3},
        {"model": "m", "done": True, "prompt_eval_count": 0, "eval_count": 3},
    ]
    assert quantities("ollama", "/api/chat", lines, b"application/x-ndjson")["output_text"] == 3


def test_a_later_zero_of_a_response_replaces_no_count() -> None:
    def event(kind: str, usage: dict[str, Any]) -> dict[str, Any]:
        return {"type": kind, "response": {"id": "r1", "model": "m", "status": "completed", "usage": usage}}

    usage = {
        "input_tokens": 90,
        "input_tokens_details": {"cached_tokens": 80},
        "output_tokens": 7,
        "total_tokens": 97,
    }
    zeroes = {
        "input_tokens": 0,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 0,
        "total_tokens": 0,
    }
    found = quantities(
        "openai", "/v1/responses", [event("response.completed", usage), event("response.completed", zeroes)]
    )
    assert found == {"input_uncached": 10, "cache_read": 80, "output_text": 7}


def test_a_lower_count_that_is_none_of_a_placeholder_still_replaces_the_one_before() -> None:
    events = anthropic({"input_tokens": 30, "output_tokens": 9}, {"input_tokens": 20, "output_tokens": 12})
    assert quantities("anthropic", "/v1/messages", events) == {"input_uncached": 20, "output_text": 12}
