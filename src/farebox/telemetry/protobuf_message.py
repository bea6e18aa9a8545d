"""Write protobuf messages: each function returns one field, and a message is fields one after the other.

Zero and empty text are left out, as proto3 does. https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct


def varint(value: int) -> bytes:
    """Return a number in the fewest bytes."""
    if value < 128:
        return bytes((value,))
    pieces = bytearray()
    while value > 127:
        pieces.append(value & 0x7F | 0x80)
        value >>= 7
    pieces.append(value)
    return bytes(pieces)


def message(number: int, content: bytes) -> bytes:
    """Return a message in a message; an empty one is there, too."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def text(number: int, value: str) -> bytes:
    """Return text."""
    return message(number, value.encode()) if value else b""


def raw(number: int, value: bytes) -> bytes:
    """Return bytes."""
    return message(number, value) if value else b""


def integer(number: int, value: int) -> bytes:
    """Return an int64, enum or bool."""
    return varint(number << 3) + varint(value & (1 << 64) - 1) if value else b""


def fixed64(number: int, value: int) -> bytes:
    """Return a fixed64, written even where it is zero."""
    return varint(number << 3 | 1) + value.to_bytes(8, "little")


def double(number: int, value: float) -> bytes:
    """Return a double, written even where it is zero."""
    return varint(number << 3 | 1) + struct.pack("<d", value)
