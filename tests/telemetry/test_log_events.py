"""Log records that tell of calls: of coding agents, and beside spans."""

from __future__ import annotations

from typing import Any

import pytest
from otlp_requests import GPT, SECOND, as_json, as_json_logs, counted, events, hexadecimal, read, span

from farebox.clock import now_ns

# Made after the documented shapes; numbers are text in the logs of Claude Code.
CLAUDE: dict[str, Any] = {
    "event": "claude_code.api_request",
    "attributes": {
        "event.name": "api_request",
        "event.sequence": 7,
        "session.id": "s-1",
        "model": "claude-sonnet-4-5-20250929",
        "input_tokens": "100",
        "output_tokens": "45",
        "cache_read_tokens": "50",
        "cache_creation_tokens": "30",
        "cost_usd": "0.0011",
        "duration_ms": "2500",
        "prompt": "PROMPTSECRET",
    },
}
CODEX: dict[str, Any] = {
    "event": "codex.sse_event",
    "attributes": {
        "event.name": "codex.sse_event",
        "event.kind": "response.completed",
        "conversation.id": "c-1",
        "model": "gpt-5-codex",
        "input_token_count": 120,
        "cached_token_count": 20,
        "output_token_count": 45,
        "reasoning_token_count": 15,
        "tool_token_count": 165,
    },
}
GEMINI: dict[str, Any] = {
    "event": "gemini_cli.api_response",
    "attributes": {
        "event.name": "gemini_cli.api_response",
        "session.id": "g-1",
        "model": "gemini-2.5-pro",
        "input_token_count": 120,
        "cached_content_token_count": 20,
        "output_token_count": 30,
        "thoughts_token_count": 15,
        "tool_token_count": 0,
        "total_token_count": 165,
        "duration_ms": 900,
    },
}


@pytest.mark.parametrize(
    ("record", "provider", "session", "usage"),
    [
        (
            CLAUDE,
            "anthropic",
            "s-1",
            {"input_uncached": 100, "cache_read": 50, "cache_write_other": 30, "output_text": 45},
        ),
        (
            CODEX,
            "openai",
            "c-1",
            {"input_uncached": 100, "cache_read": 20, "output_text": 30, "output_reasoning": 15},
        ),
        (
            GEMINI,
            "google",
            "g-1",
            {"input_uncached": 100, "cache_read": 20, "output_text": 30, "output_reasoning": 15},
        ),
    ],
)
def test_a_coding_agents_log_record_is_a_call(
    record: dict[str, Any], provider: str, session: str, usage: dict[str, int]
) -> None:
    (event,) = events(read(as_json_logs(record), signal="logs"))
    assert (event["provider"], event["session"]) == (provider, session)
    assert event["parts"][0]["usage"] == usage
    assert event["witness"].startswith("otlp-log-")
    assert "PROMPTSECRET" not in str(event)


def test_a_log_record_is_of_the_end_of_its_call() -> None:
    at = now_ns() - 60 * SECOND
    (event,) = events(read(as_json_logs({**CLAUDE, "time_ns": at}), signal="logs"))
    assert event["total_us"] == 2_500_000
    assert event["ended_at"] > event["time"]


def test_other_records_of_an_agent_are_no_calls() -> None:
    delta = {"event": "codex.sse_event", "attributes": {"event.kind": "response.output_item.done"}}
    prompt = {"event": "claude_code.user_prompt", "attributes": {"prompt": "PROMPTSECRET"}}
    assert counted(read(as_json_logs(delta, prompt), signal="logs")) == {"other_logs": 2}


def test_a_name_that_others_use_as_well_is_a_call_only_with_its_counts() -> None:
    short = {**CLAUDE, "event": "api_request"}
    strange = {"event": "api_request", "attributes": {"path": "/orders"}}
    assert counted(read(as_json_logs(short, strange), signal="logs")) == {"calls": 1, "other_logs": 1}


def test_an_agents_record_without_counts_is_named_in_the_counts() -> None:
    quiet = {"event": "gemini_cli.api_response", "attributes": {"model": "gemini-2.5-pro"}}
    assert counted(read(as_json_logs(quiet), signal="logs")) == {"calls_without_usage": 1}


def test_one_record_sent_twice_has_one_id_and_two_records_have_two() -> None:
    other = {**CLAUDE, "attributes": {**CLAUDE["attributes"], "event.sequence": 8}}
    found = events(read(as_json_logs(CLAUDE, CLAUDE, other), signal="logs"))
    assert len({each["id"] for each in found}) == 2


def test_the_record_beside_a_span_is_that_spans_event() -> None:
    details = {
        "event": "gen_ai.client.inference.operation.details",
        "attributes": GPT,
        "trace_id": hexadecimal("t", 16),
        "span_id": hexadecimal("a", 8),
    }
    (of_log,) = events(read(as_json_logs(details), signal="logs"))
    (of_span,) = events(read(as_json(span("a"))))
    assert (of_log["id"], of_log["source"]) == (of_span["id"], of_span["source"])


def test_a_record_without_a_span_is_known_by_its_response() -> None:
    details = {
        "event": "gen_ai.client.inference.operation.details",
        "attributes": {**GPT, "gen_ai.response.id": "chatcmpl-9"},
        "trace_id": "0" * 32,
        "span_id": "0" * 16,
    }
    (event,) = events(read(as_json_logs(details, scope="openlit"), signal="logs"))
    assert (event["id"], event["witness"]) == ("log/chatcmpl-9", "otlp-log-openlit")
    assert "trace" not in event.get("attribution", {})
