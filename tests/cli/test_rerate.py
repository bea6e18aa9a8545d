"""`farebox rerate`: the difference first, then corrections, with and without a ledger process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from calls import DAY, HOUR, TestLedger, done

from farebox.cli.main import main
from farebox.clock import now_ns
from farebox.home import Home
from farebox.ledger.calls import LedgerReader
from farebox.ledger.proof.verification import verify
from farebox.pricing import load_book

CLI = Callable[..., tuple[int, str, str]]
MICRO = 1_000_000
COST = 10 * 10 * MICRO + 5 * 20 * MICRO


@pytest.fixture
def state(tmp_path: Path) -> Home:
    """A ledger with two calls of a model nobody knows, one of them old, and a priced one."""
    home = Home(tmp_path / "home")
    ledger = TestLedger(home)
    ledger.applier.use(load_book(state=home.path))
    now = now_ns()
    ledger.append(
        done(now - 9 * DAY, model="brand-new"),
        done(now - HOUR, model="gpt-4o"),
        done(now - HOUR, model="brand-new", attribution={"customer": "acme"}),
    )
    ledger.connection.close()
    return home


@pytest.fixture
def cli(state: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CLI:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["farebox", *arguments, "--home", str(state.path)])
        status = main()
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def priced(cli: CLI) -> str:
    """Set a price, and return what that said."""
    status, said, _ = cli("prices", "set", "brand-new", "input=10", "output=20", "--from", "ever")
    assert status == 0
    return said


def states(state: Home) -> list[str]:
    return [row.cost_state for row in LedgerReader(state).after(0, 100)]


def test_at_e2_no_past_row_changes_until_it_is_asked_for_and_the_difference_is_shown_first(
    state: Home, cli: CLI, priced: str
) -> None:
    assert "2 calls without a price would cost $0.0004" in priced
    assert "farebox rerate --apply" in priced
    status, shown, _ = cli("rerate", "--json")
    answer = json.loads(shown)
    assert (status, answer["applied"], answer["calls"]) == (0, False, 2)
    (model,) = answer["models"]
    assert (model["model"], model["calls"], model["unpriced_before"]) == ("brand-new", 2, 2)
    assert (model["cost_before_pico"], model["cost_after_pico"]) == (0, 2 * COST)
    assert "Nothing was changed yet" in cli("rerate")[1]
    assert states(state) == ["unpriced", "priced", "unpriced"]

    status, shown, _ = cli("rerate", "--apply", "--json")
    applied = json.loads(shown)
    assert (status, applied["applied"], applied["models"]) == (0, True, answer["models"])
    assert states(state) == ["priced"] * 3
    assert verify(state).ok
    assert json.loads(cli("rerate", "--json")[1])["calls"] == 0


def test_explain_and_export_show_the_correction_with_its_trail(state: Home, cli: CLI, priced: str) -> None:
    cli("rerate", "--apply")
    first = LedgerReader(state).after(0, 100)[0]
    receipt = cli("explain", first.event_id)[1]
    assert "(rerate): unpriced → $0.0002 · unpriced: priced by" in receipt
    rows = [json.loads(line) for line in cli("export")[1].splitlines()]
    assert len(rows) == 3
    assert rows[0]["cost_pico"] == COST
    assert [each["kind"] for each in rows[0]["corrections"]] == ["rerate"]
    assert len(cli("export", "--format", "csv")[1].splitlines()) == 4


def test_a_period_and_filters_narrow_what_is_re_rated(state: Home, cli: CLI, priced: str) -> None:
    cli("rerate", "--since", "2d", "--customer", "acme", "--apply")
    assert states(state) == ["unpriced", "priced", "priced"]
    cli("rerate", "--model", "gpt-4o", "--apply")
    assert states(state) == ["unpriced", "priced", "priced"]


def test_calls_with_a_price_are_only_re_rated_when_all_are_asked_for(state: Home, cli: CLI) -> None:
    cli("prices", "set", "gpt-4o", "input=1000", "output=1000", "--from", "ever")
    before = LedgerReader(state).after(0, 100)[1]
    assert json.loads(cli("rerate", "--json")[1])["calls"] == 0
    shown = json.loads(cli("rerate", "--all", "--json")[1])["models"]
    assert [(each["model"], each["cost_before_pico"]) for each in shown] == [("gpt-4o", before.cost_pico)]
    assert cli("rerate", "--all", "--apply")[0] == 0
    after = LedgerReader(state).after(0, 100)[1]
    assert after.cost_pico == 15 * 1000 * MICRO
    assert after.corrections[0].was_cost_pico == before.cost_pico


def test_unpriced_names_the_command(state: Home, cli: CLI, priced: str) -> None:
    assert "farebox rerate --apply" in cli("prices", "unpriced")[1]


@pytest.fixture
def daemon(state: Home) -> Iterator[int]:
    command = [sys.executable, "-m", "farebox.ledger", "--home", str(state.path)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    run_file = state.run / "ledger.json"
    deadline = time.monotonic() + 30
    while not run_file.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    yield process.pid
    os.kill(process.pid, signal.SIGTERM)
    process.wait(30)


def test_a_running_ledger_process_does_it_with_prices_it_took_a_moment_ago(
    state: Home, daemon: int, cli: CLI
) -> None:
    assert cli("prices", "set", "brand-new", "input=10", "output=20", "--from", "ever")[0] == 0
    status, shown, said = cli("rerate", "--apply", "--json")
    assert (status, json.loads(shown)["applied"], said) == (0, True, "")
    assert states(state) == ["priced"] * 3
    assert not list(state.journal.iterdir()), "the request is applied and gone"
