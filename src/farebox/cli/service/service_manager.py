"""What `farebox service` needs of a service manager, and which one is here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

MARKER = "Written by `farebox service install`"
"""In every file of ours: one without it is somebody else's."""
STOP_SECONDS = 80
"""More than the supervisor takes in the worst case: proxy, then ledger and dashboard, 35 s each."""
_CARRIED = ("SSL_CERT_FILE", "SSL_CERT_DIR", "TZ")
"""What decides the proxy's work in a shell and would not be set in a service."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be kept running."""

    arguments: list[str]
    """The command of `farebox up`, by absolute paths."""
    reload: list[str]
    """The command that puts a fresh proxy in place."""
    home: Path
    environment: dict[str, str]


class State(msgspec.Struct, kw_only=True):
    """What the manager says of the service."""

    enabled: bool = False
    """It starts by itself."""
    active: bool = False
    pid: int | None = None


class ServiceManager(Protocol):
    """systemd's or launchd's side, for the user who asks."""

    name: str
    path: Path
    """The file that describes the service."""
    logs: str
    """What to type to see what it says."""

    def text(self, service: Service) -> str: ...
    def responds(self) -> bool: ...
    def state(self) -> State: ...
    def starting(self, *, loaded: bool) -> list[list[str]]: ...
    def stopping(self) -> list[list[str]]: ...
    def after_removal(self) -> list[list[str]]: ...
    def advice(self) -> str | None: ...


def manager_here(platform: str = sys.platform) -> ServiceManager | None:
    """Return the service manager of this system, None where there is none that is known."""
    if platform == "linux":
        from farebox.cli.service.systemd import Systemd

        return Systemd()
    if platform == "darwin":
        from farebox.cli.service.launchd import Launchd

        return Launchd()
    return None


def service(home: Path, config: Path | None, environment: Mapping[str, str] = os.environ) -> Service:
    """Return the service that runs this very installation for `home`."""
    place = ["--home", str(home), *(["--config", str(config.absolute())] if config is not None else [])]
    own = [sys.executable, "-P", "-m", "farebox.cli"]
    carried = {name: environment[name] for name in _CARRIED if environment.get(name)}
    return Service(
        arguments=[*own, "up", *place],
        reload=[*own, "restart", "--home", str(home)],
        home=home,
        # It keeps the one-time link out of the log, and a hang-up means a hand-over.
        environment={"FAREBOX_DETACHED": "1", **carried},
    )


def said_by(command: list[str]) -> tuple[int, str]:
    """Run a command of the manager; return its status (127 where there is none) and what it said."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, str(error)
    return done.returncode, done.stdout.decode("utf-8", "replace").strip()
