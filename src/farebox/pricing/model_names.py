"""Which model a name means: the clauses of the price data, and the keys a user writes.

Clauses are data (`{"starts_with": "gpt-4o"}`), evaluated on the lower-cased name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, cast

from farebox.pricing.price_rows import PricedModel

CLAUSES = ("equals", "starts_with", "ends_with", "contains", "regex", "any", "all")

_COMPACT_DATE = re.compile(r"(-)(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")
_SNAPSHOT = re.compile(r"[-@:](?:latest|\d{3,4}|\d{6}|\d{8}|\d{2}-\d{2}|\d{2}-\d{4}|\d{4}-\d{2}(?:-\d{2})?)")
_SEPARATORS = re.compile(r"[._\s]+")

EXACT, NORMALISED, SNAPSHOT, FAMILY, PREFIX = 5, 4, 3, 2, 1


def matches(clause: dict[str, Any], name: str) -> bool:
    """Return whether the lower-cased `name` satisfies `clause`; an empty clause always does."""
    for kind, wanted in clause.items():
        return _holds(kind, wanted, name)
    return True


def _holds(kind: str, wanted: Any, name: str) -> bool:
    match kind:
        case "equals":
            return name == wanted
        case "starts_with":
            return name.startswith(wanted)
        case "ends_with":
            return name.endswith(wanted)
        case "contains":
            return wanted in name
        case "regex":
            return _compiled(wanted).search(name) is not None
        case "any":
            return any(matches(clause, name) for clause in wanted)
        case _:
            return all(matches(clause, name) for clause in wanted)


PATTERN_CHARACTERS_MAX = 500
_UNBOUNDED_MAX, _OPTIONAL_MAX = 3, 8
"""Repetitions of any number multiply the time that a name takes by its length, optional parts by two."""


def pattern_problem(pattern: str) -> str | None:
    """Return why a pattern is not used, None where it may be.

    Price lists are fetched and model names come from the network: a repetition in a repetition, as `(a+)+`,
    would take for ever over a name made for it.
    """
    if len(pattern) > PATTERN_CHARACTERS_MAX:
        return f"a regular expression of at most {PATTERN_CHARACTERS_MAX} characters"
    try:
        re.compile(pattern)
        found = list(_repeats(_parse(pattern), False))
    except (re.error, RecursionError, OverflowError) as error:
        return f"a regular expression ({error})"
    unbounded = sum(most > 1 for most, _ in found)
    if any(repeated for _, repeated in found):
        return "a regular expression without a repetition or a choice in a repetition"
    if unbounded > _UNBOUNDED_MAX or len(found) - unbounded > _OPTIONAL_MAX:
        limits = f"{_UNBOUNDED_MAX} repetitions and {_OPTIONAL_MAX} optional parts"
        return f"a regular expression with at most {limits}"
    return None


def _repeats(parsed: Any, repeated: bool) -> Iterator[tuple[int, bool]]:
    """Yield of each part of variable length how often it may be there, and whether it is itself repeated."""
    if not (isinstance(parsed, list | tuple) or hasattr(parsed, "data")):
        return
    parts = cast("list[Any]", parsed)
    operator = str(parts[0]) if isinstance(parsed, tuple) and parts else ""
    if operator in _REPETITIONS:
        least, most, body = cast("tuple[int, int, Any]", parts[1])
        if least != most:
            yield int(most), repeated
        yield from _repeats(body, repeated or most > 1)
        return
    if operator == "BRANCH" and repeated:
        yield 1, True  # two branches may begin alike
    for each in parts:
        yield from _repeats(each, repeated)


_REPETITIONS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")


def _parse(pattern: str) -> Any:
    import importlib

    try:
        parser = importlib.import_module("re._parser")
    except ModuleNotFoundError:  # before Python 3.11
        parser = importlib.import_module("sre_parse")
    return parser.parse(pattern)


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def spelled_out(clause: dict[str, Any]) -> Iterator[str]:
    """Yield the names a clause lists whole, normalised."""
    for kind, wanted in clause.items():
        if kind == "equals":
            yield normal(wanted)
        elif kind == "any":
            for inner in wanted:
                yield from spelled_out(inner)


class ModelIndex:
    """The models of one list, found by name: the first whose clause holds is the model.

    Names that a clause lists whole are looked up; only the looser clauses in front of that are
    tried one by one. A list has up to a thousand models, and names come from the network.
    """

    def __init__(self, models: Sequence[PricedModel]) -> None:
        self._models = models
        self._whole: dict[str, int] = {}
        self._loose: list[tuple[int, dict[str, Any]]] = []
        for position, model in enumerate(models):
            for clause in _alternatives(model.match):
                if list(clause) == ["equals"]:
                    self._whole.setdefault(clause["equals"], position)
                else:
                    self._loose.append((position, clause))

    def find(self, name: str) -> PricedModel | None:
        """Return the model that a lower-cased name means, a compact date read as a dashed one."""
        found = self._find(name)
        if found is None and "-20" in name:
            return self._find(_COMPACT_DATE.sub(r"\1\2-\3-\4", name))
        return found

    def _find(self, name: str) -> PricedModel | None:
        best = self._whole.get(name, len(self._models))
        for position, clause in self._loose:
            if position >= best:
                break
            if matches(clause, name):
                best = position
                break
        return self._models[best] if best < len(self._models) else None


def _alternatives(clause: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if list(clause) == ["any"]:
        for inner in clause["any"]:
            yield from _alternatives(inner)
    else:
        yield clause


def normal(name: str) -> str:
    """Return a name without case, dots and underscores: `Claude-3.5` → `claude-3-5`."""
    return _SEPARATORS.sub("-", name.strip().lower())


def rank(key: str, name: str, *, is_family: bool) -> int:
    """Return how closely a user's key means `name`; 0 where it does not.

    `gpt-4o` means itself, `GPT-4o`, and its dated snapshots, never `gpt-4o-mini`. Only a key
    that names no model itself (`is_family`) means every name that begins with it.
    """
    if key == name:
        return EXACT
    wanted, given = normal(key), normal(name)
    if wanted == given:
        return NORMALISED
    if wanted.endswith("*"):
        return PREFIX if given.startswith(wanted[:-1]) else 0
    if not given.startswith(wanted):
        return 0
    rest = given[len(wanted) :]
    if _SNAPSHOT.fullmatch(rest):
        return SNAPSHOT
    return FAMILY if is_family and rest[0] in "-@:" else 0
