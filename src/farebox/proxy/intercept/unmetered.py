"""Connections to providers' hosts that were not metered since the proxy started: by whom, and why.

Tunnelled ones and, as far as they can be seen, those that went past the proxy. Of other hosts' tunnels
nothing is known here, and of these only that they were opened.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from farebox.proxy.caller.connection_caller import ConnectionCaller

LISTED_MAX = 32

_Key = tuple[str, str, str, str]


class Unmetered(msgspec.Struct):
    """Connections of one client to one host that nobody looked into."""

    host: str
    client: str
    """What it calls itself in `User-Agent`, empty where it says nothing."""
    command: str
    """Program and script, empty where that is not known."""
    reason: str
    """`pinned:` and the TLS alert (or `closed`), `no_authority`, `not_covered`, `excepted`,
    `no_certificate`, `direct` or, where the host is an address of nobody known, `direct_unknown`."""
    connections: int = 0
    last_at: int = 0
    """Seconds since 1970."""
    retry_at: int = 0
    """When interception is tried again, 0 where that takes somebody to change something."""


class UnmeteredHosts:
    """One proxy's list of them."""

    def __init__(self) -> None:
        self._found: OrderedDict[_Key, Unmetered] = OrderedDict()
        self.changes = 0
        """Grows with each change of the list."""

    def add(self, host: str, client: str, reason: str, caller: ConnectionCaller, retry_at: int = 0) -> None:
        """Count a connection. Which program opened it may be known only later."""
        self._count((host, client, "", reason), 1, retry_at)

        def name() -> None:
            if caller.process is not None and caller.process.command:
                self._count((host, client, "", reason), -1, retry_at)
                self._count((host, client, caller.process.command, reason), 1, retry_at)

        caller.when_known(name)

    def add_direct(self, host: str, command: str, reason: str) -> None:
        """Count a connection that went past the proxy."""
        self._count((host, "", command, reason), 1, 0)

    def listed(self) -> list[Unmetered]:
        """Return what was counted, the latest first."""
        return list(reversed(self._found.values()))

    def _count(self, key: _Key, number: int, retry_at: int) -> None:
        self.changes += 1
        found = self._found.get(key)
        if found is None:
            if number < 0:
                return
            if len(self._found) >= LISTED_MAX:
                self._found.popitem(last=False)
            found = self._found[key] = Unmetered(*key)
        found.connections += number
        found.last_at, found.retry_at = int(time.time()), retry_at
        if found.connections:
            self._found.move_to_end(key)
        else:
            del self._found[key]
