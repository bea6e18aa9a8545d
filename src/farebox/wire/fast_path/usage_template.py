"""Remember how usage objects that look alike are read.

A provider sends the same text over and over with other numbers in it. Its outline, the text without
digits, fixes every key, every type and every sign, so the numbers of such a text, in the order in
which they stand, are all there is to know: which of them makes which leaf is worked out once.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from operator import attrgetter, itemgetter
from typing import Annotated, Any, cast

import msgspec

from farebox.wire.facts import Quantity
from farebox.wire.http.paths import Getter

INT64_MAX = 2**63 - 1
DIGITS = b"0123456789"
_NUMBERS_ONLY = bytes(byte if byte in DIGITS else 0x20 for byte in range(256))

Step = tuple[Getter | None, str, tuple[tuple[str, Getter, tuple[Getter, ...]], ...]]
"""A total, the leaf of what is left of it, and the leaves inside it with what overlaps them."""

_KEY_OR_NUMBER = re.compile(rb'"((?:[^"\\]|\\.)*)"\s*:|(\d+)')
_KEY = re.compile(rb'"(?:[^"\\]|\\.)*"\s*:')
_TEXT_WITH_DIGIT = re.compile(rb':\s*"[^"]*\d')
_WIDTH = 64
_Count = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]


class Unfit(ValueError):
    """These usage objects are not so simple."""


class Recipe:
    """How the numbers of usage objects with one outline make leaves."""

    __slots__ = ("_computed", "_count", "_names", "_remainder", "_stated", "_values", "typed")

    def __init__(
        self,
        steps: tuple[Step, ...],
        stated: Getter | None,
        remainder: str | None,
        usage: dict[str, Any],
        text: bytes,
    ) -> None:
        """Work it out from one of them.

        Raises:
            Unfit: A count is not simply one of its numbers.
        """
        # Every number is replaced by a power of its place: what a path finds then tells which
        # numbers it would have added up.
        powers = (1 << (_WIDTH * place) for place in itertools.count())
        marked = _marked(usage, powers)
        first: dict[str, int] = {}
        computed: list[tuple[str, tuple[int, ...], tuple[str, ...]]] = []
        for total, rest, inside in steps:
            for leaf, at, less in inside:
                first[leaf] = _place(at, marked)
                if less:
                    computed.append((leaf, tuple(_place(read, marked) for read in less), ()))
            if total is not None:
                first[rest] = _place(total, marked)
                if inside:
                    computed.append((rest, (), tuple(leaf for leaf, _, _ in inside)))
        if not first:
            raise Unfit("no counts")
        self._names = tuple(first)
        self._count = len(first)
        needed = [*first.values(), *(place for _, less, _ in computed for place in less)]
        if stated is not None:
            needed.append(_place(stated, marked))
        self._stated = stated is not None
        self._computed = tuple(
            (leaf, tuple(needed.index(place) for place in less), inside) for leaf, less, inside in computed
        )
        self._remainder = remainder
        if len(needed) == 1:
            needed *= 2  # one alone would not come as a tuple
        struct = _struct(usage)
        self.typed = struct is not None
        """Whether a text of another outline is told by itself, without comparing outlines."""
        self._values = _counted(text, needed) if struct is None else _decoded(struct, usage, needed)

    def follow(self, text: bytes) -> dict[str, Quantity] | None:
        """Return the leaves of an ordinary usage object, None where anything is odd about it."""
        numbers = self._values(text)
        if numbers is None:
            return None
        leaves: dict[str, Any] = dict(zip(self._names, numbers, strict=False))
        for leaf, less, inside in self._computed:
            number = leaves[leaf]
            for overlap in less:
                number -= numbers[overlap]
            for name in inside:
                number -= leaves[name]
            if number < 0:
                return None
            leaves[leaf] = number
        everything = sum(leaves.values())
        if everything > INT64_MAX:
            return None
        if self._stated:
            stated = numbers[-1]
            if stated != everything:
                hidden = self._remainder
                if hidden is None or leaves.get(hidden) or not 0 < everything < stated <= INT64_MAX:
                    return None
                leaves[hidden] = stated - everything
        return leaves


_Values = Callable[[bytes], tuple[int, ...] | None]


def _struct(value: dict[str, Any]) -> type[msgspec.Struct] | None:
    """Return the type of usage objects with exactly these keys and kinds; None for one with lists."""
    fields: list[tuple[str, Any]] = []
    names: dict[str, str] = {}
    for index, (key, entry) in enumerate(value.items()):
        kind: Any = str if isinstance(entry, str) else bool if isinstance(entry, bool) else _Count
        if entry is None:
            kind = None
        elif isinstance(entry, dict):
            kind = _struct(cast("dict[str, Any]", entry))
            if kind is None:
                return None
        elif isinstance(entry, list):
            return None
        fields.append((f"f{index}", kind))
        names[f"f{index}"] = key
    return msgspec.defstruct("Usage", fields, rename=names, forbid_unknown_fields=True, gc=False)


def _decoded(struct: type[msgspec.Struct], usage: dict[str, Any], needed: list[int]) -> _Values:
    """Return how the needed numbers are read by decoding; anything unlike it is noticed by that."""
    paths = list(_paths(usage, ""))
    wanted = [paths[place] for place in needed]
    pick: Any = attrgetter(*wanted)
    decode = msgspec.json.Decoder(struct).decode

    def values(text: bytes) -> tuple[int, ...] | None:
        try:
            return pick(decode(text))
        except (msgspec.MsgspecError, UnicodeDecodeError):  # the second for a key that is no text
            return None

    return values


def _paths(value: dict[str, Any], before: str) -> Iterator[str]:
    for index, entry in enumerate(value.values()):
        if isinstance(entry, dict):
            yield from _paths(cast("dict[str, Any]", entry), f"{before}f{index}.")
        elif isinstance(entry, int) and not isinstance(entry, bool):
            yield f"{before}f{index}"


def _counted(text: bytes, needed: list[int]) -> _Values:
    """Return how the needed numbers are read from a text with the outline of `text`, without decoding."""
    where = _places(text)
    pick: Any = itemgetter(*(where.numbers[place] for place in needed))

    def values(text: bytes) -> tuple[int, ...] | None:
        numbers = list(map(int, text.translate(_NUMBERS_ONLY).split()))
        for place, digits in where.constants:
            if numbers[place] != digits:
                return None  # a digit in a key, which the outline does not show
        return pick(numbers)

    return values


class _Places:
    """Where the runs of digits in a text are counts, and what the others, in its keys, say."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.constants: tuple[tuple[int, int], ...] = ()


