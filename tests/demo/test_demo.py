"""`farebox demo`: a home of its own, filled as a real one is, and never beside anything real."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farebox.cli import access
from farebox.cli.main import main
from farebox.control.outbox.enqueue_sql import writing
from farebox.home import Home
from farebox.journal.direct_writer import DirectWriter
from farebox.journal.records import DONE, Done, encode
from farebox.ledger.calls import LedgerReader
from farebox.server.api.services import plainly
from farebox.server.api.status.status import status

CLI = Callable[..., tuple[int, str, str]]
UNTIL = "2026-11-20T12:00Z"
CALLS = 2_500


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CLI:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["farebox", *arguments])
        status = main()
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def made(cli: CLI, home: Path, *more: str, calls: int = 40) -> tuple[int, str, str]:
    return cli("demo", "--home", str(home), "--calls", str(calls), "--until", UNTIL, *more)


def test_a_demo_is_rated_verified_and_watched_as_a_real_home_is(cli: CLI, tmp_path: Path) -> None:
    home = tmp_path / "demo"
    status, shown, told = made(cli, home, "--json", calls=CALLS)
    assert status == 0, told
    answer = json.loads(shown)
    assert answer["calls"] == CALLS
    assert answer["cost_pico"] > 10**12
    assert 0 < answer["unpriced_calls"] < CALLS / 5
    place = ("--home", str(home))
    assert cli("verify", *place)[0] == 0

    def by(dimension: str) -> dict[str, Any]:
        groups = json.loads(cli("by", dimension, "--since", "all", "--json", *place)[1])["groups"]
        return {str(each["keys"][dimension]): each["totals"] for each in groups}

    assert {"acme", "globex", "None"} <= by("customer").keys()
    assert {"429", "529", "200"} <= by("status").keys()
    assert {"planner", "searcher", "explore", "support"} <= by("agent").keys()
    assert {"completed", "client_disconnected"} == by("outcome").keys()
    assert {"priced", "unpriced", "estimated", "free"} <= by("cost_state").keys()
    chat = by("app")["support-chat"]
    assert chat["cache_read_input_tokens"] > chat["input_tokens"] / 4
    assert chat["charge_pico"] > chat["cost_pico"], "plans charge customers"
    assert by("tag.feature").keys() >= {"chat", "reports", "inbox", "review", "coding", "trial"}
    (latest,) = csv.DictReader(io.StringIO(cli("tail", "--csv", "-n", "1", *place)[1]))
    assert latest["event_id"] == LedgerReader(Home(home)).newest(1)[0].event_id
    assert cli("tail", "--csv", "--follow", *place)[0] == 64
    attempts = [call.attempt for call in LedgerReader(Home(home)).newest(CALLS)]
    assert max(attempts) >= 1
    assert json.loads(cli("invoices", "list", "--json", *place)[1])["invoices"]
    with writing(Home(home)) as control:
        told_of = {alert for (alert,) in control.execute("SELECT DISTINCT alert FROM alert_event")}
    assert {"new-models", "no-price"} <= told_of


def test_every_command_says_that_it_is_a_demo_and_the_api_does(cli: CLI, tmp_path: Path) -> None:
    home = tmp_path / "demo"
    assert made(cli, home)[0] == 0
    access.SAID_OF.clear()  # each command is a process of its own
    shown, told = cli("today", "--home", str(home), "--json")[1:]
    assert "DEMO DATA" in told
    json.loads(shown)
    for place, is_demo in ((Home(home), True), (Home(tmp_path / "real"), False)):
        assert status(LedgerReader(place), place, plainly, {}).demo is is_demo


def test_nothing_is_put_beside_what_is_no_demo(cli: CLI, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir(mode=0o700)
    (real / "ledger.db").write_bytes(b"mine")
    for more in ((), ("--replace",)):
        status, _, told = made(cli, real, *more)
        assert status == 64
        assert "no demo" in told
    assert [each.name for each in real.iterdir()] == ["ledger.db"]


def test_a_demo_is_made_anew_only_where_that_is_said(cli: CLI, tmp_path: Path) -> None:
    home = tmp_path / "demo"
    assert made(cli, home)[0] == 0
    before = LedgerReader(Home(home)).newest(1)[0].event_id
    status, _, told = made(cli, home)
    assert (status, "--replace" in told) == (64, True)
    assert made(cli, home, "--replace", "--seed", "2")[0] == 0
    assert LedgerReader(Home(home)).newest(1)[0].event_id != before


def test_a_demo_that_was_given_real_calls_is_never_replaced(cli: CLI, tmp_path: Path) -> None:
    home = Home(tmp_path / "demo")
    assert made(cli, home.path)[0] == 0
    writer = DirectWriter(home.journal, source="sdk:mine")
    call = Done(
        event_id=bytes(16), source="sdk:mine", occurred_at_ns=1, provider="openai", surface="openai.chat",
        ended_at_ns=2, outcome="completed",
    )  # fmt: skip
    writer.append(DONE, encode(call))
    writer.close()
    status, _, told = made(cli, home.path, "--replace")
    assert status == 64
    assert "sdk:mine" in told
    assert home.ledger.exists()


def test_a_demo_that_was_interrupted_is_made_anew(cli: CLI, tmp_path: Path) -> None:
    home = tmp_path / "demo"
    assert made(cli, home)[0] == 0
    label = home / "demo.json"
    label.write_text(label.read_text().replace('"complete": true', '"complete": false'))
    assert made(cli, home)[0] == 0


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--calls", "0"), "1 to 1,000,000"),
        (("--calls", "1000001"), "1 to 1,000,000"),
        (("--until", "2199-01-01"), "in the future"),
    ],
)
def test_what_cannot_be_made_is_told(cli: CLI, tmp_path: Path, more: tuple[str, str], told: str) -> None:
    home = tmp_path / "demo"
    status, _, said = cli("demo", "--home", str(home), *more)
    assert status == 64
    assert told in said
    assert not home.exists()
