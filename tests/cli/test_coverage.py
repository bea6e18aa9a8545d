"""Records that are known to be missing make every sum a lower bound, everywhere it is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from farebox.cli.exits import CANNOT_TELL, OK
from farebox.cli.options import PeriodFlags, Place
from farebox.cli.reports.breakdown import by
from farebox.cli.reports.summary import overview, today
from farebox.cli.reports.verify import verify
from farebox.clock import now_ns
from farebox.home import Home, locate
from farebox.journal import records
from farebox.journal.writer import JournalWriter

LOST = "3 calls could not be recorded (7 records lost)"


@pytest.fixture
def home() -> Home:
    home = locate()
    home.prepare()
    return home


@pytest.fixture
def lossy(home: Home) -> Home:
    """A state directory whose journal says that records were lost a moment ago."""
    at = now_ns()
    detail: dict[str, str | int] = {"records": 7, "exchanges": 3, "bytes": 9, "from_ns": at, "until_ns": at}
    writer = JournalWriter(home.journal)
    writer.append(records.MARK, records.encode(records.Mark(at_ns=at, kind="lost", detail=detail)))
    writer.close()
    return home


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("home")
def test_where_nothing_is_missing_a_sum_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    assert today(as_json=True, fail_over="5") == OK
    answer = printed(capsys)
    assert (answer["totals"]["complete"], answer["coverage"]["complete"]) == (True, True)
    assert verify() == OK


@pytest.mark.usefixtures("lossy")
def test_lost_records_are_counted_beside_every_total(capsys: pytest.CaptureFixture[str]) -> None:
    assert today(as_json=True) == OK
    answer = printed(capsys)
    assert answer["totals"]["complete"] is False
    assert answer["coverage"]["missing"]["lost_exchanges"] == 3
    for command in (today, lambda: by("model"), lambda: overview(Place(), PeriodFlags())):
        command()
        assert LOST in capsys.readouterr().out
    today()
    assert "≥ $0" in capsys.readouterr().out


@pytest.mark.usefixtures("lossy")
def test_a_limit_cannot_be_said_to_hold_when_records_are_lost(capsys: pytest.CaptureFixture[str]) -> None:
    assert today(fail_over="5") == CANNOT_TELL
    assert f"{LOST}: cannot tell whether more than $5.00 was spent" in capsys.readouterr().err


@pytest.mark.usefixtures("lossy")
def test_losses_concern_the_periods_they_happened_in(capsys: pytest.CaptureFixture[str]) -> None:
    flags = PeriodFlags(since="2020-01-01", until="2020-02-01")
    assert today(period=flags, as_json=True, fail_over="5") == OK
    assert printed(capsys)["totals"]["complete"] is True


@pytest.mark.usefixtures("lossy")
def test_verify_tells_losses_and_gives_no_bare_tick(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify() == CANNOT_TELL
    assert LOST in capsys.readouterr().out
    assert verify(as_json=True) == CANNOT_TELL
    assert printed(capsys)["coverage"]["missing"]["lost_records"] == 7


def test_a_proxy_that_records_nothing_makes_its_time_incomplete(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from farebox.server.api.coverage import coverage
    from farebox.server.api.coverage.recording import Recording

    told = Recording(state="lost", reason="no space left", since="2026-01-02T00:00:00.000000Z")

    def ask(_home: Home) -> Recording:
        return told

    monkeypatch.setattr(coverage, "recording", ask)
    assert today(fail_over="5") == CANNOT_TELL
    assert "does not record: no space left" in capsys.readouterr().err
    before = PeriodFlags(since="2025-12-01", until="2026-01-01")
    assert today(period=before, fail_over="5") == OK


def test_what_a_killed_ledger_process_said_last_is_no_trouble_of_now(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    from farebox.journal.progress import ProgressNote

    ProgressNote(home.journal).say("the disk is full")  # and never closed
    assert today(as_json=True) == OK
    assert printed(capsys)["coverage"]["ledger_trouble"] is None
