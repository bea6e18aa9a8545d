"""A small response that is kept until it is whole, so that its head can say what the call cost.

Only where a budget covers the call: a rating is made here for nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farebox.proxy.http1.response import Response

SMALL = 64 * 1024
_BLANKS = b"0123456789abcdefABCDEF \t\r\n"
"""White space and sizes of chunks: what a provider keeps its client waiting with."""


class SmallResponse:
    """The pieces of one."""

    __slots__ = ("_pieces", "_size", "lines_at")

    def __init__(self, lines_at: int) -> None:
        self.lines_at = lines_at
        """Where more lines of the head may be put in what is kept."""
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def is_large(self) -> bool:
        """Whether it has turned out to be too large to be kept."""
        return self._size > SMALL

    def add(self, data: bytes) -> None:
        """Keep a piece."""
        self._pieces.append(data)
        self._size += len(data)

    def all(self) -> bytes:
        """Return what is kept."""
        return b"".join(self._pieces)


def may_be_small(response: Response, data: bytes) -> bool:
    """Return whether a response whose head and first bytes are `data` is worth keeping: JSON, not too long.

    One that begins with white space keeps its client waiting with that, and is passed on piece by piece.
    """
    head = response.head
    if head is None or not response.lines_at or response.watch is not None:
        return False
    return (
        dict(head.headers).get(b"content-type", b"")[:16] == b"application/json"
        and (head.content_length or 0) <= SMALL
        and bool(data[response.lines_at + 2 :].strip(_BLANKS))
    )
