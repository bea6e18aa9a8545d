"""Wait until a descriptor can be read, whatever its number: `select.select` takes none beyond 1023."""

from __future__ import annotations

import math
import select
from typing import Protocol


class HasDescriptor(Protocol):
    """What has a descriptor."""

    def fileno(self) -> int: ...


def is_readable(source: int | HasDescriptor, seconds: float | None = None) -> bool:
    """Return whether there is something to read, or an end, before so many seconds; None: wait for ever."""
    waiting = select.poll()
    waiting.register(source, select.POLLIN)
    return bool(waiting.poll(None if seconds is None else math.ceil(seconds * 1000)))
