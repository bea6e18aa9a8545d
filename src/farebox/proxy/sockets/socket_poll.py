"""Ask the kernel about a connection, where the event loop does not watch it."""

from __future__ import annotations

import contextlib
import fcntl
import select
import sys
import termios
from typing import Any

LEFT: int = getattr(select, "POLLRDHUP", select.POLLHUP)
"""The other side sends no more."""
SPOKEN: int = select.POLLIN
"""The other side has sent something, or sends no more."""


def happened(transport: Any, event: int) -> bool:
    """Tell whether an event, an error or a reset has come; a closed connection counts. One system call."""
    descriptor = _descriptor(transport)
    if descriptor < 0:
        return True
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(0))


def unsent(transport: Any) -> int:
    """Return how many bytes the other side has not taken, those in the kernel included."""
    waiting: int = transport.get_write_buffer_size()
    descriptor = _descriptor(transport)
    with contextlib.suppress(OSError, ValueError):
        waiting += int.from_bytes(fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    return waiting


def _descriptor(transport: Any) -> int:
    """Return a connection's descriptor, -1 where it is closed: TLS has no socket then."""
    connection = transport.get_extra_info("socket")
    return -1 if connection is None else connection.fileno()
