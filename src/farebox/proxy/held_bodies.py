"""How much of requests' bodies one process holds: a total, not only a limit for each.

A body is held whole where `include_usage` may have to be added. Sixteen megabytes are little for one
client and too much for a hundred: what finds no room here streams, unchanged.
"""

from __future__ import annotations


class HeldBodies:
    """The room that all held bodies share, in bytes."""

    __slots__ = ("bytes", "bytes_max")

    def __init__(self, bytes_max: int) -> None:
        self.bytes = 0
        self.bytes_max = bytes_max

    def take(self, size: int) -> bool:
        """Make room for `size` more bytes; return whether there was."""
        if self.bytes + size > self.bytes_max:
            return False
        self.bytes += size
        return True

    def give_back(self, size: int) -> None:
        """Say that so many bytes are no longer held."""
        self.bytes -= size
