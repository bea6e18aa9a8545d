"""Claude Code's transcripts: each response once, by its last complete line, whatever copies there are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from agent_logs import LATER, NOON, SECOND, Reader, asked, claude_line, write_json, write_lines

from farebox.histories.agents.claude_code import ClaudeCode


@pytest.fixture
def project(user: Path) -> Path:
    return user / ".claude" / "projects" / "-home-ann-shop"


def outputs(reader: Reader, now_ns: int = LATER) -> dict[str, int]:
    return {each.id: each.usage["output_tokens"] for each in reader.calls(now_ns)}


def test_of_a_responses_lines_the_last_complete_one_counts(project: Path) -> None:
    lines = [
        asked(),
        claude_line(1, output=1, stop=None),
        claude_line(1, at_s=1, output=70),
        claude_line(1, at_s=2, output=75),
        claude_line(1, at_s=2, output=3, stop=None),
        claude_line(2, at_s=9),
    ]
    write_lines(project / "s1.jsonl", lines)
    reader = Reader(ClaudeCode())
    first, second = reader.calls()
    assert (first.id, first.usage["output_tokens"], first.completeness) == ("msg_0001", 75, None)
    assert (first.time_ns, first.ended_ns) == (NOON, NOON + 2 * SECOND)
    assert (second.response_id, second.request_id) == ("msg_0002", "req_0002")
    assert first.attribution == {
        "app": "claude-code",
        "session": "s1",
        "agent": None,
        "project": "shop",
        "branch": "main",
    }
    assert reader.reading.copies == 3
    assert reader.reading.not_understood == []


def test_version_1_has_subagents_between_and_says_what_a_call_cost(project: Path) -> None:
    lines = [
        claude_line(1, isSidechain=False, costUSD=0.0123, version="1.0.3"),
        claude_line(2, at_s=1, isSidechain=True, version="1.0.3", output=7, stop=None),
        claude_line(3, at_s=1, version="1.0.3"),
        claude_line(2, at_s=2, isSidechain=True, version="1.0.3", output=8),
        {"type": "summary", "summary": 'About "usage" and "assistant"', "leafUuid": "u"},
    ]
    write_lines(project / "s1.jsonl", lines)
    reader = Reader(ClaudeCode())
    told = {each.id: each for each in reader.calls()}
    assert str(told["msg_0001"].stated_usd) == "0.0123"
    assert told["msg_0002"].usage["output_tokens"] == 8
    assert len(told) == 3


def test_version_2_0_has_files_of_subagents_and_copies_of_their_parents_responses(project: Path) -> None:
    write_lines(project / "s1.jsonl", [claude_line(1), claude_line(2)])
    side = [
        claude_line(1, isSidechain=True, agentId="a1", request="req_other"),
        claude_line(5, isSidechain=True, agentId="a1", at_s=3),
    ]
    write_lines(project / "s1" / "subagents" / "agent-a1.jsonl", side, at_ns=NOON + SECOND)
    told = {each.id: each for each in Reader(ClaudeCode()).calls()}
    assert sorted(told) == ["msg_0001", "msg_0002", "msg_0005"]
    assert told["msg_0005"].attribution["agent"] == "a1"


def test_version_2_1_repeats_a_subagents_responses_as_progress(project: Path) -> None:
    inner = claude_line(6, at_s=1)
    progress = {
        "type": "progress",
        "sessionId": "s1",
        "timestamp": inner["timestamp"],
        "data": {"type": "agent_progress", "message": {**inner, "sessionId": None}},
    }
    write_lines(project / "s1.jsonl", [claude_line(1), progress])
    write_lines(project / "s1" / "subagents" / "agent-a.jsonl", [claude_line(6, at_s=1, agentId="a")])
    reader = Reader(ClaudeCode())
    assert sorted(each.id for each in reader.calls()) == ["msg_0001", "msg_0006"]
    assert reader.reading.not_understood == []


def test_a_resumed_session_is_no_new_call(project: Path) -> None:
    first = [claude_line(number, at_s=number) for number in range(3)]
    write_lines(project / "s1.jsonl", first)
    again = [{**each, "sessionId": "s2"} for each in first]
    write_lines(project / "s2.jsonl", [*again, claude_line(9, session="s2")], at_ns=NOON + SECOND)
    told = {each.id: each for each in Reader(ClaudeCode()).calls()}
    assert len(told) == 4
    assert told["msg_0000"].attribution["session"] == "s1", "where it was made"


def test_a_response_that_is_being_written_is_left_for_the_next_reading(project: Path) -> None:
    path = write_lines(project / "s1.jsonl", [claude_line(1), claude_line(2, output=1, stop=None)])
    reader = Reader(ClaudeCode())
    assert outputs(reader, NOON + SECOND) == {"msg_0001": 50}
    assert reader.reading.waiting == 1
    with path.open("a") as file:
        file.write('{"type":"assistant","message":{"id":"msg_0002","usage":{"output_')
    assert outputs(reader, NOON + 2 * SECOND) == {}
    text = path.read_text()
    path.write_text(text[: text.rindex('{"type":"assistant"')])
    write_lines(path, [claude_line(2, at_s=3, output=99)], append=True, at_ns=NOON + 3 * SECOND)
    assert outputs(reader, NOON + 4 * SECOND) == {"msg_0002": 99}
    assert outputs(reader, NOON + 4 * SECOND) == {}, "nothing new"


def test_a_response_whose_end_nobody_wrote_is_a_lower_bound(project: Path) -> None:
    write_lines(project / "s1.jsonl", [claude_line(1, output=1, stop=None)])
    write_lines(project / "s2.jsonl", [claude_line(2, output=1, stop=None)])
    write_lines(project / "s3.jsonl", [claude_line(2, output=80)], at_ns=NOON + SECOND)
    told = {
        each.id: (each.completeness, each.usage["output_tokens"]) for each in Reader(ClaudeCode()).calls()
    }
    assert told == {"msg_0001": ("partial", 1), "msg_0002": (None, 80)}


@pytest.mark.parametrize("how", ["cut", "rewritten", "shorter"])
def test_a_file_that_was_cut_or_rewritten_is_read_again_from_its_beginning(project: Path, how: str) -> None:
    path = write_lines(project / "s1.jsonl", [claude_line(number) for number in range(20)])
    reader = Reader(ClaudeCode())
    assert len(reader.calls()) == 20
    if how == "cut":
        os.truncate(path, 0)
        write_lines(path, [claude_line(50)], at_ns=NOON + SECOND)
        assert list(outputs(reader)) == ["msg_0050"]
    elif how == "rewritten":
        write_lines(path, [claude_line(number) for number in range(10, 40)], at_ns=NOON + SECOND)
        assert len(outputs(reader)) == 30
    else:
        text = path.read_bytes()
        path.write_bytes(text[: len(text) // 2])
        told = reader.calls()
        assert 8 <= len(told) <= 10
        assert {each.id for each in told} <= {f"msg_{number:04d}" for number in range(20)}


def test_what_is_not_understood_is_counted_and_named(project: Path) -> None:
    path = write_lines(project / "s1.jsonl", [claude_line(1)])
    with path.open("ab") as file:
        file.write(b'{"type":"assistant","message":{"usage": broken\n')
        file.write(b'\xff\xfe "usage" "assistant"\n')
    no_time = {**claude_line(3), "timestamp": None}
    wrong = claude_line(4, usage={"input_tokens": 1})
    wrong["message"]["usage"] = []
    write_lines(path, [no_time, wrong, claude_line(2)], append=True)
    reader = Reader(ClaudeCode())
    assert sorted(each.id for each in reader.calls()) == ["msg_0001", "msg_0002"]
    assert sum(each.count for each in reader.reading.not_understood) == 4
    assert all(str(path) in each.where[0] for each in reader.reading.not_understood)


def test_errors_and_made_up_messages_are_no_calls(project: Path) -> None:
    lines = [
        claude_line(1, model="<synthetic>"),
        claude_line(2, isApiErrorMessage=True),
        claude_line(3),
    ]
    write_lines(project / "s1.jsonl", lines)
    assert [each.id for each in Reader(ClaudeCode()).calls()] == ["msg_0003"]


def test_whose_call_it_is_follows_from_the_id_and_the_model(project: Path) -> None:
    lines = [
        claude_line(1, id="msg_bdrk_1"),
        claude_line(2, id="msg_vrtx_1"),
        claude_line(3, id="20251101aaaa", model="glm-4.6"),
        claude_line(4, id="20251101aaaa", model="glm-4.6"),
        claude_line(5),
    ]
    write_lines(project / "s1.jsonl", lines)
    told = [
        (each.provider, each.is_subscription) for each in Reader(ClaudeCode()).calls(paid_by="subscription")
    ]
    expected = [("bedrock", False), ("vertex", False), ("zai", False), ("zai", False), ("anthropic", True)]
    assert told == expected


def test_a_login_without_a_key_is_taken_as_a_subscription_and_says_so(project: Path, user: Path) -> None:
    write_lines(project / "s1.jsonl", [claude_line(1)])
    write_json(user / ".claude.json", {"oauthAccount": {"emailAddress": "x"}, "numStartups": 3})
    reader = Reader(ClaudeCode())
    assert [each.is_subscription for each in reader.calls()] == [True]
    assert "--paid-by api" in reader.reading.notes[0]
    write_json(user / ".claude.json", {"oauthAccount": {"emailAddress": "x"}, "primaryApiKey": "k"})
    assert [each.is_subscription for each in Reader(ClaudeCode()).calls()] == [False]
    assert [each.is_subscription for each in Reader(ClaudeCode()).calls(paid_by="subscription")] == [True]


def test_directories_may_be_named_by_the_environment(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        write_lines(user / name / "projects" / "p" / "s.jsonl", [claude_line(1 if name == "one" else 2)])
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", f"{user}/one, {user}/two")
    assert sorted(each.id for each in Reader(ClaudeCode()).calls()) == ["msg_0001", "msg_0002"]


def test_many_responses_that_interleave_are_each_told_once(project: Path) -> None:
    lines = [claude_line(number, at_s=number, stop=None, output=1) for number in range(2_500)]
    lines += [claude_line(number, at_s=3_000 + number, output=60) for number in range(2_500)]
    write_lines(project / "s1.jsonl", lines)
    told = Reader(ClaudeCode()).calls()
    assert len(told) == 2_500
    assert {each.usage["output_tokens"] for each in told} == {60}
