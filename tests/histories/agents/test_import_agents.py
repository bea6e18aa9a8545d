"""`farebox import agents`, from the logs of all four agents to the record."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from agent_logs import NOON, SECOND, asked, claude_line, codex_count, codex_line, write_json, write_lines
from calls import done
from test_gemini_cli import KNOWN, question, response
from test_opencode import database, message

from farebox.cli.imports import agents as command
from farebox.cli.imports import answers
from farebox.cli.main import main
from farebox.clock import iso, now_ns
from farebox.histories import bulk_writer
from farebox.home import Home
from farebox.journal.direct_writer import DirectWriter
from farebox.journal.records import DONE, IMPORTED, encode
from farebox.ledger.call_row import CallRow
from farebox.ledger.calls import LedgerReader
from farebox.ledger.proof.verification import verify
from farebox.money import display_usd

CLI = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def cli(home: Home, user: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CLI:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["farebox", *arguments, "--home", str(home.path)])
        status = main()
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def logs(user: Path) -> Path:
    """Two calls of each agent; one of Claude Code's was copied."""
    project = user / ".claude" / "projects" / "-home-ann-shop"
    write_lines(project / "s1.jsonl", [asked(), claude_line(1, at_s=5), claude_line(2, at_s=9)])
    write_lines(project / "s2.jsonl", [{**claude_line(1, at_s=5), "sessionId": "s2"}], at_ns=NOON + SECOND)
    limits = {"primary": {"used_percent": 1.0}}
    lines = [
        codex_line("session_meta", {"id": "c1", "cwd": "/home/ann/shop"}),
        codex_line("turn_context", {"model": "gpt-5-codex"}),
        codex_count((1_000, 200, 50, 20), (1_000, 200, 50, 20), 4, limits),
        codex_count((3_000, 1_200, 90, 30), (2_000, 1_000, 40, 10), 9, limits),
    ]
    write_lines(user / ".codex/sessions/2026/05/28/rollout-2026-05-28T20-26-40-c1.jsonl", lines)
    chat = {**KNOWN, "messages": [question(), response(), question(2), response(2, 9)]}
    write_json(user / ".gemini/tmp/h/chats/session-1.json", chat)
    data = user / ".local/share/opencode"
    data.mkdir(parents=True)
    database(data, message(1), message(2))
    return project


def rows(home: Home) -> list[CallRow]:
    assert verify(home).problems == []
    return list(LedgerReader(home).export())


def test_imported_twice_nothing_is_doubled(cli: CLI, home: Home, logs: Path) -> None:
    status, said, _ = cli("import", "agents", "--json")
    assert status == 0
    found = json.loads(said)["histories"]
    assert [(each["history"], each["calls"]) for each in found] == [
        ("claude-code", 2),
        ("codex", 2),
        ("gemini-cli", 2),
        ("opencode", 2),
    ]
    before = rows(home)
    assert len(before) == 8
    assert {(each.kind for each in row.witnesses) and row.attribution[IMPORTED] for row in before} == {
        "claude-code",
        "codex",
        "gemini-cli",
        "opencode",
    }
    again = json.loads(cli("import", "agents", "--json")[1])["histories"]
    assert sum(each["calls"] for each in again) == 0
    (home.path / "imports" / "agents.json").unlink()
    forgotten = json.loads(cli("import", "agents", "--json")[1])["histories"]
    assert [(each["calls"], each["known"]) for each in forgotten] == [(0, 2)] * 4
    assert [each.event_id for each in rows(home)] == [each.event_id for each in before]


def test_what_a_subscription_pays_costs_nothing_and_keeps_its_list_value(
    cli: CLI, home: Home, logs: Path
) -> None:
    cli("import", "agents", "codex", "claude-code", "--paid-by", "subscription")
    found = rows(home)
    assert {row.cost_state for row in found} == {"included"}
    assert {row.cost_pico for row in found} == {0}
    assert all(row.list_cost_pico and row.list_cost_pico > 0 for row in found)
    value = sum(row.list_cost_pico or 0 for row in found)
    since = ("--since", "2026-05-01")
    assert (
        f"paid by subscriptions, not in this sum: {display_usd(value)} by list price"
        in cli("today", *since)[1]
    )
    summary = json.loads(cli("today", *since, "--json")[1])
    assert (summary["totals"]["cost_pico"], summary["included_value_pico"]) == (0, value)
    groups = json.loads(cli("by", "app", "--also", "included_value_pico", *since, "--json")[1])["groups"]
    assert sum(each["others"]["included_value_pico"] for each in groups) == value


