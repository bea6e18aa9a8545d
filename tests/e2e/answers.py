"""Answers of three providers with known usage, for the mock upstream."""

from __future__ import annotations

import json
from typing import Any

from tools.upstream import CHAT_USAGE, Reply, Request, chat_answer, chat_events, json_reply, sse_reply

RESPONSES_USAGE = {
    "input_tokens": 2000,
    "input_tokens_details": {"cached_tokens": 500},
    "output_tokens": 100,
    "output_tokens_details": {"reasoning_tokens": 40},
    "total_tokens": 2100,
}
ANTHROPIC_USAGE = {
    "input_tokens": 100,
    "cache_creation_input_tokens": 300,
    "cache_read_input_tokens": 1000,
    "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 100},
    "output_tokens": 50,
}
GOOGLE_USAGE = {
    "promptTokenCount": 1000,
    "cachedContentTokenCount": 400,
    "candidatesTokenCount": 60,
    "thoughtsTokenCount": 30,
    "totalTokenCount": 1090,
}


def respond(request: Request) -> Reply:
    """Answer as the provider whose path this is."""
    path = request.path
    body = request.json() if request.body else {}
    if path.endswith("/chat/completions"):
        if body.get("stream"):
            asked = bool((body.get("stream_options") or {}).get("include_usage"))
            return sse_reply(chat_events(5, include_usage=asked))
        return json_reply(chat_answer("hello", usage=CHAT_USAGE))
    if path.endswith("/responses"):
        return json_reply(_response())
    if path.endswith("/messages"):
        return _anthropic_stream() if body.get("stream") else json_reply(_message(ANTHROPIC_USAGE))
    if ":streamGenerateContent" in path:
        return sse_reply([_data(_candidate("hel", None)), _data(_candidate("lo", GOOGLE_USAGE))])
    if ":generateContent" in path:
        return json_reply(_candidate("hello", GOOGLE_USAGE))
    return json_reply({"error": {"message": f"no such path {path}"}}, status=404)


def _data(value: Any, event: str | None = None) -> bytes:
    name = f"event: {event}\n".encode() if event else b""
    return name + b"data: " + json.dumps(value).encode() + b"\n\n"


def _response() -> dict[str, Any]:
    text = {"type": "output_text", "text": "hello", "annotations": []}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1760000000,
        "status": "completed",
        "model": "gpt-4o-2024-08-06",
        "output": [
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]}
        ],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": RESPONSES_USAGE,
    }


def _message(usage: dict[str, Any], *, text: str | None = "hello") -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [] if text is None else [{"type": "text", "text": text}],
        "stop_reason": None if text is None else "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }


def _anthropic_stream() -> Reply:
    start = {"type": "message_start", "message": _message({**ANTHROPIC_USAGE, "output_tokens": 1}, text=None)}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}}
    stop = {"type": "content_block_stop", "index": 0}
    end = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": ANTHROPIC_USAGE["output_tokens"]},
    }
    events = (start, {"type": "ping"}, block, delta, stop, end, {"type": "message_stop"})
    return sse_reply([_data(event, str(event["type"])) for event in events])


def _candidate(text: str, usage: dict[str, Any] | None) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "candidates": [
            {
                "content": {"parts": [{"text": text}], "role": "model"},
                "index": 0,
                **({"finishReason": "STOP"} if usage else {}),
            }
        ],
        "modelVersion": "gemini-2.5-flash",
        "responseId": "g-1",
    }
    return {**answer, "usageMetadata": usage} if usage else answer
