"""`farebox run` where nothing can be recorded, and with processes that outlive the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from answers import respond
from farebox_process import FAREBOX, Shell
from tools.upstream import MockUpstream

sys.path.insert(0, str(Path(__file__).parent.parent))

from farebox.cli.exits import UNWRITABLE
from mounts import fill, make_read_only, small_disk

CALL = """
import os, urllib.request
urllib.request.urlopen(urllib.request.Request(
    os.environ["OPENAI_BASE_URL"] + "/chat/completions", b'{"model": "gpt-4o", "messages": []}',
    {"Authorization": "Bearer k", "Content-Type": "application/json"}), timeout=30).read()
"""
LEFT_BEHIND = """
import os, sys, time
if os.fork():
    os._exit(7)
os.setsid()
if os.fork():
    os._exit(0)
for _ in range(6_000):  # two minutes: a test that fails leaves nothing behind
    if os.path.exists(sys.argv[1]):
        break
    time.sleep(0.02)
"""
ENDS_WITH = [sys.executable, "-c", "import sys; print('ran'); sys.exit(5)"]


@pytest.fixture(scope="module")
def upstream() -> Iterator[MockUpstream]:
    with MockUpstream(respond) as serving:
        yield serving


@pytest.fixture
def shell(tmp_path: Path, upstream: MockUpstream) -> Shell:
    providers = f"providers:\n  openai: {{upstream: '{upstream.url}'}}\n"
    return Shell(tmp_path, providers, home_is_made=False)


def check_runs_unmetered(shell: Shell, why: str) -> None:
    done = shell.farebox("run", "--", *ENDS_WITH, status=5)
    assert done.stdout == "ran\n"
    assert why in done.stderr.splitlines()[0] and "nothing of it is recorded" in done.stderr.splitlines()[0]
    assert "nothing of this run was recorded" in done.stderr.splitlines()[-1]
    done = shell.farebox("run", "--must-record", "--", *ENDS_WITH, status=UNWRITABLE)
    assert done.stdout == "" and why in done.stderr


def test_a_command_runs_where_the_home_is_a_file(shell: Shell) -> None:
    shell.home.write_text("mine")
    check_runs_unmetered(shell, "is a file")


def test_a_command_runs_where_the_home_is_read_only(shell: Shell) -> None:
    with small_disk(shell.home):
        shell.farebox("today")
        make_read_only(shell.home)
        check_runs_unmetered(shell, "ead-only")


def test_a_command_runs_where_the_disk_is_full(shell: Shell) -> None:
    with small_disk(shell.home):
        fill(shell.home)
        check_runs_unmetered(shell, "cannot be written")


def test_a_command_is_recorded_on_a_small_disk(shell: Shell) -> None:
    with small_disk(shell.home, "16m"):
        done = shell.farebox("run", "--must-record", "--", sys.executable, "-c", CALL)
        assert "1 call" in done.stderr


def test_a_damaged_ledger_does_not_keep_a_command_from_running_and_being_recorded(shell: Shell) -> None:
    shell.farebox("today")
    (shell.home / "ledger.db").write_bytes(b"garbage" * 1000)
    done = shell.farebox("run", "--", sys.executable, "-c", CALL)
    assert "the calls are recorded; the sum cannot be shown" in done.stderr and "damaged" in done.stderr
    for file in shell.home.glob("ledger.db*"):
        file.unlink()
    assert len(shell.rows()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who outlives a command")
class TestOutliving:
    def start(self, shell: Shell, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                FAREBOX,
                "run",
                *options,
                "--",
                sys.executable,
                "-c",
                LEFT_BEHIND + CALL,
                str(shell.folder / "go"),
            ],
            cwd=shell.folder,
            env=shell.environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def told(self, run: subprocess.Popen[str]) -> str:
        assert run.stderr is not None
        while "left running" not in (line := run.stderr.readline()):
            assert line, "it was not said"
        return line

    def test_what_outlives_the_command_is_said_at_once_and_served_until_it_ends(self, shell: Shell) -> None:
        with self.start(shell) as run:
            assert "until they end" in self.told(run)
            (shell.folder / "go").touch()
            assert run.wait(60) == 7
            assert run.stderr is not None and "1 call" in run.stderr.read()
        assert len(shell.rows()) == 1

    @pytest.mark.parametrize(("seconds", "words"), [("0", "their calls fail"), ("0.3", "for 0.3 s")])
    def test_the_user_sets_for_how_long(self, shell: Shell, seconds: str, words: str) -> None:
        with self.start(shell, "--linger", seconds) as run:
            assert words in self.told(run)
            assert run.wait(60) == 7
            (shell.folder / "go").touch()

    def test_ctrl_c_ends_the_serving_and_not_the_receipt(self, shell: Shell) -> None:
        with self.start(shell) as run:
            self.told(run)
            os.kill(run.pid, signal.SIGINT)
            assert run.wait(60) == 7
            (shell.folder / "go").touch()  # it holds our standard error open
            assert run.stderr is not None and "no calls seen" in run.stderr.read()
