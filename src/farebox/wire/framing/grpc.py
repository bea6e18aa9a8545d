"""Cut a gRPC body into its messages: one byte of flags, four of length, then protobuf.

Sans-io and bounded; compressed messages are unpacked up to the same limit.
https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
_PREFIX_BYTES = 5
_TRAILERS = 0x80  # gRPC-Web sends its trailers as a message


class GrpcMessages:
    """Feed it bytes in any pieces; it hands every whole message to `take`."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._buffer = bytearray()
        self._due = _PREFIX_BYTES
        self._skip = 0
        self.problem: str | None = None

    @property
    def between_messages(self) -> bool:
        """Whether nothing is left of a message that has begun."""
        return not self._buffer and not self._skip

    def feed(self, data: bytes) -> None:
        """Take in more of the body."""
        if self._skip:
            passed = min(self._skip, len(data))
            self._skip -= passed
            data = data[passed:]
        if not data:
            return
        self._buffer += data
        if len(self._buffer) >= self._due:
            self._cut()

    def _cut(self) -> None:
        buffer = self._buffer
        position, end = 0, len(buffer)
        self._due = _PREFIX_BYTES
        while end - position >= _PREFIX_BYTES:
            flags = buffer[position]
            size = int.from_bytes(buffer[position + 1 : position + _PREFIX_BYTES], "big")
            start = position + _PREFIX_BYTES
            if size > MESSAGE_BYTES_MAX:
                self.problem = "message_too_large"
                self._skip = max(start + size - end, 0)
                position = min(start + size, end)
                continue
            if end - start < size:
                self._due = _PREFIX_BYTES + size
                break
            position = start + size
            if not flags & _TRAILERS:
                self._message(flags, bytes(buffer[start:position]))
        if position:
            del buffer[:position]

    def _message(self, flags: int, message: bytes) -> None:
        if flags & 1:
            unpacked = _unpacked(message)
            if unpacked is None:
                self.problem = "content_encoding_broken"
                return
            message = unpacked
        self._take(message)


def _unpacked(message: bytes) -> bytes | None:
    """Return a compressed message's bytes; None when they cannot be had within the limit."""
    engine = zlib.decompressobj(32 + zlib.MAX_WBITS)  # gzip or deflate: their first bytes tell which
    try:
        text = engine.decompress(message, MESSAGE_BYTES_MAX)
    except zlib.error:
        return None
    return text if engine.eof else None
