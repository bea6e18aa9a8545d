"""Wait for new rows of the ledger: it is asked four times a second while somebody listens, or not at all."""

from __future__ import annotations

import asyncio
import time

from farebox.errors import FareboxError
from farebox.server.api.queries import Ledger

POLL_S = 0.25


class Pulse:
    """One poll of the ledger's last sequence number for all listeners."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._listeners = 0
        self.last_seq = -1
        self.closing = False

    async def __aenter__(self) -> Pulse:
        self._listeners += 1
        if self._task is None:
            self._task = asyncio.create_task(self._poll())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listeners -= 1
        if self._listeners == 0 and self._task is not None:
            self._task.cancel()
            self._task = None

    async def beyond(self, seq: int, timeout_s: float) -> bool:
        """Wait until the ledger has rows after `seq`; False when the time is up first."""
        end = time.monotonic() + timeout_s
        while not self.closing and self.last_seq <= seq:
            left = end - time.monotonic()
            if left <= 0:
                return False
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                return False
        return not self.closing

    def close(self) -> None:
        """End every stream, so that a shutdown does not wait for browsers."""
        self.closing = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _poll(self) -> None:
        while True:
            try:
                seq = await self._ledger.read(lambda reader: reader.last_seq())
            except FareboxError:
                seq = self.last_seq  # being migrated or repaired; the status route says so
            if seq != self.last_seq:
                self.last_seq = seq
                self._wake()
            await asyncio.sleep(POLL_S)