def _places(text: bytes) -> _Places:
    found = _Places()
    constants: list[tuple[int, int]] = []
    place = 0
    for match in _KEY_OR_NUMBER.finditer(text):
        key, number = match.groups()
        if number is not None:
            found.numbers.append(place)
            place += 1
            continue
        for digits in re.findall(rb"\d+", key):
            constants.append((place, int(digits)))
            place += 1
    found.constants = tuple(constants)
    return found


def _marked(value: Any, powers: Iterator[int]) -> Any:
    """Return decoded JSON with the next power in the place of every integer."""
    if isinstance(value, dict):
        return {key: _marked(inner, powers) for key, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_marked(inner, powers) for inner in cast("list[Any]", value)]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if type(value) is not int:
        raise Unfit("a fraction")
    return next(powers)


def _place(read: Getter, marked: Any) -> int:
    """Return which number a path finds."""
    power = read(marked)
    if type(power) is not int or power <= 0 or power & (power - 1) or (power.bit_length() - 1) % _WIDTH:
        raise Unfit("a sum")
    return (power.bit_length() - 1) // _WIDTH


def outlined(text: bytes, usage: dict[str, Any]) -> bool:
    """Return whether an outline says all: every key once, and no digit in what is text."""
    return len(_KEY.findall(text)) == _keys(usage) and _TEXT_WITH_DIGIT.search(text) is None


def _keys(value: Any) -> int:
    if isinstance(value, dict):
        inner = cast("dict[str, Any]", value)
        return len(inner) + sum(map(_keys, inner.values()))
    return sum(map(_keys, cast("list[Any]", value))) if isinstance(value, list) else 0
