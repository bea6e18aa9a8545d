"""A ledger that stands still, or has no room, is known wherever somebody looks; so is a home that is gone."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))

from answers import respond
from farebox_process import Shell
from tools.upstream import MockUpstream

from farebox.cli.daemon.supervisor import written_pid
from farebox.cli.exits import CANNOT_TELL, DATA
from farebox.home import Home
from farebox.server.access.sessions import load_token
from mounts import fill, small_disk

SECONDS = 30


@pytest.fixture(scope="module")
def upstream() -> Iterator[MockUpstream]:
    with MockUpstream(respond) as serving:
        yield serving


class Daemon:
    """`farebox up --detach`, and what it says of itself."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        shell.farebox("up", "--detach")
        self.pid = written_pid(str(shell.home / "run"), "supervisor")

    def where(self, name: str) -> str:
        said = json.loads((self.shell.home / "run" / f"{name}.json").read_bytes())
        return f"http://{said['host']}:{said['port']}"

    def call(self, times: int, base: str = "", more: str = "") -> None:
        request = urllib.request.Request(  # noqa: S310
            f"{base or self.where('proxy')}/openai/v1/chat/completions{more}",
            b'{"model": "gpt-4o", "messages": []}',
            {"Authorization": "Bearer k", "Content-Type": "application/json"},
        )
        for _ in range(times):
            with contextlib.suppress(urllib.error.HTTPError):
                urllib.request.urlopen(request, timeout=30).read()  # noqa: S310

    def health(self, base: str = "") -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"{base or self.where('proxy')}/health", timeout=30) as said:  # noqa: S310
                return said.status, json.loads(said.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def api(self, path: str) -> dict[str, Any]:
        token = load_token(Home(self.shell.home))
        request = urllib.request.Request(  # noqa: S310
            f"{self.where('server')}/api/v1/{path}", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=30) as said:  # noqa: S310
            return json.loads(said.read())

    def today(self) -> dict[str, Any]:
        return json.loads(self.shell.farebox("today", "--since", "all", "--json").stdout)


@pytest.fixture
def shell(tmp_path: Path, upstream: MockUpstream) -> Shell:
    providers = f"providers:\n  openai: {{upstream: '{upstream.url}'}}\n"
    return Shell(tmp_path, f"listen: 127.0.0.1:0\ndashboard: 127.0.0.1:0\n{providers}", home_is_made=False)


@contextlib.contextmanager
def running(shell: Shell) -> Iterator[Daemon]:
    daemon = Daemon(shell)
    try:
        yield daemon
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(daemon.pid, signal.SIGTERM)
        until(lambda: not Path(f"/proc/{daemon.pid}").exists() or is_zombie(daemon.pid), "the end")


def waiting(daemon: Daemon) -> int:
    return daemon.health()[1]["journal"]["waiting_records"]


def is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def until(what: Callable[[], Any], name: str) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (found := what()):
        assert time.monotonic() < deadline, f"it did not happen: {name}"
        time.sleep(0.05)
    return found


def test_a_ledger_that_stands_still_is_known_to_every_figure(shell: Shell) -> None:
    with running(shell) as daemon:
        daemon.call(2)
        until(lambda: daemon.today()["totals"]["calls"] == 2, "two calls")
        assert daemon.health()[0] == 200 and daemon.today()["totals"]["complete"]
        assert daemon.api("summary")["sums"]["complete"]
        ledger = written_pid(str(shell.home / "run"), "ledger")
        os.kill(ledger, signal.SIGSTOP)
        try:
            daemon.call(3)
            _, said = until(lambda: (found := daemon.health())[0] == 503 and found, "a degraded health")
            assert "stands still" in said["ledger"]["reason"]
            found = daemon.today()
            assert found["totals"]["calls"] == 2 and not found["totals"]["complete"]
            assert found["coverage"]["pending"]["calls"] == 3
            for command in ("status", "today", "by model"):
                assert "3 calls are in the journals" in shell.farebox(*command.split()).stdout
            assert "3 calls" in shell.farebox("verify", status=CANNOT_TELL).stdout
            summary = daemon.api("summary")
            assert not summary["sums"]["complete"] and not summary["now"]["today"]["complete"]
            assert summary["coverage"]["pending_calls"] == 3
            assert not daemon.api("breakdown?by=model")["total"]["complete"]
            assert daemon.api("series")["coverage"]["pending_calls"] == 3
            assert daemon.api("status")["ledger"]["state"] == "degraded"
        finally:
            os.kill(ledger, signal.SIGCONT)
        until(lambda: daemon.today()["totals"]["calls"] == 5, "every call")
        assert daemon.today()["totals"]["complete"] and daemon.health()[0] == 200


def test_health_tells_a_script_while_the_ledger_stands_still_and_that_a_restart_would_not_help(
    shell: Shell,
) -> None:
    with running(shell) as daemon:
        daemon.call(1)
        until(lambda: shell.farebox("health", status=None).returncode == 0, "both ready")
        ledger = written_pid(str(shell.home / "run"), "ledger")
        os.kill(ledger, signal.SIGSTOP)
        try:
            daemon.call(1)
            until(lambda: shell.farebox("health", status=None).returncode == 1, "not ready")
            said = until(
                lambda: (out := shell.farebox("health", status=1).stdout).count("ledger_behind") == 2 and out,
                "the reason, from both",
            )
            assert str(shell.home) not in said
            shell.farebox("health", "--live")
        finally:
            os.kill(ledger, signal.SIGCONT)
        until(lambda: shell.farebox("health", status=None).returncode == 0, "both ready again")
    shell.farebox("health", status=69)


def test_a_ledger_without_room_is_known_and_catches_up(shell: Shell) -> None:
    with small_disk(shell.home, "192m"), running(shell) as daemon:
        daemon.call(1)
        until(lambda: daemon.today()["totals"]["calls"] == 1, "the first call")
        hog = fill(shell.home)
        until(lambda: (daemon.call(20), daemon.health()[0] == 503)[1], "a degraded health")
        assert "disk is full" in daemon.health()[1]["ledger"]["reason"]
        found = daemon.today()
        assert not found["totals"]["complete"] and found["coverage"]["pending"]["calls"] > 0
        assert "disk is full" in shell.farebox("status").stdout
        hog.unlink()
        until(lambda: daemon.today()["totals"]["complete"], "everything applied")
        assert daemon.health()[0] == 200


def test_what_is_pending_at_the_end_is_told_by_stop(shell: Shell) -> None:
    with small_disk(shell.home, "192m"), running(shell) as daemon:
        daemon.call(1)
        until(lambda: daemon.today()["totals"]["calls"] == 1, "the first call")
        fill(shell.home)
        until(lambda: (daemon.call(20), daemon.health()[0] == 503)[1], "a degraded health")
        said = shell.farebox("stop")
        assert "are in the journals and not in the ledger" in said.stderr


def test_a_home_removed_while_it_runs_is_made_anew_and_what_is_gone_is_counted(shell: Shell) -> None:
    with running(shell) as daemon:
        base = daemon.where("proxy")
        daemon.call(3)
        until(lambda: daemon.today()["totals"]["calls"] == 3, "three calls")
        assert daemon.health()[0] == 200
        shutil.rmtree(shell.home)
        status, said = daemon.health(base)
        assert status == 503 and "removed" in said["journal"]["reason"]
        daemon.call(2, base)
        until(lambda: daemon.health(base)[0] == 200, "a journal again")
        found = until(lambda: (seen := daemon.today())["totals"]["calls"] == 2 and seen, "the two calls")
        assert not found["totals"]["complete"] and found["coverage"]["missing"]["gap_records"] >= 3


def test_calls_that_were_in_memory_only_are_told_by_stop_and_missing_for_ever(shell: Shell) -> None:
    with small_disk(shell.home, "6m"), running(shell) as daemon:
        daemon.call(1)
        until(lambda: daemon.today()["totals"]["calls"] == 1, "the first call")
        assert daemon.today()["totals"]["complete"]
        hog = fill(shell.home)
        long = "/a" * 3_000  # so that it does not take thousands of calls to fill a segment
        until(lambda: (daemon.call(50, more=long), waiting(daemon))[1], "records in memory")
        assert "in memory only" in shell.farebox("status").stdout
        assert not daemon.today()["totals"]["complete"]
        said = shell.farebox("stop")
        assert "could not be recorded" in said.stderr
        hog.unlink()
        for _ in range(2):
            found = daemon.today()
            assert not found["totals"]["complete"]
            assert found["coverage"]["missing"]["lost_exchanges"] > 0
            assert found["coverage"]["pending"]["calls"] == 0


def test_on_a_full_disk_every_process_starts_again_and_calls_pass(shell: Shell) -> None:
    with small_disk(shell.home, "192m"), running(shell) as daemon:
        base = daemon.where("proxy")
        daemon.call(1)
        until(lambda: daemon.today()["totals"]["calls"] == 1, "the first call")
        hog = fill(shell.home)
        for name in ("proxy", "ledger", "server"):
            before = written_pid(str(shell.home / "run"), name)
            os.kill(before, signal.SIGKILL)
            if name != "ledger":  # which has no room to open its file, and is tried again
                until(lambda: written_pid(str(shell.home / "run"), name) != before, f"another {name}")  # noqa: B023
        daemon.call(2, base)
        status, said = daemon.health(base)
        assert status == 503 and said["journal"]["state"] != "ok"
        assert daemon.api("summary")["sums"]["complete"] is False
        hog.unlink()
        shell.farebox("stop")
        found = daemon.today()
        assert not found["totals"]["complete"] and found["coverage"]["missing"]["lost_exchanges"] == 2


def test_damage_found_only_while_starting_ends_the_start_at_once(shell: Shell) -> None:
    shell.farebox("today")
    ledger = shell.home / "ledger.db"
    pages = bytearray(ledger.read_bytes())
    pages[40_960:] = b"\xff" * (len(pages) - 40_960)
    ledger.write_bytes(pages)
    said = shell.farebox("up", "--detach", status=DATA)
    assert "damaged" in said.stderr and "Traceback" not in said.stderr
    assert not (shell.home / "run" / "supervisor.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows another process's limits")
def test_no_process_writes_core_dumps(shell: Shell) -> None:
    with running(shell):
        for name in ("supervisor", "proxy", "ledger", "server"):
            pid = written_pid(str(shell.home / "run"), name)
            limits = Path(f"/proc/{pid}/limits").read_text()
            line = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
            assert line.split()[4:6] == ["0", "0"], name
