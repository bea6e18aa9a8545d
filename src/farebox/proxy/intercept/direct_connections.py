"""Connections to providers that go past the proxy: which program has them, seen in /proc while they last.

A program can look at no proxy variable, or be started without any. Where a provider is, is known only from
names that were resolved anyway, for calls that were metered, and from the configuration: asking for every
name would tell the network what nobody has called. Blocking: a thread of its own. Linux only.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from farebox.config import parse_address
from farebox.home import replace_private
from farebox.outbound import addresses
from farebox.proxy.caller import process_info
from farebox.proxy.caller.socket_owner import holders_of, in_table

if TYPE_CHECKING:
    import asyncio

    from farebox.proxy.upstream.connection import Origin

PAUSE_S = 0.5
"""Between two looks for a run, whose calls may be short."""
PAUSE_LONG_S = 5.0
"""Between two looks for a proxy of everybody's."""
_PAUSE_FACTOR = 20.0
"""Pause at least this many times as long as the last look took."""
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_OPEN = ("01", "08")
"""Established, and closed by the other side."""
_MAPPED = "0000000000000000FFFF0000"
"""What stands before an IPv4 address in the table for IPv6."""
_HTTPS = 443
_KEPT_S = 7 * 86_400
_KEPT_MAX = 512
_DEPTH_MAX = 64
_PROXY = b"farebox.proxy"

Place = tuple[str, int]
Tell = Callable[[str, str, str], None]
"""Host, command, reason: `direct`, or `direct_unknown` where the host is an address of nobody we know."""


class ProviderAddresses:
    """Where providers are, as far as that has been found out."""

    def __init__(
        self, file: Path | None, placed: Mapping[str, str], origins: Callable[[], Iterable[Origin]]
    ) -> None:
        """`placed`: what the configuration says, host to `address:port`; `file` keeps the rest for later."""
        self._file = file
        self._origins = origins
        self._placed: dict[Place, str] = {}
        for host, text in placed.items():
            found = parse_address(text)
            if found is not None:
                self._placed[found.host, found.port] = host
        self._kept: dict[str, tuple[str, int]] = {}
        """Address to host and when it was resolved, seconds since 1970; all on port 443."""
        with contextlib.suppress(OSError, msgspec.MsgspecError, ValueError, RecursionError):
            if file is not None:
                self._kept = msgspec.json.decode(file.read_bytes(), type=dict[str, tuple[str, int]])

    def current(self) -> dict[Place, str]:
        """Return the host of each address and port."""
        now = int(time.time())
        fresh = False
        found = dict(self._placed)
        for origin in list(self._origins()):
            for _, address in origin.resolved:
                found[address, origin.port] = origin.host
                public = addresses.refusal(address, origin.port, private_allowed=False, own_ports=frozenset())
                if origin.port == _HTTPS and public is None:
                    known = self._kept.get(address)
                    fresh = fresh or known is None or known[0] != origin.host or known[1] < now - 86_400
                    self._kept[address] = origin.host, now
        self._kept = {key: entry for key, entry in self._kept.items() if entry[1] > now - _KEPT_S}
        if fresh and self._file is not None and len(self._kept) <= _KEPT_MAX:
            with contextlib.suppress(OSError):
                replace_private(self._file, msgspec.json.encode(self._kept))
        return {**{(address, _HTTPS): host for address, (host, _) in self._kept.items()}, **found}


class DirectConnections:
    """One proxy's look-out for them."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        known: ProviderAddresses,
        tell: Tell,
        *,
        parent: int | None = None,
        recorded_in: Iterable[Path] = (),
    ) -> None:
        """`parent`: only what descends from this process counts; every process of this user's otherwise.

        `recorded_in`: where programs write down calls that they meter themselves.
        """
        self._recorded_in = tuple(f"{os.path.realpath(each)}/" for each in recorded_in)
        self._loop = loop
        self._known = known
        self._tell = tell
        self._parent = parent
        self._seen: set[int] = set()
        """Sockets that were looked at already, by inode."""
        self._closed = threading.Event()

    def start(self) -> None:
        if sys.platform == "linux":
            threading.Thread(target=self._run, name="direct-connections", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def _run(self) -> None:
        shortest = PAUSE_S if self._parent is not None else PAUSE_LONG_S
        pause = 0.0
        while not self._closed.wait(pause):
            started = time.monotonic()
            with contextlib.suppress(Exception):  # nobody's traffic hangs on it
                for found in self.look():
                    self._loop.call_soon_threadsafe(self._tell, *found)
            pause = max(shortest, (time.monotonic() - started) * _PAUSE_FACTOR)

    def look(self) -> list[tuple[str, str, str]]:
        """Return host, command and reason of connections that have not been seen before."""
        hosts = {_written(place): host for place, host in self._known.current().items()}
        found: dict[int, tuple[str, str]] = {}
        for remote, inode in _open_sockets():
            port = remote.rpartition(":")[2]
            host = hosts.get(remote.removeprefix(_MAPPED))
            if host is not None:
                found[inode] = host, "direct"
            elif self._parent is not None and port == f"{_HTTPS:04X}":
                address = _read(remote)
                if addresses.refusal(address, _HTTPS, private_allowed=False, own_ports=frozenset()) is None:
                    found[inode] = address, "direct_unknown"
        fresh = frozenset(found) - self._seen
        self._seen = set(found)
        told: list[tuple[str, str, str]] = []
        for inode, pid in holders_of(fresh).items() if fresh else ():
            if self._counts(pid) and not self._meters_itself(pid):
                with contextlib.suppress(OSError):
                    host, reason = found[inode]
                    told.append((host, process_info.command_of(pid), reason))
        return told

    def _counts(self, pid: int) -> bool:
        """Return whether a process's connections are somebody's calls, and not a proxy's."""
        try:
            if pid == os.getpid() or _PROXY in Path(f"/proc/{pid}/cmdline").read_bytes():
                return False
        except OSError:
            return False
        return self._parent is None or _descends(pid, self._parent)

    def _meters_itself(self, pid: int) -> bool:
        """Tell whether a process has a journal of the same state directory open: an SDK records its calls."""
        folder = f"/proc/{pid}/fd"
        with contextlib.suppress(OSError):
            for name in os.listdir(folder):  # noqa: PTH208
                with contextlib.suppress(OSError):
                    if os.readlink(f"{folder}/{name}").startswith(self._recorded_in):  # noqa: PTH115
                        return True
        return False


def _open_sockets() -> Iterator[tuple[str, int]]:
    """Yield the other end of each open connection, as the table writes it, and its inode."""
    for table in _TABLES:
        with contextlib.suppress(OSError), open(table, encoding="ascii") as lines:  # noqa: PTH123
            for line in lines:
                words = line.split(None, 10)
                if words[3] in _OPEN:
                    yield words[2], int(words[9])


def _written(place: Place) -> str:
    """Return address and port as the table writes them."""
    return f"{in_table(place[0])}:{place[1]:04X}"


def _read(remote: str) -> str:
    """Return the address that the table writes so."""
    digits = remote.partition(":")[0].removeprefix(_MAPPED)
    words = (digits[at : at + 8] for at in range(0, len(digits), 8))
    packed = b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def _descends(pid: int, ancestor: int) -> bool:
    for _ in range(_DEPTH_MAX):
        if pid == ancestor:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return False
        if pid <= 1:
            return False
    return False
