"""Sharing an amount out so that the parts add up to it: the largest remainder."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor

from farebox.charges.rounding import Amount


def allocate(units: int, weights: Sequence[Amount], ties: Sequence[str] | None = None) -> list[int]:
    """Return `units` shared out in proportion to `weights`, in whole units that add up to it.

    What rounding down leaves goes, a unit each, to the largest remainders; among equal ones to the
    first listed, or to the one whose text in `ties` sorts first. A negative amount is shared like
    its absolute value. Where all weights are zero, they count as equal.

    Raises ValueError for a negative weight, and for no weights where there is something to share.
    """
    exact = [Fraction(weight) for weight in weights]
    if any(weight < 0 for weight in exact):
        raise ValueError("a share cannot have a negative weight")
    if not exact:
        if units:
            raise ValueError("there is nobody to share with")
        return []
    total = sum(exact, Fraction(0))
    if not total:
        exact, total = [Fraction(1)] * len(exact), Fraction(len(exact))
    shares = [abs(units) * weight / total for weight in exact]
    parts = [floor(share) for share in shares]
    left = abs(units) - sum(parts)
    by_remainder = sorted(
        range(len(shares)),
        key=lambda index: (parts[index] - shares[index], ties[index] if ties else "", index),
    )
    for index in by_remainder[:left]:
        parts[index] += 1
    return parts if units >= 0 else [-part for part in parts]


def percentages(units: int, percents: Sequence[Amount]) -> list[int]:
    """Return the shares of `units` that percentages of at most 100 together give; last, what is left.

    Raises ValueError where they exceed 100.
    """
    rest = 100 - sum((Fraction(percent) for percent in percents), Fraction(0))
    if rest < 0:
        raise ValueError("shares exceed 100 percent")
    return allocate(units, [*percents, rest])