def test_a_dry_run_says_what_it_would_import_and_writes_nothing(cli: CLI, home: Home, logs: Path) -> None:
    with (logs / "s1.jsonl").open("a") as file:
        file.write('{"type":"assistant","message":{"usage":[]}}\n')
    status, said, _ = cli("import", "agents", "--dry-run")
    assert status == 0
    assert "would import" in said
    assert "not understood: 1 × " in said
    assert not home.ledger.exists() or rows(home) == []
    assert not (home.path / "imports" / "agents.json").exists()


def test_only_calls_since_a_day_are_imported_where_it_is_said(cli: CLI, home: Home, logs: Path) -> None:
    write_lines(logs / "s3.jsonl", [claude_line(1, at_s=5), claude_line(7, at_s=90_000)], at_ns=now_ns())
    day = iso(NOON + 80_000 * SECOND)
    found = json.loads(cli("import", "agents", "--since", day, "--json")[1])["histories"]
    assert (found[0]["history"], found[0]["calls"], found[0]["skipped"]) == ("claude-code", 1, 1)
    assert [row.response_id for row in rows(home)] == ["msg_0007"]
    cli("import", "agents")
    assert len(rows(home)) == 9, "the rest can be had later"


def test_a_log_and_the_proxy_saw_one_call_and_it_counts_once(cli: CLI, home: Home, logs: Path) -> None:
    home.prepare()
    writer = DirectWriter(home.journal, source="proxy:test", kind="proxy")
    seen = done(
        NOON + 4 * SECOND,
        provider="anthropic",
        model="claude-sonnet-4-5-20250929",
        surface="anthropic.messages",
        response_id="msg_0001",
        input_tokens=1_110,
        output_tokens=50,
    )
    writer.append(DONE, encode(seen))
    writer.close()
    cli("import", "agents", "claude-code")
    found = {row.response_id: row for row in rows(home)}
    assert len(found) == 2
    assert sorted(each.kind for each in found["msg_0001"].witnesses) == ["agent_log", "proxy"]
    assert IMPORTED not in found["msg_0001"].attribution
    assert found["msg_0001"].attribution["session"] == "s1"


