"""Remember how usage objects that look alike are read.

A provider sends the same text over and over with other numbers in it. Its outline, the text without
digits, fixes every key, every type and every sign: where each count stands is worked out once, and
from then on numbers are taken from there and only their sums are checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from operator import itemgetter
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

    __slots__ = ("_deep", "_inner", "_remainder", "_stated", "_steps", "_top")

    def __init__(
        self, steps: tuple[Step, ...], stated: Getter | None, remainder: str | None, usage: dict[str, Any]
    ) -> None:
        # Every key is fetched, also those nobody reads: a key that is missing is noticed that way.
        outer_keys = _two_or_more(usage)
        places: list[tuple[str, str | None]] = [(key, None) for key in outer_keys]
        self._top: Callable[[Any], tuple[Any, ...]] = itemgetter(*outer_keys)
        inner: list[tuple[str, Callable[[Any], tuple[Any, ...]]]] = []
        for key, value in usage.items():
            if isinstance(value, dict) and value:
                names = _two_or_more(cast("dict[str, Any]", value))
                inner.append((key, itemgetter(*names)))
                places += ((key, name) for name in names)
        self._inner = tuple(inner)
        deep: list[Getter] = []

        def index(outer: str, name: str | None, read: Getter | None) -> int:
            if read is None:
                return places.index((outer, name))
            deep.append(read)
            return len(places) + len(deep) - 1

        self._steps = tuple(
            (
                index(*total) if total is not None else -1,
                rest,
                tuple(
                    (leaf, index(*at), tuple(index("", None, read) for read in less))
                    for leaf, at, less in inside
                ),
            )
            for total, rest, inside in steps
            if total is not None or inside
        )
        self._deep = tuple(deep)
        self._stated = stated
        self._remainder = remainder

    def follow(self, usage: dict[str, Any]) -> dict[str, Quantity] | None:
        """Return the leaves of an ordinary usage object, None where anything is odd about it.

        Raises:
            KeyError: A key differs in a digit, which the outline does not show.
            TypeError: What should be a number is none.
        """
        values = self._top(usage)
        for key, fetch in self._inner:
            values += fetch(usage[key])
        for read in self._deep:
            values += (read(usage),)
        leaves: dict[str, Quantity] = {}
        everything = 0
        for total, rest, inside in self._steps:
            claimed = 0
            for leaf, place, less in inside:
                part = values[place]
                for overlap in less:
                    part -= values[overlap]
                    if part < 0:
                        part = 0
                leaves[leaf] = part
                claimed += part
            if total >= 0:
                stated = values[total]
                if stated < claimed:
                    return None
                leaves[rest] = stated - claimed
                claimed = stated
            everything += claimed
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


def _two_or_more(names: Iterable[str]) -> list[str]:
    """Return the keys to fetch: a single one twice, or `itemgetter` would return no tuple."""
    keys = list(names)
    return keys if len(keys) > 1 else keys * 2


def outlined(text: bytes, usage: dict[str, Any]) -> bool:
    """Return whether an outline says all: every key once, and no digit in what is text."""
    return len(_KEY.findall(text)) == _keys(usage) and _TEXT_WITH_DIGIT.search(text) is None


def _keys(value: Any) -> int:
    if isinstance(value, dict):
        inner = cast("dict[str, Any]", value)
        return len(inner) + sum(map(_keys, inner.values()))
    return sum(map(_keys, cast("list[Any]", value))) if isinstance(value, list) else 0
