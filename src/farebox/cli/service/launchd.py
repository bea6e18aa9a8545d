"""A launch agent of the user's own launchd."""

from __future__ import annotations

import os
import plistlib
from pathlib import Path

from farebox.cli.service.service_manager import MARKER, STOP_SECONDS, Service, State, said_by

LABEL = "farebox"


class Launchd:
    """The session of the user who asks."""

    name = "launchd"

    def __init__(self) -> None:
        self.path = Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"
        self.log = Path.home() / "Library" / "Logs" / "farebox.log"
        self.logs = f"tail -f {self.log}"
        self._session = f"gui/{os.getuid()}"

    def text(self, service: Service) -> str:
        """Return the property list, see launchd.plist(5)."""
        agent = {
            "Label": LABEL,
            "ProgramArguments": service.arguments,
            "WorkingDirectory": str(service.home),
            "EnvironmentVariables": service.environment,
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 10,
            "ExitTimeOut": STOP_SECONDS,
            # A program of the background is slowed down, and the calls that pass it with it.
            "ProcessType": "Interactive",
            "Umask": 0o077,
            "HardResourceLimits": {"Core": 0},
            "StandardOutPath": str(self.log),
            "StandardErrorPath": str(self.log),
        }
        head, _, rest = plistlib.dumps(agent, sort_keys=False).decode().partition("<plist")
        return f"{head}<!-- {MARKER}, which overwrites it. -->\n<plist{rest}"

    def responds(self) -> bool:
        """Tell whether the user has a session to put the agent into: over ssh alone there is none."""
        return said_by(["launchctl", "print", self._session])[0] == 0

    def state(self) -> State:
        status, said = said_by(["launchctl", "print", f"{self._session}/{LABEL}"])
        if status:
            return State()
        found = dict(line.strip().split(" = ", 1) for line in said.splitlines() if " = " in line)
        pid = found.get("pid", "")
        return State(enabled=True, active=pid.isdigit(), pid=int(pid) if pid.isdigit() else None)

    def starting(self, *, loaded: bool) -> list[list[str]]:
        """Return the commands that put the agent into the session; a loaded one is taken out first."""
        load = ["launchctl", "bootstrap", self._session, str(self.path)]
        return [*(self.stopping() if loaded else []), load]

    def stopping(self) -> list[list[str]]:
        return [["launchctl", "bootout", f"{self._session}/{LABEL}"]]

    def after_removal(self) -> list[list[str]]:
        return []

    def advice(self) -> str | None:
        return "it runs while you are logged in"
