"""An event that cannot be recorded, and why."""

from __future__ import annotations


class EventInvalidError(ValueError):
    """An event that means nothing: which field, and why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason
