"""A datagram socket in `run/` that wakes a process when there is something to do: it need not look often.

A datagram is lost where nobody listens, and nothing depends on it: whoever is woken also looks from time to
time without being woken.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path


class Waker:
    """Tells whoever listens at `path` that there is something to do. Never blocks, never raises."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._socket: socket.socket | None = None

    def wake(self) -> None:
        """Tell it now."""
        with contextlib.suppress(OSError, AttributeError):  # no such sockets on this system
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.setblocking(False)
            self._socket.sendto(b"\1", self._path)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def listening(path: Path) -> socket.socket | None:
    """Return a socket that is woken at `path`, in place of one that a dead process left there.

    None where there can be none: too long a path, or no such sockets. Looking has to do then.
    """
    opened: socket.socket | None = None
    try:
        path.unlink(missing_ok=True)
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        opened.setblocking(False)
        opened.bind(str(path))
        path.chmod(0o600)
    except (OSError, AttributeError):
        if opened is not None:
            opened.close()
        return None
    return opened


def drain(listener: socket.socket) -> None:
    """Take what has come: one look is enough for all of it."""
    with contextlib.suppress(OSError):
        while listener.recv(16):
            pass
