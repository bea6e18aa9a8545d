"""Which usage a charge is for: a charge's `where` against the dimensions of a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Where = Mapping[str, Sequence[str]]
"""Dimension to values, any of which is enough; every dimension has to match."""


def matches(where: Where, dims: Mapping[str, str]) -> bool:
    """Return whether usage with these dimensions is meant."""
    return all(is_one_of(values, dims.get(name, "")) for name, values in where.items())


def is_one_of(values: Sequence[str], value: str) -> bool:
    """Return whether a value is wanted: `*` stands for any text of a value, the empty text for none."""
    return value in values or (bool(value) and any("*" in each and fits(each, value) for each in values))


def fits(pattern: str, value: str) -> bool:
    """Return whether `value` is the fixed parts of a pattern in order, with any text between them.

    By search and not by a regular expression, whose time grows with a power of the number of `*`.
    """
    first, *middle, last = pattern.split("*")
    position, end = len(first), len(value) - len(last)
    if position > end or not value.startswith(first) or not value.endswith(last):
        return False
    for part in middle:
        found = value.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True
