"""Wake the ledger when something was stored, so that it need not look many times a second.

A datagram to a socket in `run/`: it is lost where nobody listens, and nothing depends on it. The ledger
also looks from time to time without being woken.
"""

from __future__ import annotations

import contextlib
import select
import socket
from pathlib import Path

_SOCKET = "ledger.sock"


def wake_path(journal: Path) -> Path:
    """Return where the ledger of a home listens, given the home's journal."""
    return journal.parent / "run" / _SOCKET


class Waker:
    """Tells the ledger of one home that there is something to read. Never blocks, never raises."""

    def __init__(self, journal: Path) -> None:
        self._path = str(wake_path(journal))
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


class Sleeper:
    """Waits until somebody wakes it."""

    def __init__(self, journal: Path) -> None:
        """Listen for the ledger of a home; only its one writer may."""
        self._path = wake_path(journal)
        self._own = Waker(journal)
        self._socket: socket.socket | None = None
        try:
            self._path.unlink(missing_ok=True)
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._socket.bind(str(self._path))
            self._path.chmod(0o600)
        except (OSError, AttributeError):  # too long a path, or no such sockets: looking has to do
            self.close()

    @property
    def is_listening(self) -> bool:
        """It can be woken."""
        return self._socket is not None

    def sleep(self, seconds: float) -> None:
        """Return when woken, or after so many seconds."""
        readable = select.poll()  # `select.select` takes no descriptor beyond 1023
        if self._socket is not None:
            readable.register(self._socket, select.POLLIN)
        if readable.poll(seconds * 1000) and self._socket is not None:
            with contextlib.suppress(OSError):
                while self._socket.recv(16):
                    pass

    def wake(self) -> None:
        """Wake it, also from a signal's handler."""
        self._own.wake()

    def close(self) -> None:
        """Stop listening."""
        self._own.close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            with contextlib.suppress(OSError):
                self._path.unlink()
