"""Ask the kernel about a connection, where the event loop does not watch it."""

from __future__ import annotations

import select
from typing import Any

LEFT: int = getattr(select, "POLLRDHUP", select.POLLHUP)
"""The other side sends no more."""
SPOKEN: int = select.POLLIN
"""The other side has sent something, or sends no more."""


def happened(transport: Any, event: int) -> bool:
    """Tell whether an event, an error or a reset has come; a closed connection counts. One system call."""
    descriptor: int = transport.get_extra_info("socket").fileno()
    if descriptor < 0:
        return True
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(0))
