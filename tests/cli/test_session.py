"""`farebox session`: a tree of agents, steps and calls, and what is said of its context."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from calls import MINUTE, NOON, TestLedger, done

from farebox.cli.main import main
from farebox.home import Home

CLI = Callable[..., tuple[int, str, str]]
"""`calls.OnePriceBook`: a token costs $0.0000025, so that 400,000 are a dollar."""


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CLI:
    home = Home(tmp_path / "home")
    home.prepare()
    ledger = TestLedger(home)
    calls = [
        # agent, above it, input, cached, minute
        ("main", None, 100_000, 0, 0),
        ("main", None, 140_000, 100_000, 1),
        ("explore", "main", 50_000, 0, 2),
        ("main", None, 160_000, 20_000, 3),
    ]
    for agent, above, tokens, cached, minute in calls:
        whose = {"session": "s-1", "agent": agent} | ({"parent_agent": above} if above else {})
        call = done(NOON + minute * MINUTE, input_tokens=tokens - cached, output_tokens=0, attribution=whose)
        call.extraction.parts[0].quantities["cache_read"] = cached
        ledger.append(call)
    ledger.append(done(NOON, attribution={"session": "s-2"}))
    ledger.connection.close()
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["farebox", *arguments, "--home", str(home.path)])
        status = main()
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_agents_stand_beneath_those_that_started_them_with_their_calls(cli: CLI) -> None:
    status, shown, _ = cli("session", "s-1", "--tz", "UTC")
    assert status == 0
    lines = shown.splitlines()
    assert lines[0] == "s-1  $1.13"
    assert "4 calls · 450,000 tokens in (26 % cached)" in lines[2]
    wanted = ("main  4 calls", "gpt-4o", "explore  1 call")
    tree = [line for line in lines if any(each in line for each in wanted)]
    assert [line.startswith("  ") for line in tree] == [False, True, True, True, True, True]
    assert tree[4].startswith("  explore  1 call") and tree[5].startswith("    1. gpt-4o")
    assert "+40,000" in tree[2] and "71 %" in tree[2]
    assert "$0.125" in tree[4]


def test_input_that_was_sent_again_is_named_with_what_it_cost(cli: CLI) -> None:
    shown = cli("session", "s-1")[1]
    assert "call 3 of main sent up to 120,000 tokens again that no cache had, $0.30" in shown


def test_sixty_columns_are_enough(cli: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    table = cli("session", "s-1")[1].partition("agent, step")[2].partition("\n\n")[0]
    assert max(len(line) for line in table.splitlines()) <= 60
    assert "$0.125" in table and "explore" in table


def test_earlier_calls_are_counted_where_they_are_not_shown(cli: CLI) -> None:
    shown = cli("session", "s-1", "--calls", "1")[1]
    assert "2 earlier calls" in shown
    assert shown.count("gpt-4o") == 2
    assert "gpt-4o" not in cli("session", "s-1", "--calls", "0")[1]


def test_an_unknown_session_is_told_the_nearest(cli: CLI) -> None:
    status, shown, told = cli("session", "s-3")
    assert (status, shown) == (1, "")
    assert "no call ever had session 's-3'; similar values: s-" in told


def test_scripts_get_json_csv_and_a_status(cli: CLI) -> None:
    answer = json.loads(cli("session", "s-1", "--json")[1])
    assert answer["schema"] == "farebox.session/1"
    assert [node["name"] for node in answer["session"]["nodes"]] == ["main", "explore"]
    assert answer["session"]["sums"]["cost_usd"] == "1.125"
    rows = list(csv.DictReader(io.StringIO(cli("session", "s-1", "--csv")[1])))
    assert sum(int(row["cost_pico"]) for row in rows) == 1_125_000_000_000
    assert cli("session", "s-1", "--fail-over", "1")[0] == 1
    assert cli("session", "s-1", "--fail-over", "2")[0] == 0
