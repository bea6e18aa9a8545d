"""`kill -9` of ledger and server at every step of alerts: each is said and arrives, none under two ids."""

from __future__ import annotations

import contextlib
import json
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
from alert_ledger import FORGETFUL, GROUP_STEPS, STEPS
from alert_server import SERVER_STEPS
from calls import done
from webhook_receiver import WebhookReceiver

from farebox.alerts.alert import Alert
from farebox.alerts.event import AlertEvent
from farebox.budgets.budget import Period
from farebox.clock import now_ns
from farebox.control.alert_changes import set_alerts
from farebox.control.outbox import receivers
from farebox.control.outbox.envelope import ReceiverSettings
from farebox.control.outbox.signing_secrets import make_secret
from farebox.control.publish import change
from farebox.home import Home, write_private
from farebox.journal import records
from farebox.journal.direct_writer import DirectWriter
from farebox.ledger.calls import LedgerReader
from farebox.snapshot import Snapshot, encode

ROUNDS = int(os.environ.get("FAREBOX_FAULT_ROUNDS", "9"))
TOLD_ROUNDS = int(os.environ.get("FAREBOX_FAULT_ROUNDS", "3"))
pytestmark = pytest.mark.timeout(300 + 30 * ROUNDS)
WORKER = Path(__file__).with_name("alert_ledger.py")
SERVER = Path(__file__).with_name("alert_server.py")
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
        self.set_rules()
        self.writer = DirectWriter(home.journal, source="proxy:test")
        self.apps: Counter[str] = Counter()
        self.models: set[str] = set()
        self.sessions: set[str] = set()
        self.chance = random.Random(7)
        self.number = 0

    def set_rules(self) -> None:
        self.home.snapshot.unlink(missing_ok=True)
        write_private(self.home.snapshot, encode(Snapshot(alerts=RULES)))

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


class Told(Watched):
    """The same with a channel, and a server that delivers to it."""

    def __init__(self, home: Home, receiver: WebhookReceiver) -> None:
        self.receiver = receiver
        super().__init__(home)

    def set_rules(self) -> None:
        make_secret(self.home, "ops")
        with change(self.home) as connection:
            said = ReceiverSettings(url=self.receiver.url, secret={"made": "ops"}, kinds=())
            receivers.add(connection, "ops", said, now_ns())
        rules = [msgspec.structs.replace(each, to=("ops",)) for each in RULES]
        set_alerts(self.home, rules, "test", now_ns())

    def serve(self, step: str, times: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(SERVER), str(self.home.path), step, str(times)]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def kill_both(self, ledger_step: str, server_step: str) -> None:
        """Let both die at a step, one after the other as it happens; calls go on until they have."""
        at = f"{ledger_step}; {server_step}"
        ledger = self.start(ledger_step, self.chance.randrange(1, 4))
        server = self.serve(server_step, self.chance.randrange(1, 3))
        ledger_died, before, later = False, -1, 0.0
        try:
            while not ledger_died or server.poll() is None:
                # Of more than 20 steps at once, the highest are told: it goes on where it was told of them.
                if (told := self.count("alert_event")) != before or time.monotonic() > later:
                    before, later = told, time.monotonic() + 2
                    self.call(4)
                time.sleep(0.05)
                if not ledger_died and ledger.poll() is not None:
                    assert ledger.wait() == -signal.SIGKILL, at
                    ledger_died, ledger = True, self.start("never", 0)  # for what the server is to deliver
            assert server.wait() == -signal.SIGKILL, at
        finally:
            for process in (ledger, server):
                process.kill()
                process.wait()

    def deliver(self) -> None:
        """Let everything be said, and then delivered."""
        self.settle()
        ledger, server = self.start("never", 0), self.serve("never", 0)  # the ledger for what is still held
        try:
            wait_until(
                lambda: not self.count("alert_held") and not self.count("outbox_delivery", "pending"), 90
            )
        finally:
            for process in (ledger, server):
                process.terminate()
                process.wait(60)

    def count(self, table: str, state: str | None = None) -> int:
        opened = sqlite3.connect(self.home.control, timeout=30)
        try:
            only = f" WHERE state = '{state}'" if state else ""
            return opened.execute(f"SELECT count(*) FROM {table}{only}").fetchone()[0]  # noqa: S608 - ours
        finally:
            opened.close()

    def wrong(self) -> list[str]:
        """Return everything that was promised and is not so: once each under one id, with one body."""
        bodies: dict[str, set[bytes]] = {}
        under: dict[str, set[str]] = {}
        for request in self.receiver.requests:
            bodies.setdefault(request.id, set()).add(request.body)
            for item in request.data["alerts"]:
                under.setdefault(item["id"], set()).add(request.id)
        told = sum(json.loads(each)["data"]["count"] for body in bodies.values() for each in list(body)[:1])
        events = self.count("alert_event")
        found = [f"{id} came with {len(body)} bodies" for id, body in bodies.items() if len(body) > 1]
        found += [f"{id} came under {sorted(ids)}" for id, ids in under.items() if len(ids) > 1]
        return found + ([f"{events} events, {told} told of"] if told != events else [])


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


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    with WebhookReceiver() as receiver:
        made = Told(Home(tmp_path / "home"), receiver)
        yield made
        made.writer.close()


def test_ledger_and_server_that_are_killed_at_every_step_tell_each_alert_once(told: Told) -> None:
    told.settle()
    ledger_steps = (*GROUP_STEPS, *STEPS)
    for turn in range(TOLD_ROUNDS):
        told.kill_both(ledger_steps[turn * 4 % len(ledger_steps)], SERVER_STEPS[turn * 7 % len(SERVER_STEPS)])
    told.deliver()
    said, expected = told.said(), Counter(told.expected())
    assert (said - expected, expected - said) == (Counter(), Counter())
    assert told.wrong() == []
    ids = {request.id for request in told.receiver.requests}
    print(
        f"{TOLD_ROUNDS} kills of each, {told.number} calls, {told.count('alert_event')} events in {len(ids)} "
        f"messages, {len(told.receiver.requests) - len(ids)} sent again"
    )


def test_sums_that_are_written_before_they_are_told_are_noticed(watched: Watched) -> None:
    """The negative control: this oracle finds an alert that was lost."""
    watched.call(STEP * 5)
    assert watched.start(FORGETFUL, 1).wait(60) == -signal.SIGKILL
    watched.settle()
    assert watched.expected() - watched.said().keys()
