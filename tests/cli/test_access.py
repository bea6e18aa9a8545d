"""Where answers come from: the running server, which owns the replica, else the command itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ledgers import START, Record

from farebox.cli.access import open_questions
from farebox.cli.main import main
from farebox.home import Home


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    made = Record(Home(tmp_path / "home"))
    made.append({"occurred_at": START, "cost_pico": 2**62 + number, "user": "ann"} for number in range(9))
    yield made
    made.close()


@pytest.fixture
def server(record: Record) -> Iterator[dict[str, Any]]:
    """A server of its own process, and what it says about itself."""
    process = subprocess.Popen(
        [sys.executable, "-m", "farebox.server", "--home", str(record.home.path), "--listen", "127.0.0.1:0"]
    )
    announced = record.home.run / "server.json"
    deadline = time.monotonic() + 30
    while not announced.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    yield json.loads(announced.read_bytes())
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    process.wait(30)


def owner(home: Home) -> int:
    return int((home.path / "analytics.lock").read_text())


def spent(home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    arguments = ["farebox", "today", "--since", "2020-01-01", "--json", "--home", str(home.path)]
    monkeypatch.setattr(sys, "argv", arguments)
    assert main() == 0
    return json.loads(capsys.readouterr().out)["totals"]


def test_the_command_line_and_the_api_get_the_same_sum_from_the_servers_worker(
    record: Record,
    server: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exact = sum(2**62 + number for number in range(9))
    assert spent(record.home, capsys, monkeypatch)["cost_pico"] == exact
    assert owner(record.home) not in (os.getpid(), server["pid"])
    token = (record.home.run / "dashboard.token").read_text()
    address = f"http://127.0.0.1:{server['port']}/api/v1/summary?since=2020-01-01&tz=UTC"
    request = urllib.request.Request(address, headers={"authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        assert json.load(response)["sums"]["cost_pico"] == str(exact)


def test_without_a_server_the_command_answers_itself_and_lets_go_of_the_file(
    record: Record, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert spent(record.home, capsys, monkeypatch)["calls"] == 9
    assert owner(record.home) == os.getpid()
    with open_questions(record.home) as questions:
        assert questions.last_seq() == 9


def test_a_server_that_was_killed_is_not_waited_for(
    record: Record,
    server: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert spent(record.home, capsys, monkeypatch)["calls"] == 9
    worker = owner(record.home)
    os.kill(server["pid"], signal.SIGKILL)
    assert spent(record.home, capsys, monkeypatch)["calls"] == 9
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:  # the worker ends with the pipe
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            break
        time.sleep(0.02)
    else:
        pytest.fail("the worker outlived its server")
    assert owner(record.home) in (worker, os.getpid())
