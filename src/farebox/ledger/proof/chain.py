"""The hash chain over calls and marks, and the checkpoints a user can keep.

It proves that nothing was changed since a checkpoint somebody else holds: the file's owner can compute a
whole new chain, but not one that contains the old checkpoint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from farebox.errors import UsageError

GENESIS = bytes(32)
_VERSION = b"\x01"
_canonical = msgspec.msgpack.Encoder().encode
_sha256 = hashlib.sha256


def link(previous: bytes, values: Sequence[Any]) -> bytes:
    """Return a link of the chain: a hash over a version, the link before it and values in order."""
    return _sha256(_VERSION + previous + _canonical(values)).digest()


class Checkpoint(NamedTuple):
    """The state of the chain after call `seq`; as text it is what a user keeps."""

    seq: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Return the checkpoint in `text`.

        Raises:
            UsageError: It is not one.
        """
        number, _, digits = text.strip().partition(":")
        try:
            checkpoint = cls(int(number), bytes.fromhex(digits))
        except ValueError:
            checkpoint = cls(0, b"")
        if len(checkpoint.hash) != 32:
            raise UsageError(f"{text!r} is no checkpoint; one looks like 1234:9f86d0…, 64 hex digits")
        return checkpoint
