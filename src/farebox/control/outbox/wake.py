"""Wake the delivery worker when the ledger process has enqueued something: a second is too long for news."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from farebox.wake_socket import Waker

if TYPE_CHECKING:
    from farebox.home import Home


def wake_path(home: Home) -> Path:
    """Return where the delivery worker of a home listens."""
    return home.run / "outbox.sock"


def wake(home: Home) -> None:
    """Wake it; nothing happens where none runs."""
    waker = Waker(wake_path(home))
    waker.wake()
    waker.close()
