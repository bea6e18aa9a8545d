"""What `farebox run` says at the end: never less than the truth about what is not in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from calls import NOON, TestLedger, batch, done

from farebox.cli.reports.receipt import call_receipt, run_receipt
from farebox.clock import now_ns
from farebox.config import Config
from farebox.home import Home
from farebox.journal.records import Mark
from farebox.ledger.calls import LedgerReader
from farebox.pricing import load_book
from farebox.server.api.coverage.recording import Recording, Unmetered


@pytest.fixture
def state(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def test_no_calls_is_only_said_where_they_would_have_been_seen(state: Home) -> None:
    assert "no calls seen" in run_receipt(state, Config(), "s", now_ns(), Recording(state="ok"))
    for how in ("lost", "degraded"):
        said = run_receipt(state, Config(), "s", now_ns(), Recording(state=how, lost_exchanges=3))
        assert "no calls seen" not in said
        assert "there may have been some" in said
    lost = run_receipt(state, Config(), "s", 1, Recording(state="lost", reason="no room", lost_exchanges=3))
    assert "no room" in lost
    assert "3 calls lost" in lost


def test_calls_that_were_tunnelled_are_named_with_the_reason(state: Home) -> None:
    pinned = Unmetered("api.openai.com", "php", "php a.php", "pinned:unknown_ca", 2, 1, 9)
    recorded = Recording(state="ok", unmetered=[pinned])
    said = run_receipt(state, Config(), "s", now_ns(), recorded)
    assert "no calls seen" not in said
    why = "it does not accept our certificate (unknown_ca)"
    assert f"farebox: not metered: 2 connections of php a.php to api.openai.com: {why}" in said
    ledger = TestLedger(state)
    ledger.applier.use(load_book())
    started = now_ns()
    ledger.append(done(started, attribution={"session": "s"}))
    ledger.connection.close()
    assert why in run_receipt(state, Config(), "s", started, recorded)
    assert "not metered" not in run_receipt(state, Config(), "s", started, Recording(state="ok"))


def test_a_sum_that_lacks_records_says_at_least_and_what_is_missing(state: Home) -> None:
    ledger = TestLedger(state)
    ledger.applier.use(load_book())
    started = now_ns()
    ledger.append(done(started, attribution={"session": "s"}))
    lost = Mark(at_ns=started, kind="lost", detail={"records": 4, "exchanges": 2, "until_ns": started + 1})
    ledger.applier.apply("p", [batch(lost)])
    ledger.append(done(started, model="nobody-knows", attribution={"session": "s"}))
    ledger.connection.close()
    said = run_receipt(state, Config(), "s", started, Recording(state="ok"))
    assert "≥ $" in said
    assert "1 call unpriced in 2 calls" in said
    assert "2 calls could not be recorded (4 records lost)" in said


def test_a_calls_receipt_lists_who_saw_it_and_where_they_disagree(state: Home) -> None:
    ledger = TestLedger(state)
    ledger.append(done(NOON, response_id="r1", source="proxy:here"))
    ledger.append(done(NOON + 1, model="gpt-4o-mini"))
    ledger.append(
        done(NOON, response_id="r1", source="sdk:here:app.py", witness="sdk", input_tokens=9, key=None)
    )
    ledger.connection.close()
    joined, alone = LedgerReader(state).after(0, 10)
    said = call_receipt(joined)
    assert "seen by\n  proxy (proxy:here) at " in said
    assert "sdk (sdk:here:app.py)" in said and "9 in, 5 out (final); says input_tokens 9, not 10" in said
    assert "seen by" not in call_receipt(alone)
