"""The server as a process: where it listens, what it writes, how it leaves."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from farebox.home import Home
from farebox.server.access.links import mint_link
from farebox.server.access.sessions import load_token

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(home: Home) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run(listen: str = "127.0.0.1:0") -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "farebox.server", "--home", str(home.path), "--listen", listen]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def announced(home: Home, process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait until the process has said where it listens."""
    path = home.run / "server.json"
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()[1]
        if path.exists():
            return msgspec.json.decode(path.read_bytes())
        time.sleep(0.05)
    raise AssertionError("the server never said where it listens")


@contextlib.contextmanager
def get(run: dict[str, Any], target: str, headers: dict[str, str]) -> Generator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(run["host"], run["port"], timeout=30)
    connection.request("GET", target, headers=headers)
    with contextlib.closing(connection), connection.getresponse() as answer:
        yield answer


def test_it_says_where_it_listens_answers_and_leaves_cleanly(home: Home, start: Start) -> None:
    process = start()
    run = announced(home, process)
    assert run["pid"] == process.pid and run["port"] > 0
    assert stat.S_IMODE((home.run / "server.json").stat().st_mode) == 0o600
    with get(run, "/api/v1/status", {"Authorization": f"Bearer {load_token(home)}"}) as answer:
        assert answer.status == 200
        status = msgspec.json.decode(answer.read())
    assert status["ledger"]["state"] == "empty"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert not (home.run / "server.json").exists()


def test_a_link_made_by_another_process_signs_in(home: Home, start: Start) -> None:
    run = announced(home, start())
    link = mint_link(home)
    target = link.removeprefix(f"http://{run['host']}:{run['port']}")
    with get(run, target, {}) as answer:
        assert answer.status == 303
        session = (answer.headers["set-cookie"] or "").partition(";")[0]
    with get(run, "/api/v1/status", {"Cookie": session}) as answer:
        assert answer.status == 200
    with get(run, target, {}) as answer:
        assert answer.status == 401


def test_an_open_live_stream_does_not_hold_up_leaving(home: Home, start: Start) -> None:
    process = start()
    run = announced(home, process)
    with get(run, "/api/v1/live", {"Authorization": f"Bearer {load_token(home)}"}) as stream:
        assert stream.status == 200
        assert stream.readline() == b"event: hello\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_taken_port_is_said_and_the_next_one_used(home: Home, start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(f"127.0.0.1:{port}")
        assert announced(home, process)["port"] != port
    process.terminate()
    assert f"port {port} is taken" in process.communicate(timeout=30)[1]


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:3274", "example.com:3274"])
def test_an_address_that_others_can_reach_is_refused_with_78(home: Home, start: Start, listen: str) -> None:
    process = start(listen)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 78
    assert "loopback" in error
    assert not (home.run / "server.json").exists()


def test_another_servers_file_is_left_alone(home: Home, start: Start) -> None:
    process = start()
    announced(home, process)
    other = {"pid": os.getpid(), "host": "127.0.0.1", "port": 1, "started_at": "", "url": ""}
    Path(home.run / "server.json").write_bytes(msgspec.json.encode(other))
    process.terminate()
    assert process.wait(30) == 0
    assert (home.run / "server.json").exists()
