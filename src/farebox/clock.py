"""Time and identifiers, made at the source of an event.

Everything that needs a moment is handed one; these are the few places that read a clock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime


def now_ns() -> int:
    """Return the wall clock in nanoseconds since 1970, UTC."""
    return time.time_ns()


def uuid7(now: int | None = None) -> bytes:
    """Return the 16 bytes of a UUIDv7 (RFC 9562) for the moment `now` in nanoseconds."""
    millis = (time.time_ns() if now is None else now) // 1_000_000
    while True:
        try:
            return millis.to_bytes(6, "big") + _tails.pop()
        except IndexError:
            _tails.extend(_random_tails())


_TAILS = 256
_VERSION_7 = bytes(0x70 | (byte & 0x0F) for byte in range(256))
_VARIANT = bytes(0x80 | (byte & 0x3F) for byte in range(256))
_tails: list[bytes] = []
"""Random ends of identifiers not used yet: one system call for each would take longer than everything
else."""
os.register_at_fork(after_in_child=_tails.clear)  # parent and child must not use the same


def _random_tails() -> Iterator[bytes]:
    random = bytearray(os.urandom(10 * _TAILS))
    random[::10] = random[::10].translate(_VERSION_7)
    random[2::10] = random[2::10].translate(_VARIANT)
    tails = bytes(random)
    for start in range(0, len(tails), 10):
        yield tails[start : start + 10]


def uuid_text(raw: bytes) -> str:
    """Return the canonical hyphenated text of 16 UUID bytes."""
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def uuid_bytes(text: str) -> bytes:
    """Return the 16 bytes of a UUID's text, with or without hyphens."""
    return bytes.fromhex(text.replace("-", ""))


def iso(moment_ns: int) -> str:
    """Return RFC 3339 text in UTC with microseconds."""
    seconds, nanos = divmod(moment_ns, 1_000_000_000)
    stamp = datetime.fromtimestamp(seconds, UTC)
    return f"{stamp:%Y-%m-%dT%H:%M:%S}.{nanos // 1000:06d}Z"
