"""A collector that is killed while events come, beside a ledger that applies them: each is recorded once."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest
from taken_in import Door, applied, event, statuses

from farebox.config import Config
from farebox.home import Home
from farebox.ledger import catch_up
from farebox.server.access.sessions import load_token

ROUNDS = int(os.environ.get("FAREBOX_KILL_ROUNDS", "1"))
SENDERS, BATCHES, BATCH = 3, 12, 20


class Collector:
    """A server in a process of its own, started again after each kill."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.headers = {
            "Authorization": f"Bearer {load_token(home)}",
            "Content-Type": "application/json",
        }
        self.start()

    def start(self) -> None:
        (self.home.run / "server.json").unlink(missing_ok=True)
        command = [sys.executable, "-m", "farebox.server", "--home", str(self.home.path)]
        self.process = subprocess.Popen([*command, "--listen", "127.0.0.1:0"], stderr=subprocess.DEVNULL)
        self.port = 0
        while not self.port:
            assert self.process.poll() is None
            with contextlib.suppress(FileNotFoundError):
                self.port = json.loads((self.home.run / "server.json").read_bytes())["port"]
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def post(self, body: bytes) -> dict[str, object] | None:
        """Return the receipt; None where no response came."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", "/v1/events", body=body, headers=self.headers)
            response = connection.getresponse()
            return json.loads(response.read()) if response.status == 202 else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


@pytest.fixture
def collector(home: Home) -> Iterator[Collector]:
    made = Collector(home)
    yield made
    made.kill()


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_every_event_is_recorded_once_however_often_the_collector_is_killed(
    home: Home, collector: Collector, seed: int
) -> None:
    rng = random.Random(seed)
    batches = [
        [event(id=f"{s}-{b}-{n}") for n in range(BATCH)] for s in range(SENDERS) for b in range(BATCHES)
    ]
    told: Counter[str] = Counter()
    acknowledged = threading.Semaphore(0)
    stopped = threading.Event()

    def send(sender: int) -> None:
        for batch in batches[sender::SENDERS]:
            body = msgspec.json.encode(batch)
            while (found := collector.post(body)) is None:
                time.sleep(0.01)
            for item in found["items"]:  # type: ignore[attr-defined]
                told[item["status"]] += 1
            acknowledged.release()

    def apply() -> None:
        while not stopped.is_set():
            catch_up(home, Config())

    senders = [threading.Thread(target=send, args=(number,)) for number in range(SENDERS)]
    ledger = threading.Thread(target=apply)
    for thread in (*senders, ledger):
        thread.start()
    for _ in range(3):
        for _ in range(rng.randrange(2, 8)):
            acknowledged.acquire()
        collector.kill()
        collector.start()
    for thread in senders:
        thread.join()
    stopped.set()
    ledger.join()
    recorded = Counter(row.event_id for row in applied(home).newest(5_000))
    assert len(recorded) == SENDERS * BATCHES * BATCH
    assert set(recorded.values()) == {1}
    assert set(told) <= {"accepted", "duplicate"}


def test_no_event_is_accepted_twice_while_the_ledger_applies_them(door: Door, home: Home) -> None:
    rng = random.Random(7)
    events = [event() for _ in range(400)]
    told: Counter[str] = Counter()
    stopped = threading.Event()

    def apply() -> None:
        while not stopped.is_set():
            catch_up(home, Config())

    ledger = threading.Thread(target=apply)
    ledger.start()
    for _ in range(150):
        told.update(statuses(door.send(*rng.choices(events, k=20))))
    told.update(statuses(door.send(*events)))
    stopped.set()
    ledger.join()
    assert told == {"accepted": 400, "duplicate": 150 * 20}
    assert len(applied(home).newest(1_000)) == 400
