"""What a class of calls counts as: failed, or without a known cost."""

from __future__ import annotations

UNPRICED = ("unpriced", "unknown")
"""Calls whose cost is not known, so that it is not in any sum: no price, or no usage to price."""


def is_error(status: int, outcome: str) -> bool:
    """Return whether a call counts as an error: a status of 400 or more, or none and no end.

    What a program states that it used was completed, and has no status.
    """
    return status >= 400 or (status == 0 and outcome != "completed")
