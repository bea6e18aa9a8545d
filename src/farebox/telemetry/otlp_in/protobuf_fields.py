"""The wire format of protobuf, as far as OTLP needs it: fields in the order they come, nothing decoded ahead.

What a span holds of prompts is stepped over by its length and never turned into text.
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator

from farebox.telemetry.otlp_in.records import MalformedError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield number, wire type, and of bytes where they begin and end, of anything else the value twice.

    Raises:
        MalformedError: This is no message.
    """
    position = start
    try:
        while position < end:
            tag = data[position]
            position += 1
            if tag > 127:
                tag, position = _rest(data, position, tag)
            wire = tag & 7
            if wire == BYTES:
                size = data[position]
                position += 1
                if size > 127:
                    size, position = _rest(data, position, size)
                begin, position = position, position + size
                if position > end:
                    raise MalformedError("a field ends after its message")
                yield tag >> 3, wire, begin, position
            elif wire == VARINT:
                value = data[position]
                position += 1
                if value > 127:
                    value, position = _rest(data, position, value)
                yield tag >> 3, wire, value, value
            elif wire in (FIXED64, FIXED32):
                begin, position = position, position + (8 if wire == FIXED64 else 4)
                value = int.from_bytes(data[begin:position], "little")
                yield tag >> 3, wire, value, value
            else:
                raise MalformedError("a field of an unknown wire type")
    except IndexError:
        raise MalformedError("it ends inside a field") from None
    if position != end:
        raise MalformedError("a field ends after its message")


def signed(value: int) -> int:
    """Return an int64 as protobuf means it."""
    return value - (1 << 64) if value >> 63 else value


def _rest(data: bytes, position: int, first: int) -> tuple[int, int]:
    value, shift = first & 0x7F, 7
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            raise MalformedError("a number without an end")
