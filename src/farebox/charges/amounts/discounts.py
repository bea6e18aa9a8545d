"""Discounts: how much comes off, and off which lines."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from farebox.charges.amounts.allocation import allocate
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


def taken_off(amounts: Sequence[Fraction], discount: Discount, exponent: int | None) -> list[Fraction]:
    """Return what a discount takes off each line: rounded once to minor units, and shared pro rata.

    With `exponent=None` it is exact.
    """
    return shared_by(on_unit(discount_on(amounts, discount), exponent), amounts, exponent)


def on_unit(amount: Fraction, exponent: int | None) -> Fraction:
    """Return an amount in whole minor units; itself with `exponent=None`."""
    return amount if exponent is None else Fraction(units_of(amount, exponent), 10**exponent)


def shared_by(amount: Fraction, lines: Sequence[Fraction], exponent: int | None) -> list[Fraction]:
    """Return an amount shared over lines in proportion to them; negative lines have no part of it."""
    if not amount:
        return [Fraction(0)] * len(lines)
    if exponent is None:
        weights = [max(line, Fraction(0)) for line in lines]
        whole = sum(weights, Fraction(0))
        return [amount * weight / whole for weight in weights]
    minor = spread(units_of(amount, exponent), [units_of(line, exponent) for line in lines])
    return [Fraction(each, 10**exponent) for each in minor]


def spread(units: int, minor: Sequence[int]) -> list[int]:
    """Return minor units shared over lines in proportion to them; negative lines have no part of them."""
    weights = [max(line, 0) for line in minor]
    return allocate(units, weights) if units else [0] * len(minor)
