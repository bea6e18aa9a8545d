"""Which model a name means: the clauses of the price data, and the keys a user writes.

Clauses are data (`{"starts_with": "gpt-4o"}`), evaluated on the lower-cased name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

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
