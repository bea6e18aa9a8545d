"""`kill -9` of the server, with and without its worker, while the replica is catching up."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ledgers import DAY, START, Record, measured, traffic

from farebox.analytics.checks import compare
from farebox.analytics.local import LocalAsker
from farebox.analytics.questions import Questions, Selection
from farebox.home import Home

ROUNDS = int(os.environ.get("FAREBOX_KILLS", "4"))
pytestmark = pytest.mark.timeout(300 + 10 * ROUNDS)
SUMMARY = "/api/v1/summary?since=all"


class Serving:
    """A server in a process group of its own, which its worker belongs to."""

    def __init__(self, home: Home) -> None:
        command = [
            sys.executable, "-m", "farebox.server", "--home", str(home.path), "--listen", "127.0.0.1:0",
        ]  # fmt: skip
        self._home = home
        self._process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        self._run = self._announced()

    def _announced(self) -> dict[str, Any]:
        file = self._home.run / "server.json"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self._process.poll() is None, "the server ended by itself"
            with suppress(OSError, ValueError):
                found = json.loads(file.read_bytes())
                if found["pid"] == self._process.pid:
                    return found
            time.sleep(0.01)
        raise AssertionError("the server never said where it listens")

    def ask(self) -> bytes | None:
        """Ask for the summary; None where the server is killed meanwhile."""
        token = (self._home.run / "dashboard.token").read_text().strip()
        connection = http.client.HTTPConnection(self._run["host"], self._run["port"], timeout=60)
        try:
            connection.request("GET", SUMMARY, headers={"authorization": f"Bearer {token}"})
            return connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def kill(self, *, with_worker: bool) -> None:
        if with_worker:
            os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()
        self._process.wait()

    def wait_for_group(self) -> None:
        """Wait until nobody of the group is left: a worker notices that its server is gone."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                os.killpg(self._process.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.05)
        raise AssertionError("the worker outlives its server")


def test_a_server_that_is_killed_while_its_worker_copies_loses_and_doubles_nothing(tmp_path: Path) -> None:
    record = Record(Home(tmp_path / "home"))
    home = record.home
    rng = random.Random(8)
    some = traffic(rng, 3_000)
    firsts: list[int] = []
    for round_ in range(ROUNDS):
        firsts += record.append(some)
        for first in rng.sample(firsts, 20):
            record.correct(first, cost_pico=rng.randrange(10**12), cost_state="priced")
        server = Serving(home)
        asking = threading.Thread(target=server.ask)
        asking.start()
        time.sleep(rng.random() * 0.8)
        server.kill(with_worker=bool(round_ % 2))
        asking.join()
        server.wait_for_group()
    questions = Questions(LocalAsker(home, owner=True))
    assert questions.totals(Selection())[0] == measured(list(record.now.values()))
    half = Selection(until_ns=START + 2 * DAY)
    early = [call for call in record.now.values() if call["occurred_at"] < START + 2 * DAY]
    assert questions.totals(half)[0] == measured(early)
    assert compare(home, questions).different == []
    questions.close()
    record.close()
