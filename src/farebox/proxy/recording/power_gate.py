"""Durability `power`: what a client may have only when the record before it survives a power cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from farebox.proxy.recording.recorder import Journal


class PowerGate:
    """One relay's or stream's. Closed, it holds bytes back until the last record it waits for is durable."""

    __slots__ = ("_held", "_journal", "_position", "_release")

    def __init__(self, journal: Journal, release: Callable[[bytes], None]) -> None:
        """`release` is called on the loop with what was held, perhaps nothing."""
        self._journal = journal
        self._release = release
        self._held: list[bytes] | None = None
        self._position = 0

    @property
    def closed(self) -> bool:
        return self._held is not None

    def close(self, position: int) -> None:
        """Hold what follows until the record at `position` is durable."""
        if self._held is None:
            self._held = []
        self._position = position
        wake = asyncio.get_running_loop().call_soon_threadsafe

        def durable() -> None:
            wake(self._open, position)

        self._journal.when_durable(position, durable)

    def hold(self, data: bytes) -> None:
        """Keep bytes back; the gate is closed."""
        if self._held is not None:
            self._held.append(data)

    def drop(self) -> None:
        """Forget what is held: nobody is to have it any more."""
        self._held = None

    def _open(self, position: int) -> None:
        held = self._held
        if held is None or position < self._position:
            return
        self._held = None
        self._release(b"".join(held))
