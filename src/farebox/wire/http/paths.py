"""Paths into decoded JSON, compiled to small functions.

`a.b` walks objects, `0` indexes a list, `items[]` visits every entry, `items[type=x|y]` visits the
entries whose field matches, or a single object that does; `[action.type?=search]` also accepts entries
without the field.
`a + b` adds numbers, counting only those that are there.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

Getter = Callable[[Any], Any]

_STEP = re.compile(r"([^.\[\]]+)(\[[^\]]*\])?")


@functools.cache
def getter(path: str) -> Getter:
    """Return a function from decoded JSON to the value at `path`, None where there is none.

    A path that visits entries returns the sum of the numbers it finds.
    """
    if " + " in path:
        return _adder(tuple(getter(term.strip()) for term in path.split(" + ")))
    if "[" in path:
        return _summing(selector(path))
    keys = tuple(path.split("."))
    if any(key.isdigit() for key in keys):
        return _indexed(keys)
    if len(keys) == 1:
        return _one(keys[0])
    if len(keys) == 2:
        return _two(*keys)
    return _deep(keys)


@functools.cache
def selector(path: str) -> Callable[[Any], list[Any]]:
    """Return a function from decoded JSON to every value that `path` reaches."""
    steps = tuple(_step(name, bracket) for name, bracket in _STEP.findall(path))

    def select(document: Any) -> list[Any]:
        found = [document]
        for step in steps:
            found = step(found)
            if not found:
                break
        return found

    return select


def _summing(select: Callable[[Any], list[Any]]) -> Getter:
    def get(document: Any) -> Any:
        found = select(document)
        return _total(found) if found else None

    return get


def first_key(path: str) -> str:
    """Return the key of the root that `path` starts with."""
    return path.partition(".")[0].partition("[")[0]


def _step(name: str, bracket: str) -> Callable[[list[Any]], list[Any]]:
    """Return a function from some values to all that is one step below them."""
    keep = _condition(bracket[1:-1]) if len(bracket) > 2 else None
    index = int(name) if name.isdigit() else None

    def plain(entries: list[Any]) -> list[Any]:
        found: list[Any] = []
        for entry in entries:
            if isinstance(entry, dict):
                value: Any = entry.get(name)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
                if value is not None:
                    found.append(value)
            elif index is not None and isinstance(entry, list) and index < len(entry):  # pyright: ignore[reportUnknownArgumentType]
                found.append(entry[index])
        return found

    def every(entries: list[Any]) -> list[Any]:
        found: list[Any] = []
        for value in plain(entries):
            if isinstance(value, list):
                found += value
            elif keep is not None:
                found.append(value)
        return found if keep is None else [item for item in found if keep(item)]

    return every if bracket else plain


def _condition(text: str) -> Callable[[Any], bool]:
    """Return the test written between brackets: `type=a|b, action.type?=search`."""
    tests: list[tuple[Getter, frozenset[str], bool]] = []
    for clause in text.split(","):
        name, _, values = clause.strip().partition("=")
        optional = name.endswith("?")
        tests.append((getter(name.rstrip("?")), frozenset(values.split("|")), optional))

    def keep(item: Any) -> bool:
        for read, values, optional in tests:
            value = read(item)
            if value is None:
                if not optional:
                    return False
            elif str(value) not in values:
                return False
        return True

    return keep


def _one(key: str) -> Getter:
    def get(document: Any) -> Any:
        return document.get(key) if isinstance(document, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

    return get


def _two(first: str, second: str) -> Getter:
    def get(document: Any) -> Any:
        if isinstance(document, dict):
            inner: Any = document.get(first)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            if isinstance(inner, dict):
                return inner.get(second)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return None

    return get


def _deep(keys: tuple[str, ...]) -> Getter:
    def get(document: Any) -> Any:
        for key in keys:
            if not isinstance(document, dict):
                return None
            document = document.get(key)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return document  # pyright: ignore[reportUnknownVariableType]

    return get


def _indexed(keys: tuple[str, ...]) -> Getter:
    steps = tuple(_step(key, "") for key in keys)

    def get(document: Any) -> Any:
        for step in steps:
            found = step([document])
            if not found:
                return None
            document = found[0]
        return document

    return get


def _adder(terms: tuple[Getter, ...]) -> Getter:
    def get(document: Any) -> Any:
        return _total([value for value in (term(document) for term in terms) if value is not None])

    return get


def _total(values: list[Any]) -> Any:
    """Return the sum of the numbers in `values`; None without any, the odd one out as it is."""
    if not values:
        return None
    total: int | Decimal = 0
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            return value
        total += value
    return total
