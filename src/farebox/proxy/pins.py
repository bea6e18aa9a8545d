"""Clients that trust nobody's certificate but the provider's: noticed, remembered, left alone.

Such a client is tunnelled from then on, so that it works and only its calls go unseen. One small
file for each host and client in `run/pinned/`: every proxy of this state directory sees them at
once, and `farebox doctor` names them with what to do instead.
"""

from __future__ import annotations

import contextlib
import time
from hashlib import sha256
from pathlib import Path

import msgspec

from farebox.home import replace_private

KEPT_SECONDS = 7 * 86_400
"""After so long one more try is made: clients get options for their trust as they get newer."""
SILENT_ENDS = 3
"""A client that closes without a word after our certificate may just have changed its mind; one
that does so this often in a row has not."""
_WATCHED_MAX = 1024
_FILES_MAX = 256


class Pin(msgspec.Struct, frozen=True):
    """One client that does not accept our certificate for one host."""

    host: str
    client: str
    """What it calls itself in `User-Agent`, empty where it says nothing."""
    reason: str
    """The TLS alert it sent, `closed` where it sent none."""
    at: int
    until: int
    commands: tuple[str, ...] = ()
    """Which programs they are, of those that say nothing; an empty one is a program nobody knows."""


class Pins:
    """What one proxy knows of them."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        """None where nothing may be written: then this proxy alone remembers."""
        self._held: dict[tuple[str, str], Pin] = {}
        self._silent: dict[tuple[str, str], int] = {}

    def find(self, host: str, client: str) -> Pin | None:
        """Return the pin in force for a client and `host`."""
        pin = self._held.get((host, client)) if self.folder is None else None
        if self.folder is not None:
            pin = _read(self.folder / _file_name(host, client))
        return pin if pin is not None and pin.until > time.time() else None

    def rejected(self, host: str, client: str, reason: str, command: str = "") -> None:
        """Remember that this client has said no to our certificate."""
        now = int(time.time())
        before = self.find(host, client)
        commands = {*before.commands, command} if before is not None else {command}
        if len(commands) > 1 and command:
            commands.discard("")  # what was not known then is known now
        pin = Pin(host, client, reason, now, now + KEPT_SECONDS, () if client else tuple(sorted(commands)))
        self._silent.pop((host, client), None)
        if len(self._held) < _WATCHED_MAX:
            self._held[host, client] = pin
        folder = self.folder
        if folder is None:
            return
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if sum(1 for _ in folder.iterdir()) < _FILES_MAX:
                replace_private(folder / _file_name(host, client), msgspec.json.encode(pin))

    def closed(self, host: str, client: str, command: str = "") -> None:
        """Count a connection that ended after our certificate and before a request."""
        count = self._silent.get((host, client), 0) + 1
        if count >= SILENT_ENDS:
            self.rejected(host, client, "closed", command)
        elif len(self._silent) < _WATCHED_MAX or count > 1:
            self._silent[host, client] = count

    def trusted(self, host: str, client: str) -> None:
        """Forget what was counted: this client has just sent a request."""
        self._silent.pop((host, client), None)


def read_pins(folder: Path) -> list[Pin]:
    """Return every pin in force, the latest first."""
    found = [pin for file in sorted(folder.glob("*.json")) if (pin := _read(file)) is not None]
    return sorted((pin for pin in found if pin.until > time.time()), key=lambda pin: -pin.at)


def forget_pins(folder: Path) -> int:
    """Remove every pin, so that each client is tried again; return how many there were."""
    files = list(folder.glob("*.json"))
    for file in files:
        file.unlink(missing_ok=True)
    return len(files)


def _file_name(host: str, client: str) -> str:
    return sha256(f"{host}\0{client}".encode()).hexdigest()[:24] + ".json"


def _read(file: Path) -> Pin | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Pin)
    except (OSError, msgspec.MsgspecError):
        return None
