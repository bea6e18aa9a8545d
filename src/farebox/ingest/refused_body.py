"""A body none of which can be taken, and what its sender is told."""

from __future__ import annotations


class BodyRefusedError(Exception):
    """The HTTP status, a slug, and a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
