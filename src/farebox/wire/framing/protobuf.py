"""Read a few fields of a protobuf message, by a schema that is data.

Not a protobuf library: fields the schema does not name are stepped over, nothing is written. What
comes out has the shape of decoded JSON, so that formats address it the same way.
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from farebox.catalog.shape import ProtoField

_DEPTH_MAX = 16
_VALUES_MAX = 4096
_TEXT_MAX = 1024
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class ProtobufError(ValueError):
    """The bytes are not a protobuf message."""


def read_message(data: bytes, schema: Mapping[int, ProtoField]) -> dict[str, Any]:
    """Return the fields of `data` that the schema names; raise `ProtobufError` on malformed bytes."""
    return _message(memoryview(data), schema, 0)


def _message(data: memoryview, schema: Mapping[int, ProtoField], depth: int) -> dict[str, Any]:
    if depth > _DEPTH_MAX:
        raise ProtobufError("nested too deep")
    found: dict[str, Any] = {}
    position, end = 0, len(data)
    while position < end:
        tag, position = _varint(data, position)
        wire = tag & 7
        known = schema.get(tag >> 3)
        value: Any
        if wire == _VARINT:
            value, position = _varint(data, position)
            if known is not None:
                _note(found, known, [value])
            continue
        if wire == _BYTES:
            size, position = _varint(data, position)
        elif wire == _FIXED64:
            size = 8
        elif wire == _FIXED32:
            size = 4
        else:
            raise ProtobufError(f"wire type {wire}")
        start, position = position, position + size
        if position > end:
            raise ProtobufError("ends too soon")
        if known is not None and wire == _BYTES:
            _note_bytes(found, known, data[start:position], depth)
    return found


def _note_bytes(found: dict[str, Any], known: ProtoField, value: memoryview, depth: int) -> None:
    if known.kind == "message":
        inner = _message(value, known.fields, depth + 1)
        # A message that comes twice is one message, by protobuf's own rule.
        earlier = found.get(known.name)
        found[known.name] = {**earlier, **inner} if isinstance(earlier, dict) else inner
    elif known.kind == "messages":
        entries: list[Any] = found.setdefault(known.name, [])
        if len(entries) < _VALUES_MAX:
            entries.append(_message(value, known.fields, depth + 1))
    elif known.kind == "texts":
        texts: list[Any] = found.setdefault(known.name, [])
        if len(texts) < _VALUES_MAX:
            texts.append(bytes(value[:_TEXT_MAX]).decode("utf-8", "replace"))
    elif known.kind == "text":
        found[known.name] = bytes(value[:_TEXT_MAX]).decode("utf-8", "replace")
    else:
        # Repeated numbers travel packed.
        numbers: list[int] = []
        position = 0
        while position < len(value) and len(numbers) < _VALUES_MAX:
            number, position = _varint(value, position)
            numbers.append(number)
        _note(found, known, numbers)


def _note(found: dict[str, Any], known: ProtoField, numbers: list[int]) -> None:
    if known.kind == "number":
        if numbers:
            found[known.name] = _signed(numbers[-1])
    elif known.kind == "enum":
        if numbers:
            found[known.name] = known.values.get(numbers[-1], str(numbers[-1]))
    elif known.kind == "enums":
        entries: list[Any] = found.setdefault(known.name, [])
        for number in numbers:
            if len(entries) < _VALUES_MAX:
                entries.append({"value": known.values.get(number, "other")})


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise ProtobufError("ends too soon")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _signed(value: int) -> int:
    """Return an int64 as protobuf means it: negative numbers are sent as large ones."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value
