"""A unit of the user's own systemd.

Hardening stops where it would cost metering something. Everything that gives the process a view of its own
(`PrivateTmp`, `ProtectSystem` …) puts a user's service into a user namespace, from which the kernel does not
let it see which program a connection belongs to.
"""

from __future__ import annotations

import os
from pathlib import Path

from farebox.cli.service.service_manager import MARKER, STOP_SECONDS, Service, State, said_by

NAME = "farebox.service"
_CONTROL = ["systemctl", "--user"]

_UNIT = """\
# {marker}, which overwrites it.
# Changes of your own: systemctl --user edit farebox
[Unit]
Description=Farebox: meters LLM calls

[Service]
Type=exec
ExecStart={start}
ExecReload={reload}
WorkingDirectory={home}
{environment}
Restart=on-failure
RestartSec=5
# Usage, damaged data, an unwritable or locked state directory, configuration: a restart would not help.
RestartPreventExitStatus=64 65 73 75 77 78
# One child without memory is started again by the supervisor, which the others survive.
OOMPolicy=continue

# The supervisor stops its children in order: proxy first, then ledger and dashboard.
KillMode=mixed
KillSignal=SIGTERM
TimeoutStopSec={stop_seconds}

UMask=0077
LimitCORE=0
NoNewPrivileges=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""


class Systemd:
    """The user manager of the user who asks."""

    name = "systemd"
    logs = "journalctl --user -u farebox"

    def __init__(self) -> None:
        # The specification ignores a relative path.
        configured = Path(os.environ.get("XDG_CONFIG_HOME", ""))
        base = configured if configured.is_absolute() else Path.home() / ".config"
        self.path = base / "systemd" / "user" / NAME

    def text(self, service: Service) -> str:
        """Return the unit."""
        return _UNIT.format(
            marker=MARKER,
            start=_command(service.arguments),
            reload=_command(service.reload),
            home=_specifiers(str(service.home)),
            environment="\n".join(
                f"Environment={_quoted(f'{name}={value}')}" for name, value in service.environment.items()
            ),
            stop_seconds=STOP_SECONDS,
        )

    def responds(self) -> bool:
        """Tell whether there is a manager to talk to: in a container or over `su` there is none."""
        return said_by([*_CONTROL, "show-environment"])[0] == 0

    def state(self) -> State:
        wanted = "--property=ActiveState,UnitFileState,MainPID"
        status, said = said_by([*_CONTROL, "show", NAME, wanted])
        if status:
            return State()
        found = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        pid = int(found.get("MainPID", "0") or 0)
        return State(
            enabled=found.get("UnitFileState") == "enabled",
            active=found.get("ActiveState") in ("active", "activating", "reloading"),
            pid=pid or None,
        )

    def starting(self, *, loaded: bool) -> list[list[str]]:
        """Return the commands that load the unit, have it start by itself, and start it now."""
        verb = "restart" if loaded else "start"
        return [
            [*_CONTROL, "daemon-reload"],
            [*_CONTROL, "enable", NAME],
            [*_CONTROL, verb, NAME],
        ]

    def stopping(self) -> list[list[str]]:
        return [[*_CONTROL, "disable", "--now", NAME]]

    def after_removal(self) -> list[list[str]]:
        return [[*_CONTROL, "daemon-reload"]]

    def advice(self) -> str | None:
        """Say how it is kept running while its user is not logged in, unless it is already."""
        user = os.environ.get("USER") or str(os.getuid())
        if Path("/var/lib/systemd/linger", user).exists():
            return None
        return (
            "it runs while you are logged in; to keep it from boot to shutdown, type: loginctl enable-linger"
        )


def _command(arguments: list[str]) -> str:
    # A dollar would be a variable; only in command lines.
    return " ".join(_quoted(argument).replace("$", "$$") for argument in arguments)


def _quoted(text: str) -> str:
    """Return `text` as one word: systemd.syntax(7), "Quoting"."""
    escaped = _specifiers(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    plain = escaped == text and text and not any(character in " \t';" for character in text)
    return text if plain else f'"{escaped}"'


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")
