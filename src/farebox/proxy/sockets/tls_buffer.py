"""Read what TLS decrypts into one buffer that every connection shares.

Otherwise uvloop makes a fresh 256 KB object for each read, whatever comes; with thousands of
connections that is most of their memory, and it is slower.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Generic, TypeVar

_SIZE = 256 * 1024
_buffer = memoryview(bytearray(_SIZE))
_settled = False
_M_MMAP_THRESHOLD = -3


_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)


class TlsBuffer(asyncio.BufferedProtocol, Generic[_Protocol]):
    """Stands between a TLS transport and the protocol that knows what the bytes mean."""

    __slots__ = ("protocol",)

    def __init__(self, protocol: _Protocol) -> None:
        self.protocol = protocol

    def get_buffer(self, sizehint: int) -> memoryview:
        return _buffer

    def buffer_updated(self, nbytes: int) -> None:
        # It is read and handed over in one step: nobody else has the buffer meanwhile.
        self.protocol.data_received(bytes(_buffer[:nbytes]))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.protocol.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.protocol.connection_lost(exc)

    def eof_received(self) -> bool | None:
        return self.protocol.eof_received()

    def pause_writing(self) -> None:
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        self.protocol.resume_writing()


def clear_buffer() -> None:
    """Overwrite what was read last."""
    _buffer[:] = bytes(_SIZE)


def settle_memory() -> None:
    """Let each TLS connection's own buffer have pages of its own, once, before the first one.

    uvloop gives it 256 KB and touches the first few. Taken from the heap it would lie where something
    larger has been, and keep all of those pages.
    """
    global _settled
    if _settled or not sys.platform.startswith("linux"):
        return
    _settled = True
    with contextlib.suppress(OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 128 * 1024)
