"""Discounts: how much comes off, and off which lines."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from farebox.charges.allocation import allocate
from farebox.charges.plan import Discount
from farebox.charges.rounding import Amount, units_of


def discount_on(amounts: Sequence[Amount], discount: Discount) -> Fraction:
    """Return what a discount takes off lines of these amounts, exactly.

    Never more than the lines come to; what a negative line gives back is not discounted.
    """
    base = sum((Fraction(amount) for amount in amounts if amount > 0), Fraction(0))
    if discount.kind == "percentage":
        return min(base * Fraction(discount.value) / 100, base)
    return min(Fraction(discount.value), base)


def off_lines(minor: Sequence[int], discount: Discount, exponent: int) -> list[int]:
    """Return what a discount takes off each line, in minor units: rounded once and shared pro rata."""
    exact = discount_on([Fraction(line, 10**exponent) for line in minor], discount)
    return spread(units_of(exact, exponent), minor)


def spread(units: int, minor: Sequence[int]) -> list[int]:
    """Return an amount shared over lines in proportion to them; negative lines have no part of it."""
    weights = [max(line, 0) for line in minor]
    return allocate(units, weights) if units else [0] * len(minor)
