"""The supervisor, with small programs in the places of proxy, ledger and server."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from farebox.cli.daemon.supervisor import written_pid

CHILD = """
import json, os, select, signal, socket, sys, time
run, name, fd = sys.argv[1], sys.argv[2], int(sys.argv[3])
wake, woken = os.pipe()
os.set_blocking(woken, False)
signal.signal(signal.SIGTERM, lambda *_: None)
signal.set_wakeup_fd(woken)
with open(f"{run}/.{name}.{os.getpid()}", "w") as file:
    json.dump({"pid": os.getpid(), "host": "127.0.0.1", "port": 1}, file)
os.replace(f"{run}/.{name}.{os.getpid()}", f"{run}/{name}.json")
listener = None if fd < 0 else socket.socket(fileno=fd)
if listener is not None:
    listener.setblocking(False)
while True:  # what was accepted is answered before TERM is looked at
    ready, _, _ = select.select([wake, listener] if listener else [wake], [], [])
    if wake in ready:
        break
    try:
        connection, _ = listener.accept()
    except BlockingIOError:  # the other one was faster
        continue
    connection.sendall(str(os.getpid()).encode())
    connection.close()
with open(f"{run}/order", "a") as file:
    file.write(name + "\\n")
"""
SUPERVISE = """
import sys
from farebox.cli.daemon.supervisor import Child, Supervisor
run, fd, lock = sys.argv[1], sys.argv[2], int(sys.argv[3])
children = [
    Child("proxy", ["stand_in", run, "proxy", fd], (int(fd),)),
    Child("ledger", ["stand_in", run, "ledger", "-1"]),
    Child("server", ["stand_in", run, "server", "-1"]),
]
sys.exit(Supervisor(run, children, (lock,)).supervise(None))
"""
NAMES = ("proxy", "ledger", "server")


def until(what: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if found or time.monotonic() > deadline:
            assert found, "it did not happen in time"
            return found
        time.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return False


class Daemon:
    def __init__(self, folder: Path, child: str = CHILD) -> None:
        self.run = folder / "run"
        self.run.mkdir()
        (folder / "stand_in.py").write_text(child)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR)
        fd = self.listener.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, str(self.run), str(fd), str(self.lock)],
            env={**os.environ, "PYTHONPATH": str(folder)},
            pass_fds=(fd, self.lock),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def pid(self, name: str) -> int:
        return written_pid(str(self.run), name)

    def ready(self) -> dict[str, int]:
        return until(lambda: {name: self.pid(name) for name in NAMES} if all(map(self.pid, NAMES)) else {})

    def ask(self) -> int:
        """Connect to the proxy's port and return the pid that answers."""
        with socket.create_connection(self.listener.getsockname(), timeout=30) as connection:
            return int(connection.recv(64))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        for pid in filter(None, map(self.pid, NAMES)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.listener.close()
        os.close(self.lock)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    started = Daemon(tmp_path)
    yield started
    started.close()


def test_a_child_that_crashes_is_started_again_and_no_connection_fails(daemon: Daemon) -> None:
    first = daemon.ready()["proxy"]
    assert daemon.ask() == first
    os.kill(first, signal.SIGKILL)
    until(lambda: gone(first))  # what it had accepted dies with it
    second = daemon.ask()  # waits in the socket that the supervisor holds
    assert second != first
    assert daemon.process.poll() is None


def test_term_stops_the_proxy_first_and_leaves_nobody(daemon: Daemon) -> None:
    pids = daemon.ready()
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(timeout=30) == 0
    order = (daemon.run / "order").read_text().split()
    assert order[0] == "proxy"
    assert sorted(order) == sorted(NAMES)
    assert all(gone(pid) for pid in pids.values())


def test_hup_hands_over_to_a_fresh_proxy_while_connections_keep_being_answered(daemon: Daemon) -> None:
    before = daemon.ready()
    daemon.process.send_signal(signal.SIGHUP)
    answered: list[int] = []
    until(lambda: answered.append(daemon.ask()) or gone(before["proxy"]))
    after = until(lambda: daemon.ask() != before["proxy"] and daemon.pid("proxy"))
    assert after != before["proxy"]
    assert daemon.pid("ledger") == before["ledger"]


def test_a_fresh_proxy_that_does_not_start_leaves_the_old_one_at_work(daemon: Daemon) -> None:
    before = daemon.ready()
    (daemon.run.parent / "stand_in.py").write_text("raise SystemExit(70)")
    daemon.process.send_signal(signal.SIGHUP)
    assert daemon.process.stderr is not None
    told = b""
    while b"keeps running" not in told:
        told = daemon.process.stderr.readline()
    assert daemon.ask() == before["proxy"]


def test_a_child_that_refuses_its_configuration_at_the_start_ends_everything(tmp_path: Path) -> None:
    refused = Daemon(tmp_path, child="raise SystemExit(78)")
    assert refused.process.wait(timeout=30) == 78
    refused.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends the children on Linux only")
def test_children_end_with_a_supervisor_that_was_killed(daemon: Daemon) -> None:
    pids = daemon.ready()
    daemon.process.kill()
    daemon.process.wait()
    until(lambda: all(gone(pid) for pid in pids.values()))
