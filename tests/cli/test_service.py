"""`farebox service`: the files it writes are what the managers read, and it does only what is left to do."""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from farebox.cli.daemon.supervisor import DRAIN_SECONDS
from farebox.cli.service import service_manager
from farebox.cli.service.launchd import Launchd
from farebox.cli.service.service_manager import STOP_SECONDS, service
from farebox.cli.service.systemd import Systemd

FAREBOX = Path(sys.executable).with_name("farebox")
AWKWARD = '100% "mine" $HOME; \\x'


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's own directory."""
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "user").mkdir()
    return tmp_path / "user"


class Shell:
    """The command line of that user; with a manager, `systemctl` is the stand-in."""

    def __init__(self, user: Path, managed: bool) -> None:
        self.user, self.home = user, user / "state"
        self.unit = user / ".config" / "systemd" / "user" / "farebox.service"
        self.folder = user / "systemd"
        self.folder.mkdir()
        tools = user / "bin"
        tools.mkdir()
        if managed:
            stand_in = Path(__file__).with_name("fake_systemctl.py")
            (tools / "systemctl").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{stand_in}" "$@"\n')
            (tools / "systemctl").chmod(0o755)
        self.environment = {
            "HOME": str(user), "FAREBOX_HOME": str(self.home), "NO_COLOR": "1",
            "PATH": f"{tools}:/usr/bin:/bin" if managed else str(tools),
            "FAKE_SYSTEMD": str(self.folder), "FAKE_SYSTEMD_UNIT": str(self.unit),
        }  # fmt: skip
        self.home.mkdir(mode=0o700)
        (self.home / "farebox.yaml").write_text("listen: 127.0.0.1:0\ndashboard: 127.0.0.1:0\n")

    def farebox(self, *words: str, status: int = 0) -> str:
        done = subprocess.run(
            [FAREBOX, *words],
            cwd=self.user,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def calls(self) -> list[str]:
        """Return what was asked of the manager that changes something, and forget it."""
        log = self.folder / "calls"
        said = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line for line in said if line.split()[0] not in ("show", "show-environment")]


@pytest.fixture
def shell(user: Path) -> Iterator[Shell]:
    started = Shell(user, managed=True)
    yield started
    if (started.folder / "pid").exists():
        started.farebox("stop")


def test_the_unit_is_one_that_systemd_accepts(user: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    home = tmp_path / AWKWARD
    home.mkdir()
    unit = tmp_path / "farebox.service"
    unit.write_text(Systemd().text(service(home, tmp_path / "my config.yaml", {"TZ": "UTC"})))
    runtime = tmp_path / "r"  # sockets lie there, whose paths are short
    runtime.mkdir(mode=0o700)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(unit)],
        capture_output=True, text=True, env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_unit_waits_longer_than_a_stop_can_take_and_asks_the_supervisor_alone(
    user: Path, tmp_path: Path
) -> None:
    lines = Systemd().text(service(tmp_path, None, {})).splitlines()
    assert f"TimeoutStopSec={STOP_SECONDS}" in lines
    assert STOP_SECONDS > 2 * DRAIN_SECONDS  # the proxy, then the ledger and the dashboard
    assert {"KillMode=mixed", "Restart=on-failure", "OOMPolicy=continue", "WantedBy=default.target"} <= set(
        lines
    )


def test_the_unit_takes_no_view_of_its_own_which_would_hide_the_callers(user: Path, tmp_path: Path) -> None:
    text = Systemd().text(service(tmp_path, None, {}))
    for setting in (
        "PrivateUsers",
        "PrivateTmp",
        "PrivateDevices",
        "PrivateNetwork",
        "ProtectSystem",
        "ProtectHome",
        "ProtectProc",
    ):
        assert f"\n{setting}=" not in text


def test_the_agent_is_a_property_list_with_the_same_command(user: Path, tmp_path: Path) -> None:
    wanted = service(tmp_path / AWKWARD, None, {"TZ": "UTC", "OPENAI_API_KEY": "sk-secret"})
    text = Launchd().text(wanted)
    agent = plistlib.loads(text.encode())
    assert agent["ProgramArguments"] == wanted.arguments
    assert agent["EnvironmentVariables"] == {"FAREBOX_DETACHED": "1", "TZ": "UTC"}
    assert (agent["KeepAlive"], agent["ExitTimeOut"]) == ({"SuccessfulExit": False}, STOP_SECONDS)
    assert service_manager.MARKER in text
    if shutil.which("plutil"):
        subprocess.run(["plutil", "-lint", "-"], input=text.encode(), check=True)


