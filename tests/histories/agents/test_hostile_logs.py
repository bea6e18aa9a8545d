"""Logs that nobody wrote as they are documented: whatever is in them, every other call is imported."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent_logs import (
    LATER,
    NOON,
    SECOND,
    Reader,
    claude_line,
    codex_count,
    codex_line,
    write_json,
    write_lines,
)
from test_gemini_cli import KNOWN, question, response
from test_opencode import message

from farebox.catalog import load
from farebox.clock import iso
from farebox.histories.agents import claude_code, gemini_cli
from farebox.histories.agents.claude_code import ClaudeCode
from farebox.histories.agents.codex import Codex
from farebox.histories.agents.gemini_cli import GeminiCli
from farebox.histories.agents.import_agents import import_agents
from farebox.histories.agents.positions import Positions, save
from farebox.histories.progress import Reading
from farebox.home import Home

DEEP = "[" * 100_000 + "]" * 100_000
MODEL = codex_line("turn_context", {"model": "gpt-5-codex"})
COUNT = codex_count((1_000, 200, 50, 20), (1_000, 200, 50, 20), 4)


@pytest.fixture
def project(user: Path) -> Path:
    return user / ".claude" / "projects" / "p"


def imported(tmp_path: Path) -> dict[str, Reading]:
    """Import all logs, keep the positions, and return what each agent's came to."""
    home = Home(tmp_path / "home")
    home.prepare()
    (home.path / "imports").mkdir(exist_ok=True)
    positions = Positions()
    found = import_agents(home, load(), positions)
    save(home, positions)
    return {each.history: each for each in found}


def not_understood(reading: Reading) -> int:
    return sum(each.count for each in reading.not_understood)


@pytest.mark.timeout(30)
def test_pipes_and_devices_beside_the_logs_are_not_waited_for(tmp_path: Path, project: Path) -> None:
    write_lines(project / "a.jsonl", [claude_line(1)])
    os.mkfifo(project / "b.jsonl")
    (project / "c.jsonl").symlink_to("/dev/zero")
    (project / "d.jsonl").symlink_to("d.jsonl")
    (project / "e.jsonl").mkdir()
    stored = tmp_path / "user/.local/share/opencode/storage/message/s1"
    write_json(stored / "m1.json", message(1))
    os.mkfifo(stored / "m2.json")
    os.mkfifo(stored.parents[2] / "opencode.db")
    found = imported(tmp_path)
    assert (found["claude-code"].calls, not_understood(found["claude-code"])) == (1, 3)
    assert (found["opencode"].calls, not_understood(found["opencode"])) == (1, 1)


def test_lists_in_lists_without_end_are_told_and_hurt_no_other_call(
    tmp_path: Path, user: Path, project: Path
) -> None:
    write_lines(project / "a.jsonl", [claude_line(1)])
    with (project / "a.jsonl").open("a") as file:
        file.write(json.dumps(claude_line(2)).replace('"content": [', f'"content": [{DEEP},') + "\n")
        file.write(json.dumps(claude_line(3)) + "\n")
    (user / ".claude.json").write_text(f'{{"oauthAccount": {DEEP}}}')
    rollout = write_lines(user / ".codex/sessions/rollout-1.jsonl", [MODEL, COUNT])
    with rollout.open("a") as file:
        file.write(json.dumps(codex_line("session_meta", {"source": "X"})).replace('"X"', DEEP) + "\n")
    chats = user / ".gemini/tmp/h/chats"
    write_json(chats / "session-1.json", {**KNOWN, "messages": [question(), response()]})
    (chats / "session-2.json").write_text(f'{{"messages": {DEEP}}}')
    (chats / "session-3.jsonl").write_text(f'{{"id": "x", "content": {DEEP}}}\n')
    (user / ".gemini/settings.json").write_text(DEEP)
    stored = user / ".local/share/opencode/storage/message/s1"
    write_json(stored / "m1.json", message(1))
    (stored / "m2.json").write_text(f'{{"role": {DEEP}}}')
    found = imported(tmp_path)
    assert {name: (each.calls, not_understood(each)) for name, each in found.items()} == {
        "claude-code": (2, 1),
        "codex": (1, 1),
        "gemini-cli": (1, 2),
        "opencode": (1, 1),
    }


