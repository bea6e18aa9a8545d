"""What connections received in one turn of the event loop, handled together.

Reading from a socket runs through the kernel's network code, which throws ours out of the
processor's caches: handled between two reads, an exchange takes twice the time that it takes after
another one. So while many are busy, connections only note what has come, and the loop works
through it when everything that was ready has been read. A few are served at once.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol
from weakref import WeakKeyDictionary

_LARGE = 16 * 1024
FULL_READ = 256_000
"""As much as uvloop reads at a time. While so much is there, libuv reads on, 32 times."""
_FEW = 1
_DIRECT = 10


class Receiver(Protocol):
    """A connection that takes its bytes later."""

    transport: Any
    reading_paused: bool
    """It does not want more for the time being."""

    def received(self, data: bytes) -> None: ...


class ReadBatch:
    """One event loop's."""

    __slots__ = ("_direct", "_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[tuple[Receiver, bytes]] = []
        self._direct = 0
        """How many may be served at once before we look again how many come together."""

    def add(self, receiver: Receiver, data: bytes) -> None:
        """Have `receiver.received(data)` called, in order, before the loop waits again."""
        waiting = self._waiting
        if not waiting:
            if self._direct:
                self._direct -= 1
                receiver.received(data)
                if len(data) >= FULL_READ:
                    self._stop(receiver)
                return
            self._loop.call_soon(self._turn)
        waiting.append((receiver, data))
        if len(data) > _LARGE:
            self.run()  # whoever cannot take more must say so before the next read
            if len(data) >= FULL_READ:
                self._stop(receiver)

    def _stop(self, receiver: Receiver) -> None:
        """Let the others have their turn: reading on would take eight megabytes, ten milliseconds."""
        if not receiver.reading_paused:
            receiver.transport.pause_reading()
            self._loop.call_soon(_go_on, receiver)

    def _turn(self) -> None:
        self._direct = _DIRECT if len(self._waiting) <= _FEW else 0
        self.run()

    def run(self) -> None:
        """Hand out everything that has come; also called when order matters, as before an end."""
        waiting, self._waiting = self._waiting, []
        for receiver, data in waiting:
            try:
                receiver.received(data)
            except Exception as error:
                # As the loop does when a protocol fails: the connection, and nothing else, is lost.
                self._loop.call_exception_handler(
                    {"message": "A connection could not handle what it received", "exception": error}
                )
                receiver.transport.abort()


def _go_on(receiver: Receiver) -> None:
    if not receiver.reading_paused and not receiver.transport.is_closing():
        receiver.transport.resume_reading()


_batches: WeakKeyDictionary[asyncio.AbstractEventLoop, ReadBatch] = WeakKeyDictionary()


def running_batch() -> ReadBatch:
    """Return the running loop's."""
    loop = asyncio.get_running_loop()
    batch = _batches.get(loop)
    if batch is None:
        batch = _batches[loop] = ReadBatch(loop)
    return batch
