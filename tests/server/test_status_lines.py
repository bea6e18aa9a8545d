"""The server keeps the status line while it is asked for, and only then."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledgers import MINUTE, Record

from farebox import status_line
from farebox.cli.access import open_questions
from farebox.home import Home
from farebox.ledger.calls import LedgerReader
from farebox.server.status_lines import StatusLines

NOON = 1_780_012_800 * 10**9  # 2026-05-29 00:00 UTC
DOLLAR = 10**12


class Kept:
    """A home with a clock that the test turns."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.home = record.home
        self.now_ns = NOON + 10 * 60 * MINUTE
        self.lines = StatusLines(
            self.home, LedgerReader(self.home), open_questions(self.home), lambda: self.now_ns
        )

    def ask(self) -> None:
        path = self.home.run / status_line.ASKED
        path.touch()
        os.utime(path, ns=(self.now_ns, self.now_ns))

    def look(self, after_s: float = 0) -> status_line.Figures | None:
        self.now_ns += int(after_s * 10**9)
        if not self.lines.look():
            return None
        return status_line.decode((self.home.run / status_line.FILE).read_bytes())

    def call(self, dollars: int, minutes_ago: int, session: str, **more: object) -> None:
        at = self.now_ns - minutes_ago * MINUTE
        self.record.append([{"occurred_at": at, "cost_pico": dollars * DOLLAR, "session": session, **more}])


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    monkeypatch.setenv("TZ", "UTC")
    record = Record(Home(tmp_path / "home"))
    made = Kept(record)
    yield made
    record.close()


def test_nothing_is_written_while_nobody_asks(kept: Kept) -> None:
    kept.call(1, 5, "a")
    assert kept.look() is None
    kept.ask()
    assert kept.look() is not None
    assert kept.look(status_line.ASKED_FOR_S + 1) is None


def test_figures_are_of_today_the_last_hour_and_whole_sessions(kept: Kept) -> None:
    kept.call(1, 5, "a")
    kept.call(2, 90, "a")
    kept.call(4, 11 * 60, "a")  # yesterday
    kept.call(8, 48 * 60, "b")  # no call of the last day
    kept.ask()
    found = kept.look()
    assert found is not None
    assert (found.amount, found.per_hour, found.sessions) == ("$3.00", "$1.00", {"a": "$7.00"})
    assert (found.pid, found.clock) == (os.getpid(), "10:00")
    assert status_line.words(found, "a", found.written_s, server_runs=True) == (
        "$7.00 session · $3.00 today · $1.00/h"
    )


def test_new_calls_are_seen_within_seconds_and_unpriced_ones_make_a_bound(kept: Kept) -> None:
    kept.call(1, 5, "a")
    kept.ask()
    assert kept.look() is not None
    kept.record.append([{"occurred_at": kept.now_ns, "session": "a", "cost_state": "unpriced"}])
    assert kept.look(0.5) is None, "calls that come all the time are not asked for all the time"
    found = kept.look(2)
    assert found is not None
    assert (found.amount, found.sessions["a"]) == ("≥ $1.00", "≥ $1.00")


def test_without_new_calls_the_file_stays_young_and_the_hour_goes_on(kept: Kept) -> None:
    kept.call(1, 59, "a")
    kept.ask()
    assert kept.look() is not None
    found = kept.look(status_line.OLD_S / 2)
    assert found is not None
    assert found.written_s == kept.now_ns // 10**9
    kept.ask()
    found = kept.look(90)
    assert found is not None
    assert found.per_hour == ""


def test_a_new_day_begins_at_nothing(kept: Kept) -> None:
    kept.call(1, 5, "a")
    kept.ask()
    assert kept.look() is not None
    kept.now_ns += 14 * 60 * MINUTE
    kept.ask()
    found = kept.look()
    assert found is not None
    assert (found.amount, found.sessions) == ("$0.00", {"a": "$1.00"})