def test_files_whose_names_are_no_text_are_read(tmp_path: Path, user: Path, project: Path) -> None:
    wrong = {"type": "assistant", "message": {"usage": 0}}
    for path, name in (
        (write_lines(project / "a.jsonl", [claude_line(1), wrong]), b"\xff.jsonl"),
        (write_lines(user / ".codex/sessions/a", [MODEL, COUNT]), b"rollout-\xff.jsonl"),
        (
            write_json(user / ".gemini/tmp/h/chats/a", {"messages": [question(), response()]}),
            b"session-\xff.json",
        ),
    ):
        try:
            path.rename(os.fsdecode(os.fsencode(path.parent) + b"/" + name))
        except OSError as error:
            assert error.errno == errno.EILSEQ
            pytest.skip("this file system has no such names")
    found = imported(tmp_path)
    assert {name: each.calls for name, each in found.items()} == {
        "claude-code": 1,
        "codex": 1,
        "gemini-cli": 1,
    }
    (missed,) = found["claude-code"].not_understood
    assert r"\xff.jsonl, byte " in missed.where[0]


@pytest.mark.timeout(60)
def test_numbers_and_moments_without_an_end_are_told(tmp_path: Path, user: Path, project: Path) -> None:
    lines: list[Any] = [claude_line(1)]
    for said in (10**30, 2**63, -5):
        lines.append({**claude_line(len(lines) + 1), "costUSD": None})
        lines[-1]["message"]["usage"]["output_tokens"] = said
    for said in ("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00Z", "2300-01-01T00:00:00Z"):
        lines.append({**claude_line(len(lines) + 1), "timestamp": said})
    write_lines(project / "a.jsonl", lines)
    counts = [codex_count((said, 0, 5, 0), (said, 0, 5, 0), 5) for said in (10**30, 2**63, -5)]
    far = [codex_line("turn_context", {"model": "gpt-5-codex"}) | {"timestamp": "9999-12-31T00:00:00Z"}]
    write_lines(user / ".codex/sessions/rollout-1.jsonl", [*far, COUNT, *counts, *far])
    stored = user / ".local/share/opencode/storage/message/s1"
    write_json(stored / "m1.json", message(1))
    for number, said in enumerate(("1e999999999", "1e25", "-5", "1e-999999999")):
        text = json.dumps({**message(2), "time": {"created": "X", "completed": 5}}).replace('"X"', said)
        (stored / f"n{number}.json").write_text(text)
    found = imported(tmp_path)
    assert (found["codex"].calls, not_understood(found["codex"])) == (1, 3)
    assert (found["opencode"].calls, not_understood(found["opencode"])) == (1, 4)
    assert found["claude-code"].first_ns == found["claude-code"].last_ns == NOON
    assert not_understood(found["claude-code"]) >= 3


