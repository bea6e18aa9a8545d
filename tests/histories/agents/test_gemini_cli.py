"""Gemini CLI's chats: both ways they are kept, and a chat that goes from one to the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from agent_logs import NOON, SECOND, Reader, write_json, write_lines

from farebox.clock import iso
from farebox.histories.agents.gemini_cli import GeminiCli

TOKENS = {"input": 1_000, "output": 50, "cached": 400, "thoughts": 30, "tool": 5, "total": 1_085}
KNOWN = {"sessionId": "g1", "projectHash": "h", "startTime": iso(NOON), "lastUpdated": iso(NOON)}


@pytest.fixture
def chats(user: Path) -> Path:
    return user / ".gemini" / "tmp" / "h" / "chats"


def question(number: int = 0, at_s: int = 0) -> dict[str, Any]:
    return {"id": f"u{number}", "type": "user", "content": "hello", "timestamp": iso(NOON + at_s * SECOND)}


def response(
    number: int = 1, at_s: int = 4, tokens: dict[str, int] | None = TOKENS, **more: Any
) -> dict[str, Any]:
    return {
        "id": f"m{number}",
        "type": "gemini",
        "content": "hi",
        "timestamp": iso(NOON + at_s * SECOND),
        "thoughts": [{"subject": "s", "description": "d", "timestamp": iso(NOON)}],
        "tokens": tokens,
        "model": "gemini-2.5-pro",
        **more,
    }


def test_a_chat_with_text_is_read(chats: Path) -> None:
    write_json(chats / "session-1.json", {**KNOWN, "messages": [question(), response()]})
    (call,) = Reader(GeminiCli()).calls()
    assert call.usage == {
        "input_uncached": 600,
        "cache_read": 400,
        "output_text": 50,
        "output_reasoning": 30,
        "tool_use_input": 5,
    }
    assert (call.id, call.provider, call.model) == ("g1/m1", "google", "gemini-2.5-pro")
    assert (call.time_ns, call.ended_ns) == (NOON, NOON + 4 * SECOND)


def test_a_chat_with_parts_and_tools_is_read(chats: Path) -> None:
    call = {"id": "t", "name": "read_file", "args": {}, "status": "success", "timestamp": iso(NOON)}
    message = response(content=[{"text": "hi"}], toolCalls=[call])
    write_json(chats / "session-1.json", {**KNOWN, "kind": "main", "messages": [question(), message]})
    assert len(Reader(GeminiCli()).calls()) == 1


def test_a_chat_of_lines_counts_what_was_said_last_of_each_message(chats: Path) -> None:
    lines = [
        KNOWN,
        question(),
        response(tokens=None),
        {"$set": {"lastUpdated": iso(NOON)}},
        response(tokens={**TOKENS, "output": 60}),
        {"$rewindTo": "u0"},
        question(2, 10),
        response(2, 14),
    ]
    write_lines(chats / "session-1.jsonl", lines)
    told = Reader(GeminiCli()).calls()
    assert [(each.id, each.usage["output_text"]) for each in told] == [("g1/m1", 60), ("g1/m2", 50)]
    assert told[1].time_ns == NOON + 10 * SECOND, "taken back, but paid"


def test_a_chat_that_goes_on_in_the_newer_shape_is_told_once(chats: Path) -> None:
    write_json(chats / "session-1.json", {**KNOWN, "messages": [question(), response()]})
    lines = [KNOWN, question(), response(), question(2, 20), response(2, 24)]
    write_lines(chats / "session-1.jsonl", lines)
    assert [each.id for each in Reader(GeminiCli()).calls()] == ["g1/m1", "g1/m2"]


def test_a_subagents_chat_below_its_parents_is_read(chats: Path) -> None:
    write_lines(chats / "g1" / "g2.jsonl", [{**KNOWN, "sessionId": "g2", "kind": "subagent"}, response()])
    assert [each.id for each in Reader(GeminiCli()).calls()] == ["g2/m1"]


def test_a_message_without_tokens_is_waited_for(chats: Path) -> None:
    path = write_lines(chats / "session-1.jsonl", [KNOWN, question(), response(tokens=None)])
    reader = Reader(GeminiCli())
    assert reader.calls(NOON + SECOND) == []
    assert reader.reading.waiting == 1
    write_lines(path, [response()], append=True, at_ns=NOON + SECOND)
    (call,) = reader.calls(NOON + 2 * SECOND)
    assert (call.id, call.time_ns) == ("g1/m1", NOON)
    assert reader.calls(NOON + 2 * SECOND) == []


def test_a_file_that_was_written_anew_is_read_anew(chats: Path) -> None:
    path = write_json(chats / "session-1.json", {**KNOWN, "messages": [question(), response()]})
    reader = Reader(GeminiCli())
    assert len(reader.calls()) == 1
    assert reader.calls() == []
    more = [question(), response(), question(2), response(2)]
    write_json(path, {**KNOWN, "messages": more}, at_ns=NOON + SECOND)
    assert [each.id for each in reader.calls()] == ["g1/m1", "g1/m2"]
    path.write_text('{"sessionId": "g1", "messages": [{"id": "m3", "ty')
    assert reader.calls() == []
    assert reader.reading.not_understood[0].count == 1


@pytest.mark.parametrize(
    ("settings", "provider"),
    [
        ({"security": {"auth": {"selectedType": "oauth-personal"}}}, "gemini-code-assist"),
        ({"selectedAuthType": "oauth-personal"}, "gemini-code-assist"),
        ({"security": {"auth": {"selectedType": "gemini-api-key"}}}, "google"),
        ({"security": {"auth": {"selectedType": "vertex-ai"}}}, "vertex"),
    ],
)
def test_settings_say_who_pays(chats: Path, user: Path, settings: dict[str, Any], provider: str) -> None:
    write_json(user / ".gemini" / "settings.json", settings)
    write_json(chats / "session-1.json", {**KNOWN, "messages": [response()]})
    (call,) = Reader(GeminiCli()).calls()
    assert (call.provider, call.is_subscription) == (provider, provider == "gemini-code-assist")
