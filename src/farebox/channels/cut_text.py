"""Text cut to what a vendor takes, counted as the vendor counts."""

from __future__ import annotations

from collections.abc import Callable


def cut(text: str, most: int, size: Callable[[str], int] = len) -> str:
    """Return `text`, shortened with an ellipsis to at most `most` by `size`."""
    if size(text) <= most:
        return text
    room = most - size("…")
    low, high = 0, len(text)
    while low < high:  # the longest beginning that fits
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(text[:middle]) <= room else (low, middle - 1)
    return text[:low].rstrip() + "…"


def utf16_units(text: str) -> int:
    """Return the length as programs in JavaScript count it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf8_bytes(text: str) -> int:
    """Return the length in bytes."""
    return len(text.encode("utf-8", "replace"))