def test_rows_of_a_database_that_hold_anything_are_told(tmp_path: Path, user: Path) -> None:
    import apsw

    data = user / ".local/share/opencode"
    data.mkdir(parents=True)
    connection = apsw.Connection(str(data / "opencode.db"))
    connection.execute("CREATE TABLE message (id, session_id, time_created, time_updated, data)")
    good = json.dumps(message(1))
    for row in (
        (b"\xff", 5, 1, 1, b"\xff\xfe"),
        ("a", None, 1, NOON // 10**6, None),
        ("b", None, 1, NOON // 10**6, 10**12),
        ("c", None, 1, "never", good),
        ("d", None, 1, 2**62, good),
        ("m1", "s1", 1, NOON // 10**6, good),
    ):
        connection.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?)", row)
    connection.close()
    reading = imported(tmp_path)["opencode"]
    assert reading.calls == 2, "those whose text can be read"
    assert not_understood(reading) >= 3


def test_a_transcript_in_which_no_call_ends_is_read_once_through(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions of Claude Code state no `stop_reason` at all."""
    monkeypatch.setattr(claude_code, "_OPEN_MAX", 10)
    monkeypatch.setattr(claude_code, "_LATE_MAX", 30)
    looked_at = 0
    tell = claude_code._tell_oldest

    def counting(calls: dict[str, Any], *others: Any, keep: int) -> None:
        nonlocal looked_at
        looked_at += len(calls)
        tell(calls, *others, keep=keep)

    monkeypatch.setattr(claude_code, "_tell_oldest", counting)
    for number in range(10):
        lines = [claude_line(each, stop=None) for each in range(number * 100, number * 100 + 100)]
        write_lines(project / f"{number}.jsonl", lines, at_ns=NOON + number)
    found = Reader(ClaudeCode()).calls()
    assert len({each.id for each in found}) == 1_000
    assert looked_at < 5_000
    assert {each.completeness for each in found} == {"partial"}


def test_many_open_calls_in_a_transcript_that_grows_are_told_once_each(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claude_code, "_OPEN_MAX", 10)
    reader = Reader(ClaudeCode())
    write_lines(project / "a.jsonl", [claude_line(each, stop=None) for each in range(30)])
    first = reader.calls(now_ns=NOON + SECOND)
    write_lines(project / "a.jsonl", [claude_line(each) for each in range(30)], append=True)
    later = reader.calls()
    assert {each.id for each in (*first, *later)} == {f"msg_{each:04d}" for each in range(30)}
    assert reader.reading.waiting == 0


def test_a_call_that_is_being_written_is_not_told_by_an_old_copy_of_its_beginning(project: Path) -> None:
    reader = Reader(ClaudeCode())
    write_lines(project / "a.jsonl", [claude_line(1, stop=None, output=1)])
    write_lines(project / "b.jsonl", [claude_line(1, stop=None, output=2)], at_ns=LATER)
    assert reader.calls() == []
    write_lines(project / "b.jsonl", [claude_line(1, output=70)], at_ns=LATER, append=True)
    (call,) = reader.calls()
    assert (call.usage["output_tokens"], call.completeness) == (70, None)


def test_a_chat_that_is_cut_while_it_is_read_ends_no_import(
    user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = user / ".gemini/tmp/h/chats/session-1.json"
    write_json(path, {**KNOWN, "messages": [question(), response()], "more": "x" * 100_000})
    decode: Callable[[Any], Any] = gemini_cli._decode_chat

    def cut_first(content: Any) -> Any:
        os.truncate(path, 0)
        return decode(content)

    monkeypatch.setattr(gemini_cli, "_decode_chat", cut_first)
    reader = Reader(GeminiCli())
    assert len(reader.calls(now_ns=NOON + SECOND)) == 1


def test_a_large_chat_is_read_once_nobody_writes_to_it(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gemini_cli, "LINE_BYTES_MAX", 1_000)
    content = {**KNOWN, "messages": [question(), response()], "more": "x" * 2_000}
    write_json(user / ".gemini/tmp/h/chats/session-1.json", content)
    reader = Reader(GeminiCli())
    assert reader.calls(now_ns=NOON + SECOND) == []
    assert "once they are not written to" in " ".join(reader.reading.notes)
    assert len(reader.calls()) == 1


def test_a_folder_with_a_number_sign_in_its_name_is_not_read_again(
    tmp_path: Path, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "C#"))
    write_lines(tmp_path / "C#/sessions/rollout-1.jsonl", [MODEL, COUNT])
    home = Home(tmp_path / "home")
    home.prepare()
    (home.path / "imports").mkdir()
    positions = Positions()
    import_agents(home, load(), positions, agents=[Codex()])
    save(home, positions)
    (again,) = import_agents(home, load(), positions, agents=[Codex()])
    assert again.files == 0


def test_moments_of_no_record_are_none() -> None:
    from farebox.histories.agents.agent_log import moment_ns

    assert moment_ns(iso(NOON)) == NOON
    for said in ("9999-12-31T00:00:00Z", "1960-01-01T00:00:00Z", "0001-01-01T00:00:00+23:00", "now"):
        assert moment_ns(said) == 0