def test_installing_starts_it_and_repeating_that_does_nothing(shell: Shell) -> None:
    said = shell.farebox("service", "install")
    assert shell.calls() == ["daemon-reload", "enable farebox.service", "start farebox.service"]
    assert "journalctl --user -u farebox" in said
    shell.farebox("health", "--live")
    assert "Nothing to do" in shell.farebox("service", "install")
    assert shell.calls() == []
    found = json.loads(shell.farebox("service", "status", "--json"))
    assert (found["schema"], found["installed"], found["enabled"], found["active"]) == (
        "farebox.service/1",
        True,
        True,
        True,
    )
    assert "?link=" not in (shell.folder / "log").read_text()


def test_a_unit_that_has_changed_is_written_and_started_anew(shell: Shell) -> None:
    shell.farebox("service", "install")
    shell.calls()
    config = shell.user / "other.yaml"
    config.write_text("listen: 127.0.0.1:0\ndashboard: 127.0.0.1:0\n")
    shell.farebox("service", "install", "--config", str(config))
    assert shell.calls() == ["daemon-reload", "enable farebox.service", "restart farebox.service"]
    assert f"--config {config}" in shell.unit.read_text()


def test_the_service_ends_with_zero_when_its_main_process_alone_is_asked_to(shell: Shell) -> None:
    shell.farebox("service", "install")
    supervisor = json.loads((shell.home / "run" / "supervisor.json").read_text())["pid"]
    assert supervisor == int((shell.folder / "pid").read_text())
    shell.farebox("service", "remove")
    assert shell.calls()[-2:] == ["disable --now farebox.service", "daemon-reload"]
    assert not shell.unit.exists()
    assert not list((shell.home / "run").glob("*.json"))
    shell.farebox("health", "--live", status=69)
    assert "Nothing to do" in shell.farebox("service", "remove")
    shell.farebox("service", "status", status=1)


def test_a_farebox_that_was_started_by_hand_is_left_alone(shell: Shell) -> None:
    shell.farebox("up", "--detach")
    said = shell.farebox("service", "install")
    assert shell.calls() == ["daemon-reload", "enable farebox.service"]
    assert " stop" in said and "systemctl --user start farebox.service" in said
    shell.farebox("stop")


def test_without_a_manager_the_file_is_written_and_what_to_type_is_said(user: Path) -> None:
    shell = Shell(user, managed=False)
    said = shell.farebox("service", "install")
    assert shell.unit.is_file()
    for line in ("daemon-reload", "enable farebox.service", "start farebox.service"):
        assert f"  systemctl --user {line}" in said
    found = json.loads(shell.farebox("service", "install", "--json"))
    assert len(found["type_this"]) == 3
    shell.farebox("service", "remove")
    assert not shell.unit.exists()


def test_help_says_what_each_command_does(capsys: pytest.CaptureFixture[str]) -> None:
    from farebox.cli.app import app

    app(["service", "--help"], exit_on_error=False, result_action="return_value")
    shown = capsys.readouterr().out
    for words in ("Have it start with your session", "take it out of the service manager", "1 means that it"):
        assert words in shown


def test_a_dry_run_prints_the_unit_and_writes_nothing(shell: Shell) -> None:
    said = shell.farebox("service", "install", "--dry-run")
    assert "[Service]" in said and "systemctl --user enable farebox.service" in said
    assert not shell.unit.exists()
    assert shell.calls() == []


def test_a_file_of_somebody_else_is_not_touched(shell: Shell) -> None:
    shell.unit.parent.mkdir(parents=True)
    shell.unit.write_text("[Service]\nExecStart=/bin/true\n")
    assert "not written by Farebox" in shell.farebox("service", "install", status=64)
    shell.farebox("service", "remove", status=64)
    assert shell.unit.read_text() == "[Service]\nExecStart=/bin/true\n"
    assert shell.calls() == []


def test_a_wrong_configuration_is_said_before_anything_is_written(shell: Shell) -> None:
    (shell.home / "farebox.yaml").write_text("listen: nowhere\n")
    shell.farebox("service", "install", status=78)
    assert not shell.unit.exists()


def test_a_configuration_of_the_working_directory_is_not_the_services(shell: Shell) -> None:
    (shell.user / "farebox.yaml").write_text("listen: 127.0.0.1:0\ndashboard: 127.0.0.1:0\n")
    said = shell.farebox("service", "install")
    assert f"the service does not read {shell.user / 'farebox.yaml'}" in said
