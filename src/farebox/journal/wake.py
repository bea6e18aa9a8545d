"""Wake the ledger when something was stored, so that it need not look many times a second.

A datagram to a socket in `run/`: it is lost where nobody listens, and nothing depends on it. The ledger
also looks from time to time without being woken.
"""

from __future__ import annotations

import contextlib
import select
from pathlib import Path

from farebox import wake_socket

_SOCKET = "ledger.sock"


def wake_path(journal: Path) -> Path:
    """Return where the ledger of a home listens, given the home's journal."""
    return journal.parent / "run" / _SOCKET


class Waker(wake_socket.Waker):
    """Tells the ledger of one home that there is something to read. Never blocks, never raises."""

    def __init__(self, journal: Path) -> None:
        super().__init__(wake_path(journal))


class Sleeper:
    """Waits until somebody wakes it."""

    def __init__(self, journal: Path) -> None:
        """Listen for the ledger of a home; only its one writer may."""
        self._path = wake_path(journal)
        self._own = Waker(journal)
        self._socket = wake_socket.listening(self._path)

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
            wake_socket.drain(self._socket)

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
