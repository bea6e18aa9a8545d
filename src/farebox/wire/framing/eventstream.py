"""Cut an AWS event stream into its messages: length-prefixed, binary, two checksums each.

Sans-io and bounded: a message larger than `MESSAGE_BYTES_MAX` is passed over, a wrong checksum ends
the reading for good. https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from struct import Struct

MESSAGE_BYTES_MAX = 24 * 1024 * 1024
"""No service of AWS sends longer ones."""
_MESSAGE_BYTES_EVER = 64 * 1024 * 1024
"""A length beyond this is no length."""
_HEAD = Struct(">III")
_OVERHEAD = 16  # three numbers before the headers, one behind the payload
_HEADERS_REMEMBERED = 64
# Sizes of header values by type; strings and byte arrays carry their own.
_VALUE_BYTES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_SIZED = (6, 7)
_STRING = 7

Take = Callable[[str, str, bytes], None]
"""Called with `event`, `exception` or `error`; the event's or exception's name; the payload."""


class EventStream:
    """Feed it bytes in any pieces; it hands every whole message to `take`."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._buffer = bytearray()
        self._due = _HEAD.size
        self._skip = 0
        self._headers: dict[bytes, tuple[str, str]] = {}
        self.problem: str | None = None
        """`event_stream_corrupt`: nothing more is read. `event_too_large`: a message was passed over."""

    @property
    def between_messages(self) -> bool:
        """Whether nothing is left of a message that has begun."""
        return not self._buffer and not self._skip

    def feed(self, data: bytes) -> None:
        """Take in more of the stream."""
        if self._skip:
            passed = min(self._skip, len(data))
            self._skip -= passed
            data = data[passed:]
        if not data or self.problem == "event_stream_corrupt":
            return
        self._buffer += data
        if len(self._buffer) >= self._due:
            self._cut()

    def _cut(self) -> None:
        """Hand on the whole messages at the start of the buffer."""
        buffer = self._buffer
        view = memoryview(buffer)
        position, end = 0, len(buffer)
        self._due = _HEAD.size
        try:
            while end - position >= _HEAD.size:
                size, headers_size, checksum = _HEAD.unpack_from(view, position)
                if (
                    checksum != zlib.crc32(view[position : position + 8])
                    or size > _MESSAGE_BYTES_EVER
                    or size < _OVERHEAD + headers_size
                ):
                    self.problem = "event_stream_corrupt"
                    break
                if size > MESSAGE_BYTES_MAX:
                    self.problem = "event_too_large"
                    self._skip = max(size - (end - position), 0)
                    position = min(position + size, end)
                    continue
                if end - position < size:
                    self._due = size
                    break
                if not self._message(view[position : position + size], headers_size):
                    self.problem = "event_stream_corrupt"
                    break
                position += size
        finally:
            view.release()
            if self.problem == "event_stream_corrupt":
                buffer.clear()
            elif position:
                del buffer[:position]

    def _message(self, message: memoryview, headers_size: int) -> bool:
        """Hand one message on; return whether its bytes are what was sent."""
        if zlib.crc32(message[:-4]) != int.from_bytes(message[-4:], "big"):
            return False
        start = _HEAD.size + headers_size
        headers = bytes(message[_HEAD.size : start])
        named = self._headers.get(headers)
        if named is None:
            named = _named(headers)
            if named is None:
                return False
            if len(self._headers) < _HEADERS_REMEMBERED:
                self._headers[headers] = named
        self._take(*named, bytes(message[start:-4]))
        return True


def is_event_stream(start: bytes) -> bool:
    """Return whether the first twelve bytes are an event stream's: their checksum says so."""
    return len(start) >= _HEAD.size and zlib.crc32(start[:8]) == int.from_bytes(start[8:12], "big")


def _named(headers: bytes) -> tuple[str, str] | None:
    """Return message type and event name; None when the headers are not well formed."""
    texts = _texts(headers)
    if texts is None:
        return None
    kind = texts.get(":message-type", "event")
    if kind == "event":
        return kind, texts.get(":event-type", "")
    if kind == "exception":
        return kind, texts.get(":exception-type", "exception")
    return kind, texts.get(":error-code", "error")


def _texts(headers: bytes) -> dict[str, str] | None:
    """Return the headers that hold text."""
    texts: dict[str, str] = {}
    position, end = 0, len(headers)
    while position < end:
        name_end = position + 1 + headers[position]
        if name_end >= end:
            return None
        name = headers[position + 1 : name_end]
        kind = headers[name_end]
        position = name_end + 1
        if kind in _SIZED:
            value_start = position + 2
            position = value_start + int.from_bytes(headers[position:value_start], "big")
            if position > end or value_start > end:
                return None
            if kind == _STRING:
                value = headers[value_start:position]
                texts[name.decode("utf-8", "replace")] = value.decode("utf-8", "replace")[:128]
        elif kind in _VALUE_BYTES:
            position += _VALUE_BYTES[kind]
            if position > end:
                return None
        else:
            return None
    return texts
