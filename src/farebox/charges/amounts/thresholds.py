"""Thresholds that an amount crosses: of alerts, and of invoices before the end of a period."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor
from typing import Literal

from farebox.charges.rounding import Amount

Direction = Literal["increasing", "decreasing"]


def crossed(
    thresholds: Sequence[Amount],
    previous: Amount,
    current: Amount,
    *,
    recurring_step: Amount | None = None,
    direction: Direction = "increasing",
) -> list[Fraction]:
    """Return the thresholds between two amounts, lowest first.

    Rising, these are the `t` with previous < t ≤ current; falling, those with current ≤ t < previous.
    A recurring step goes on from the last threshold: the highest one, falling the lowest one, and
    zero where there is none.

    Raises ValueError for a step of zero or less.
    """
    if direction == "decreasing":
        mirrored = crossed(
            [-Fraction(each) for each in thresholds],
            -Fraction(previous),
            -Fraction(current),
            recurring_step=recurring_step,
        )
        return sorted(-each for each in mirrored)
    low, high = Fraction(previous), Fraction(current)
    once = sorted({Fraction(each) for each in thresholds})
    found = [each for each in once if low < each <= high]
    if recurring_step is not None:
        found += _recurring(once[-1] if once else Fraction(0), Fraction(recurring_step), low, high)
    return found


def _recurring(base: Fraction, step: Fraction, low: Fraction, high: Fraction) -> list[Fraction]:
    if step <= 0:
        raise ValueError("a recurring step is more than zero")
    first = max(floor((low - base) / step) + 1, 1)
    last = floor((high - base) / step)
    return [base + number * step for number in range(first, last + 1)]


def progressive_amounts(
    thresholds: Sequence[Amount],
    usage: Sequence[Amount],
    base: Amount = 0,
    *,
    recurring_step: Amount | None = None,
) -> list[Fraction]:
    """Return the amounts of a period's invoices where amounts of usage arrive in order.

    Whenever the sum reaches thresholds that it had not reached before, one invoice is due for all
    that was not billed. The last one is the period's: the rest, and the base fee.
    """
    invoices: list[Fraction] = []
    billed, highest, so_far = Fraction(0), Fraction(0), Fraction(0)
    for amount in usage:
        so_far += Fraction(amount)
        if crossed(thresholds, highest, so_far, recurring_step=recurring_step):
            invoices.append(so_far - billed)
            billed = so_far
        highest = max(highest, so_far)
    return [*invoices, so_far - billed + Fraction(base)]
