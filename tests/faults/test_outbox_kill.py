"""`kill -9` of whoever delivers the outbox, at every step: each message arrives, with one id, in order."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from outbox_worker import STEPS
from webhook_receiver import OK, Request, WebhookReceiver

from farebox.clock import now_ns
from farebox.control.database import open_control
from farebox.control.outbox import messages, receivers
from farebox.control.outbox.envelope import ReceiverSettings, envelope
from farebox.control.outbox.signing_secrets import make_secret
from farebox.control.publish import change
from farebox.home import Home

ROUNDS = int(os.environ.get("FAREBOX_FAULT_ROUNDS", "6"))
pytestmark = pytest.mark.timeout(300 + 20 * ROUNDS)
WORKER = Path(__file__).with_name("outbox_worker.py")
NAMES = ("one", "two")


class Outbox:
    """A home with two receivers, and the oracle: what was enqueued against what came."""

    def __init__(self, home: Home) -> None:
        home.prepare()
        self.home = home
        self.sent: list[str] = []
        self.receivers = {name: WebhookReceiver(self._respond) for name in NAMES}
        self.to_kill: subprocess.Popen[bytes] | None = None
        self.moment = ""
        self.chance = random.Random(11)
        with change(home) as connection:
            for name, receiver in self.receivers.items():
                make_secret(home, name)
                said = ReceiverSettings(url=receiver.url, secret={"made": name})
                receivers.add(connection, name, said, now_ns())

    def enqueue(self, number: int) -> None:
        for _ in range(number):
            with open_control(self.home).writing() as connection:
                made = envelope("test.count", {"n": len(self.sent)}, now_ns(), cause="test")
                self.sent.append(messages.enqueue(connection, made) or "")

    def kill(self) -> None:
        assert self.to_kill is not None
        self.to_kill.kill()

    def _respond(self, request: Request, connection: socket.socket) -> bytes | None:
        if self.to_kill is not None and self.moment == "before the response":
            self.kill()
        elif self.to_kill is not None and self.moment == "after the response":
            connection.sendall(OK)
            time.sleep(self.chance.random() * 0.02)
            self.kill()
            return None
        return OK

    def pending(self) -> int:
        with open_control(self.home).reading() as connection:
            return messages.figures(connection).pending

    def wrong(self) -> list[str]:
        """Return everything that was promised and is not so; nothing is pending by then."""
        found: list[str] = []
        for name, receiver in self.receivers.items():
            came = [request.data["n"] for request in receiver.requests]
            found += [f"{name}: {n} never came" for n in range(len(self.sent)) if n not in came]
            found += [
                f"{name}: {after} came after {before}"
                for before, after in zip([-1, *came], came, strict=False)
                if after not in (before, before + 1)
            ]
            found += [
                f"{name}: {request.data['n']} came as {request.id}"
                for request in receiver.requests
                if request.id != self.sent[request.data["n"]]
            ]
        return found

    def run_till_delivered(self, command: list[str]) -> None:
        """Deliver everything; an hour may pass, a minute without any progress may not."""
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            least, deadline = self.pending() + 1, 0.0
            while waiting := self.pending():
                assert process.poll() is None, "it ended by itself"
                if waiting < least:
                    least, deadline = waiting, time.monotonic() + 60
                assert time.monotonic() < deadline, f"{waiting} are still waiting"
                time.sleep(0.05)
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(Home(tmp_path / "home"))
    one, two = outbox.receivers.values()
    with one, two:
        yield outbox


def worker(outbox: Outbox, step: str, times: int) -> list[str]:
    return [sys.executable, str(WORKER), str(outbox.home.path), step, str(times)]


def test_a_worker_that_is_killed_at_every_step_loses_and_reorders_nothing(outbox: Outbox) -> None:
    killed = dict.fromkeys(STEPS, 0)
    for turn in range(ROUNDS):
        step = STEPS[turn % len(STEPS)]
        outbox.enqueue(4)
        process = subprocess.Popen(worker(outbox, step, outbox.chance.randrange(1, 6)))
        assert process.wait(60) == -signal.SIGKILL, f"turn {turn}, {step}"
        open_control(outbox.home).check()
        killed[step] += 1
    outbox.run_till_delivered(worker(outbox, "never", 0))
    assert outbox.wrong() == []
    came = sum(len(receiver.requests) for receiver in outbox.receivers.values())
    print(f"{len(outbox.sent)} messages to each of two receivers, {came - 2 * len(outbox.sent)} sent again")
    assert all(killed.values())


def test_a_worker_that_commits_before_it_sends_is_noticed(outbox: Outbox) -> None:
    """The negative control: this oracle finds a message that was lost."""
    outbox.enqueue(3)
    process = subprocess.Popen(worker(outbox, "acknowledged early", 1))
    assert process.wait(60) == -signal.SIGKILL
    outbox.run_till_delivered(worker(outbox, "never", 0))
    assert any("0 never came" in each for each in outbox.wrong())


MOMENTS = ("at any time", "before the response", "after the response")


def test_a_server_that_is_killed_while_it_delivers_loses_and_reorders_nothing(outbox: Outbox) -> None:
    command = [
        sys.executable, "-m", "farebox.server", "--home", str(outbox.home.path), "--listen", "127.0.0.1:0",
    ]  # fmt: skip
    for turn in range(ROUNDS):
        outbox.moment = MOMENTS[turn % len(MOMENTS)]
        outbox.enqueue(4)
        outbox.to_kill = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        if outbox.moment == "at any time":
            time.sleep(outbox.chance.random() * 3)
            outbox.kill()
        assert outbox.to_kill.wait(60) == -signal.SIGKILL, f"turn {turn}, {outbox.moment}"
        open_control(outbox.home).check()
    outbox.to_kill = None
    outbox.run_till_delivered(command)
    assert outbox.wrong() == []
    came = sum(len(receiver.requests) for receiver in outbox.receivers.values())
    print(f"{len(outbox.sent)} messages to each of two receivers, {came - 2 * len(outbox.sent)} sent again")