def test_what_is_followed_as_it_is_written_counts_in_budgets_and_what_was_before_does_not(
    cli: CLI, home: Home, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[int] = []

    def sleep(seconds: float) -> None:
        turns.append(len(turns))
        if len(turns) > 1:
            raise KeyboardInterrupt
        line = {**claude_line(8), "timestamp": iso(now_ns())}
        write_lines(logs / "s4.jsonl", [line], at_ns=now_ns())

    monkeypatch.setattr(command.time, "sleep", sleep)
    with pytest.raises(SystemExit):
        cli("import", "agents", "claude-code", "--follow")
    live = {row.response_id: IMPORTED not in row.attribution for row in rows(home)}
    assert live == {"msg_0001": False, "msg_0002": False, "msg_0008": True}


def test_two_imports_at_a_time_are_refused(cli: CLI, home: Home, logs: Path) -> None:
    from farebox.histories.agents.positions import reading

    home.prepare()
    with reading(home):
        status, _, said = cli("import", "agents")
    assert status == 64
    assert "another" in said


def test_a_log_that_grows_while_it_is_read_loses_and_doubles_nothing(
    cli: CLI, home: Home, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = user / ".claude" / "projects" / "p" / "s1.jsonl"
    write_lines(path, [claude_line(0)], at_ns=now_ns())
    count = 400

    def grow() -> None:
        with path.open("ab", buffering=0) as file:
            for number in range(1, count):
                text = json.dumps(claude_line(number, at_s=number)).encode() + b"\n"
                file.write(text[:100])  # half of a line is there for a moment
                file.write(text[100:])
                if number % 20 == 0:
                    time.sleep(0.01)

    thread = threading.Thread(target=grow)
    thread.start()
    while thread.is_alive():
        cli("import", "agents", "claude-code")
    thread.join()
    cli("import", "agents", "claude-code")
    assert sorted(row.response_id or "" for row in rows(home)) == [
        f"msg_{number:04d}" for number in range(count)
    ]


def test_a_machine_without_agents_is_told_so(cli: CLI, user: Path) -> None:
    status, said, _ = cli("import", "agents")
    assert status == 0
    assert "No logs of" in said


def test_nothing_of_a_prompt_is_kept(cli: CLI, home: Home, logs: Path) -> None:
    cli("import", "agents")
    for folder, _, names in os.walk(home.path):
        for name in names:
            content = Path(folder, name).read_bytes()
            assert b"Here is the" not in content, name
            assert b"What is" not in content, name


def test_the_first_farebox_on_a_machine_offers_an_import_until_it_was_made_or_declined(
    cli: CLI, home: Home, logs: Path
) -> None:
    offered = "logs of Claude Code, Codex, Gemini CLI and opencode here"
    assert offered in cli()[1]
    assert "logs of" not in cli("today")[1], "reports say what they were asked for"
    assert cli("import", "agents", "--decline")[0] == 0
    assert offered not in cli()[1]
    (home.path / "imports" / "declined").unlink()
    assert offered in cli()[1]
    cli("import", "agents")
    assert offered not in cli()[1]


def test_without_agents_nothing_is_offered(cli: CLI, user: Path) -> None:
    assert "import agents" not in cli()[1]


def test_progress_is_shown_on_a_terminal_and_nowhere_else(
    cli: CLI, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("import", "agents", "--dry-run")[2] == ""
    monkeypatch.setattr(answers.sys.stderr, "isatty", lambda: True)
    assert "claude-code: " in cli("import", "agents", "--dry-run")[2]


def test_positions_are_kept_only_once_all_calls_survive_a_power_cut(
    cli: CLI, home: Home, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_writer, "_are_synced", lambda folder: False)
    status, _, said = cli("import", "agents", "claude-code")
    assert status != 0
    assert "import again" in said
    assert not (home.path / "imports" / "agents.json").exists()
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(logs.parents[2]))
    cli("import", "agents", "claude-code")
    assert len(rows(home)) == 2


def test_calls_of_many_segments_are_all_imported(cli: CLI, home: Home, user: Path) -> None:
    lines = [claude_line(number, at_s=number) for number in range(9_000)]
    write_lines(user / ".claude" / "projects" / "p" / "s1.jsonl", lines)
    assert json.loads(cli("import", "agents", "--json")[1])["histories"][0]["calls"] == 9_000
    assert len(list(LedgerReader(home).export())) == 9_000


def test_what_is_followed_since_a_day_stays_since_that_day(
    cli: CLI, home: Home, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[int] = []

    def sleep(seconds: float) -> None:
        turns.append(len(turns))
        if len(turns) > 2:
            raise KeyboardInterrupt
        line = {**claude_line(8 + len(turns)), "timestamp": iso(now_ns())}
        write_lines(logs / "s4.jsonl", [line], at_ns=now_ns(), append=True)

    monkeypatch.setattr(command.time, "sleep", sleep)
    with pytest.raises(SystemExit):
        cli("import", "agents", "--follow", "--since", iso(now_ns() - 60 * SECOND))
    assert sorted(row.response_id or "" for row in rows(home)) == ["msg_0009", "msg_0010"]
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(logs.parents[2]))
    cli("import", "agents")
    assert len(rows(home)) == 10, "what was before can be had later"


def test_a_dry_run_needs_no_place_to_write_and_waits_for_nobody(cli: CLI, home: Home, logs: Path) -> None:
    from farebox.histories.agents.positions import reading

    home.prepare()
    with reading(home):
        status, said, _ = cli("import", "agents", "--dry-run", "--json")
    assert status == 0
    assert sum(each["calls"] for each in json.loads(said)["histories"]) == 8
