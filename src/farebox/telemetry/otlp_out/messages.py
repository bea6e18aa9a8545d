"""What every OTLP request of ours has: attributes, and the resource and scope around what is sent.

Field numbers are those of https://github.com/open-telemetry/opentelemetry-proto.
"""

from __future__ import annotations

from collections.abc import Mapping

from farebox import __version__
from farebox.telemetry.otlp_in.call_kinds import OWN_SCOPE
from farebox.telemetry.protobuf_message import double, message, text, varint

Attribute = str | int | float | bool


def attributes(number: int, values: Mapping[str, Attribute | None]) -> bytes:
    """Return attributes as one field each; those without a value are left out."""
    return b"".join(
        message(number, text(1, name) + message(2, _value(value)))
        for name, value in values.items()
        if value is not None and value != ""
    )


def request(items: bytes) -> bytes:
    """Return an export request of spans or metrics, each of them a field 2 of a scope of ours."""
    resource = message(1, attributes(1, {"service.name": "farebox", "service.version": __version__}))
    scope = message(1, text(1, OWN_SCOPE) + text(2, __version__))
    return message(1, resource + message(2, scope + items))


def _value(value: Attribute) -> bytes:
    if isinstance(value, bool):
        return varint(2 << 3) + varint(int(value))
    if isinstance(value, int):
        return varint(3 << 3) + varint(value & (1 << 64) - 1)
    if isinstance(value, float):
        return double(4, value)
    return text(1, value)
