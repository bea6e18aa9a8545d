"""What is kept of an exchange while it passes, in case its usage never comes.

Only the beginnings of the request and of the answer, a bounded amount, in memory. At the end of an
exchange without usage they are handed to whoever estimates; of every other exchange they are dropped.
"""

from __future__ import annotations

from typing import Any

import msgspec

SAMPLE_BYTES = 32 << 10
"""What is kept of each side: 120 events of a chat stream, or a prompt of 8,000 tokens."""


class Side(msgspec.Struct, array_like=True):
    """One side of an exchange: how it begins, and how long it was."""

    beginning: bytes = b""
    total_bytes: int = 0


class Unmeasured(msgspec.Struct, array_like=True, kw_only=True):
    """An exchange whose usage has to be estimated. It goes through a pipe, never to a disk."""

    event_id: bytes
    source: str
    model: str | None
    lacks: tuple[str, ...]
    request: Side
    response: Side | None
    """None where it could not be decoded."""


class Sample:
    """The beginning of the response as it passes, decoded."""

    __slots__ = ("_kept", "_size", "total")

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._size = 0
        self.total = 0

    def add(self, data: bytes) -> None:
        """Take in what comes next."""
        self.total += len(data)
        room = SAMPLE_BYTES - self._size
        if room > 0:
            self._kept.append(data if len(data) <= room else data[:room])
            self._size += min(len(data), room)

    def side(self) -> Side:
        """Return what was kept."""
        return Side(b"".join(self._kept), self.total)


def beginning(data: Any) -> bytes:
    """Return as much of a request as is kept."""
    if not isinstance(data, bytes):
        return b""
    return data if len(data) <= SAMPLE_BYTES else data[:SAMPLE_BYTES]


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Unmeasured).decode
