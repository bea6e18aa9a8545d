"""Clients that trust nobody's certificate but the provider's: noticed, remembered, left alone.

Such a client is tunnelled for a while, so that it works and only its calls go unseen. What is pinned is
a process of the owner's and the program that it runs, for one host and one `User-Agent`: whoever else
calls himself the same stays metered, and what other users' processes do counts for nothing. One small
file for each pin in `run/pinned/`: every proxy of this state directory sees them at once, and
`farebox doctor` names them with what to do instead.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import OrderedDict
from hashlib import sha256
from pathlib import Path

import msgspec

from farebox.home import replace_private
from farebox.proxy.caller.socket_owner import ClientProcess

KEPT_SECONDS = 50 * 60
"""After so long one more try is made: clients get options for their trust, and scripts are repaired."""
IN_A_ROW = 3
"""How often a client that has accepted our certificate before must reject it, and how often one must
close without a word: either may have had a reason of its own once."""
_WATCHED_MAX = 1024
_FILES_MAX = 256
_ACCEPTED = ".accepted"

_Key = tuple[str, str, str]
"""Host, `User-Agent`, and a process or a program."""


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """One client that does not accept our certificate for one host."""

    host: str
    client: str
    """What it calls itself in `User-Agent`, empty where it says nothing."""
    command: str = ""
    """Program and script, as people know them."""
    process: str = ""
    """The one process that is meant; empty where every process of the program is."""
    program: str = ""
    reason: str
    """The TLS alert it sent, `closed` where it sent none."""
    at: int
    until: int


class PinningClients:
    """What one proxy knows of them."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        """None where nothing may be written: then this proxy alone remembers."""
        self._held: dict[_Key, Pin] = {}
        self._failures: OrderedDict[_Key, int] = OrderedDict()
        self._accepted: OrderedDict[_Key, None] = OrderedDict()

    def any(self, host: str, client: str) -> bool:
        """Return whether some client of this name may be pinned for `host`: who it is matters then."""
        if self.folder is None:
            return any(key[:2] == (host, client) for key in self._held)
        start = _start(host, client)
        with contextlib.suppress(OSError):
            names = os.listdir(self.folder)  # noqa: PTH208  # at each CONNECT
            return any(name.startswith(start) and name.endswith(".json") for name in names)
        return False

    def find(self, host: str, client: str, process: ClientProcess) -> Pin | None:
        """Return the pin in force for a client and `host`."""
        for which in process.identities:
            key = host, client, which
            pin = self._held.get(key) if self.folder is None else _read(self.folder / _file_name(key))
            if pin is not None and pin.until > time.time():
                return pin
        return None

    def rejected(self, host: str, client: str, process: ClientProcess, reason: str) -> None:
        """Take in that this client has said no to our certificate."""
        for which in process.identities:
            key = host, client, which
            self._failed(key, process, reason, IN_A_ROW if self._has_accepted(key) else 1)

    def closed(self, host: str, client: str, process: ClientProcess) -> None:
        """Take in a connection that ended after our certificate and before a request."""
        for which in process.identities:
            self._failed((host, client, which), process, "closed", IN_A_ROW)

    def trusted(self, host: str, client: str, process: ClientProcess) -> None:
        """Take in that this client has sent a request: it has accepted our certificate."""
        for which in process.identities:
            key = host, client, which
            self._failures.pop(key, None)
            if key in self._accepted:
                continue
            _remember(self._accepted, key, None)
            if which == process.program and self.folder is not None:
                with contextlib.suppress(OSError):
                    self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                    _make_room(self.folder, _ACCEPTED)
                    (self.folder / (_file_name(key) + _ACCEPTED)).touch(mode=0o600)

    def _has_accepted(self, key: _Key) -> bool:
        if key in self._accepted:
            return True
        return self.folder is not None and (self.folder / (_file_name(key) + _ACCEPTED)).exists()

    def _failed(self, key: _Key, process: ClientProcess, reason: str, enough: int) -> None:
        count = self._failures.get(key, 0) + 1
        if count < enough:
            _remember(self._failures, key, count)
            return
        self._failures.pop(key, None)
        now = int(time.time())
        host, client, which = key
        pin = Pin(
            host=host,
            client=client,
            command=process.command,
            process=which if which == process.process else "",
            program=process.program,
            reason=reason,
            at=now,
            until=now + KEPT_SECONDS,
        )
        if self.folder is None:
            if len(self._held) < _WATCHED_MAX:
                self._held[key] = pin
            return
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_room(self.folder, ".json")
            replace_private(self.folder / _file_name(key), msgspec.json.encode(pin))


def read_pins(folder: Path) -> list[Pin]:
    """Return every pin in force, the latest first."""
    found = [pin for file in sorted(folder.glob("*.json")) if (pin := _read(file)) is not None]
    return sorted((pin for pin in found if pin.until > time.time()), key=lambda pin: -pin.at)


def forget_pins(folder: Path) -> int:
    """Remove every pin, and who has accepted what; return how many pins there were."""
    files = list(folder.glob("*.json"))
    for file in (*files, *folder.glob(f"*{_ACCEPTED}")):
        file.unlink(missing_ok=True)
    return len(files)


def _remember(among: OrderedDict[_Key, int] | OrderedDict[_Key, None], key: _Key, value: int | None) -> None:
    if key not in among and len(among) >= _WATCHED_MAX:
        among.popitem(last=False)
    among[key] = value  # pyright: ignore[reportArgumentType]  # of its own kind


def _make_room(folder: Path, suffix: str) -> None:
    """Remove the oldest files of a kind, so that one more fits."""
    files = [entry for entry in os.scandir(folder) if entry.name.endswith(suffix)]
    if len(files) >= _FILES_MAX:
        oldest = sorted(files, key=lambda entry: entry.stat().st_mtime)
        for entry in oldest[: len(files) - _FILES_MAX + 1]:
            Path(entry.path).unlink(missing_ok=True)


def _start(host: str, client: str) -> str:
    return sha256(f"{host}\0{client}".encode()).hexdigest()[:16] + "-"


def _file_name(key: _Key) -> str:
    host, client, which = key
    return _start(host, client) + sha256(which.encode("utf-8", "replace")).hexdigest()[:24] + ".json"


def _read(file: Path) -> Pin | None:
    try:
        pin = msgspec.json.decode(file.read_bytes(), type=Pin)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return pin if pin.process or pin.program else None  # one of a version that knew no processes
