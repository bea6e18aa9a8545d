"""Remember how usage objects that look alike are read.

A provider sends the same text over and over with other numbers in it. Its outline, the text without
digits, fixes every key, every type and every sign: where each count stands is worked out once, and
from then on numbers are taken from there and only their sums are checked.
"""

from __future__ import annotations

import re
from typing import Any, cast

from farebox.wire.facts import Quantity
from farebox.wire.paths import Getter

INT64_MAX = 2**63 - 1
DIGITS = b"0123456789"

Place = tuple[str, str | None, Getter | None]
"""The one or two keys under which a number lies, or a getter where it lies deeper."""
Step = tuple[Place | None, str, tuple[tuple[str, Place, tuple[Getter, ...]], ...]]
"""A total, the leaf of what is left of it, and the leaves inside it with what overlaps them."""

_KEY = re.compile(rb'"(?:[^"\\]|\\.)*"\s*:')
_TEXT_WITH_DIGIT = re.compile(rb':\s*"[^"]*\d')


class Recipe:
    """Where the counts of usage objects with one outline are."""

    __slots__ = ("_remainder", "_stated", "_steps", "_unread")

    def __init__(
        self, steps: tuple[Step, ...], stated: Getter | None, remainder: str | None, usage: dict[str, Any]
    ) -> None:
        self._steps = steps
        self._stated = stated
        self._remainder = remainder
        read = {
            place[:2]
            for total, _, inside in steps
            for place in (total, *(at for _, at, _ in inside))
            if place
        }
        self._unread = tuple(place for place in _places(usage) if place not in read)

    def follow(self, usage: dict[str, Any]) -> dict[str, Quantity] | None:
        """Return the leaves of an ordinary usage object, None where anything is odd about it.

        Raises:
            KeyError: A key differs in a digit, which the outline does not show.
        """
        leaves: dict[str, Quantity] = {}
        everything = 0
        for total, rest, inside in self._steps:
            claimed = 0
            for leaf, (outer, inner, read), less in inside:
                if read is not None:
                    part: Any = read(usage)
                else:
                    part = usage[outer] if inner is None else usage[outer][inner]
                if less:
                    for overlap in less:
                        part -= overlap(usage)
                    part = max(part, 0)
                leaves[leaf] = part
                claimed += part
            if total is not None:
                outer, inner, read = total
                if read is not None:
                    stated: Any = read(usage)
                else:
                    stated = usage[outer] if inner is None else usage[outer][inner]
                if stated < claimed:
                    return None
                leaves[rest] = stated - claimed
                claimed = stated
            everything += claimed
        for outer, inner in self._unread:
            if inner not in usage[outer] if inner is not None else outer not in usage:
                return None
        if type(everything) is not int or everything > INT64_MAX:
            return None
        if self._stated is not None:
            stated = self._stated(usage)
            if stated != everything:
                hidden = self._remainder
                if hidden is None or not 0 < everything < stated <= INT64_MAX:
                    return None
                leaves[hidden] = leaves.get(hidden, 0) + (stated - everything)
        return leaves


def _places(usage: dict[str, Any]) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    for key, value in usage.items():
        inner = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        found += [(key, name) for name in inner] or [(key, None)]
    return found


def outlined(text: bytes, usage: dict[str, Any]) -> bool:
    """Return whether an outline says all: every key once, and no digit in what is text."""
    return len(_KEY.findall(text)) == _keys(usage) and _TEXT_WITH_DIGIT.search(text) is None


def _keys(value: Any) -> int:
    if isinstance(value, dict):
        inner = cast("dict[str, Any]", value)
        return len(inner) + sum(map(_keys, inner.values()))
    return sum(map(_keys, cast("list[Any]", value))) if isinstance(value, list) else 0
