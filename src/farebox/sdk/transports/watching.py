"""What is metered: everything, or what was wrapped."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

everything = False
"""Whether `instrument()` is on."""

inside: ContextVar[bool] = ContextVar("farebox_inside", default=False)
"""Whether a wrapped client is at work in this context."""

_watched: WeakSet[Any] = WeakSet()


def watch(transport: object) -> None:
    """Have a transport metered, whatever else is."""
    _watched.add(transport)


def is_watched(transport: object) -> bool:
    """Tell whether what passes a transport is metered."""
    return everything or inside.get() or transport in _watched


def meter_everything(on: bool) -> None:
    """Turn on or off that every transport is metered."""
    global everything
    everything = on
