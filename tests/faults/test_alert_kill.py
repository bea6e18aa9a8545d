"""`kill -9` of the ledger at every step of its alerts: each is said, and none under two ids."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from alert_ledger import FORGETFUL, STEPS
from calls import done

from farebox.alerts.alert import Alert
from farebox.alerts.event import AlertEvent
from farebox.budgets.budget import Period
from farebox.clock import now_ns
from farebox.control.publish import change
from farebox.home import Home, write_private
from farebox.journal import records
from farebox.journal.direct_writer import DirectWriter
from farebox.ledger.calls import LedgerReader
from farebox.snapshot import Snapshot, encode

ROUNDS = int(os.environ.get("FAREBOX_FAULT_ROUNDS", "9"))
pytestmark = pytest.mark.timeout(300 + 30 * ROUNDS)
WORKER = Path(__file__).with_name("alert_ledger.py")
STEP = 5
EVER = Period("ever")
RULES = (
    Alert(name="calls", kind="usage", subject="calls", each="app", at=(STEP,), every=STEP, period=EVER),
    Alert(name="models", kind="new", subject="model"),
    Alert(name="errors", kind="errors", at=(1,), over_s=86_400, each="session"),
)


class Watched:
    """A home with alerts, and the oracle: what its calls have to be news of."""

    def __init__(self, home: Home) -> None:
        home.prepare()
        self.home = home
        with change(home):
            pass
        home.snapshot.unlink(missing_ok=True)
        write_private(home.snapshot, encode(Snapshot(alerts=RULES)))
        self.writer = DirectWriter(home.journal, source="proxy:test")
        self.apps: Counter[str] = Counter()
        self.models: set[str] = set()
        self.sessions: set[str] = set()
        self.chance = random.Random(7)
        self.number = 0

    def call(self, count: int) -> None:
        for _ in range(count):
            self.number += 1
            app, session = self.chance.choice("abc"), f"s{self.number // 3}"
            model = f"model-{self.number // 20}"
            status = 500 if self.chance.random() < 0.3 else 200
            self.apps[app] += 1
            self.models.add(model)
            if status == 500:
                self.sessions.add(session)
            whose = {"app": app, "session": session}
            self.writer.append(
                records.DONE,
                records.encode(done(now_ns(), model=model, status=status, attribution=whose, surface="x.y")),
            )

    def expected(self) -> set[tuple[str, str, int]]:
        steps = {
            ("calls", app, threshold)
            for app, count in self.apps.items()
            for threshold in range(STEP, count + 1, STEP)
        }
        return (
            steps
            | {("models", model, 0) for model in self.models}
            | {("errors", session, 1) for session in self.sessions}
        )

    def said(self) -> Counter[tuple[str, str, int]]:
        opened = sqlite3.connect(self.home.control)
        try:
            rows = opened.execute("SELECT body FROM alert_event WHERE state = 'firing'").fetchall()
        finally:
            opened.close()
        events = [msgspec.json.decode(body, type=AlertEvent) for (body,) in rows]
        return Counter((each.alert, each.value or "", each.threshold or 0) for each in events)

    def start(self, step: str, times: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(WORKER), str(self.home.path), step, str(times)]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def settle(self) -> None:
        """Let a ledger run until everything is said, then stop it in peace."""
        process = self.start("never", 0)
        with contextlib.suppress(AssertionError):  # what is missing says the caller
            wait_until(
                lambda: (
                    (self.home.path / "alerts.sums").exists()
                    and LedgerReader(self.home).health().last_seq == self.number
                    and self.said().keys() >= self.expected()
                )
            )
        process.terminate()
        # Where everything was said before, it may have been told to end before it listens for that.
        assert process.wait(60) in (0, -signal.SIGTERM)


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never happened")


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(Home(tmp_path / "home"))
    yield made
    made.writer.close()


def test_a_ledger_that_is_killed_at_every_step_says_each_alert_once(watched: Watched) -> None:
    watched.settle()  # what the record knows as an alert is made is not new
    for turn in range(ROUNDS):
        step = STEPS[turn % len(STEPS)]
        watched.call(watched.chance.randrange(4, 12))
        process = watched.start(step, watched.chance.randrange(1, 4))
        while True:
            try:
                assert process.wait(0.5) == -signal.SIGKILL, f"turn {turn}, {step}"
                break
            except subprocess.TimeoutExpired:
                watched.call(3)
    watched.settle()
    said, expected = watched.said(), Counter(watched.expected())
    assert (said - expected, expected - said) == (Counter(), Counter())


def test_sums_that_are_written_before_they_are_told_are_noticed(watched: Watched) -> None:
    """The negative control: this oracle finds an alert that was lost."""
    watched.call(STEP * 5)
    assert watched.start(FORGETFUL, 1).wait(60) == -signal.SIGKILL
    watched.settle()
    assert watched.expected() - watched.said().keys()
