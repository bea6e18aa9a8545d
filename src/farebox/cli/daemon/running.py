"""Which processes of this state directory run, according to `run/*.json` and the system."""

from __future__ import annotations

import os

import msgspec

from farebox.config import Address
from farebox.home import Home

NAMES = ("supervisor", "proxy", "ledger", "server")


class Running(msgspec.Struct):
    """What a process writes about itself once it is ready."""

    pid: int
    host: str = ""
    port: int = 0
    secure: bool = False
    """Whether the port speaks TLS."""
    url: str = ""
    """What clients or a browser are pointed at."""
    tokens: bool = False
    """Whether each request needs a client token; the proxy's alone says so."""
    started_at: str = ""
    config: str | msgspec.UnsetType | None = msgspec.UNSET
    """The configuration file it read, None where it found none; the proxy's alone says so."""

    @property
    def address(self) -> Address | None:
        return Address(self.host, self.port) if self.port else None

    @property
    def base_url(self) -> str:
        """What clients or a browser are pointed at, empty for a process that does not listen."""
        return self.url or (f"http://{self.address}" if self.port else "")


def running(home: Home, name: str) -> Running | None:
    """Return the process called `name` if it is alive."""
    try:
        found = msgspec.json.decode((home.run / f"{name}.json").read_bytes(), type=Running)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return found if alive(found.pid) else None


def alive(pid: int) -> bool:
    """Return whether a process with this id exists and is ours to see."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
