"""Build binary framings for tests: AWS event streams, gRPC, protobuf."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

_NAMES = {"event": b":event-type", "exception": b":exception-type", "error": b":error-code"}


def event(name: str, payload: bytes, *, kind: str = "event") -> bytes:
    """Return one message of an AWS event stream."""
    headers = b"".join(
        bytes([len(key)]) + key + b"\x07" + struct.pack(">H", len(value)) + value
        for key, value in (
            (_NAMES[kind], name.encode()),
            (b":content-type", b"application/json"),
            (b":message-type", kind.encode()),
        )
    )
    if kind == "event" and name == "chunk":
        payload = json.dumps({"bytes": base64.b64encode(payload).decode(), "p": "abcd"}).encode()
    head = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = head + struct.pack(">I", zlib.crc32(head)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def grpc(message: bytes, *, flags: int = 0) -> bytes:
    """Return one message of a gRPC body."""
    return bytes([flags]) + struct.pack(">I", len(message)) + message


def varint(value: int) -> bytes:
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def protobuf(fields: dict[int, Any]) -> bytes:
    """Return a protobuf message: numbers, texts, nested messages, packed lists of numbers."""
    out = bytearray()
    for number, value in fields.items():
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
            continue
        if isinstance(value, str):
            data = value.encode()
        elif isinstance(value, dict):
            data = protobuf(value)
        else:
            data = b"".join(varint(entry) for entry in value)
        out += varint(number << 3 | 2) + varint(len(data)) + data
    return bytes(out)
