"""Minimum, maximum and commitment: what an agreed amount makes of a rated one."""

from __future__ import annotations

from fractions import Fraction

from farebox.charges.plan import Commitment
from farebox.charges.rounding import Amount


def top_up(
    amount: Amount, minimum: Amount | None, *, previously_billed: Amount = 0, is_last: bool = True
) -> Fraction:
    """Return what is missing to the minimum of a period, zero where nothing is.

    It is due with the last invoice of the period only; what earlier ones billed counts towards it.
    """
    if minimum is None or not is_last:
        return Fraction(0)
    missing = Fraction(minimum) - Fraction(previously_billed) - Fraction(amount)
    return max(missing, Fraction(0))


def capped(amount: Amount, maximum: Amount | None, *, previously_billed: Amount = 0) -> Fraction:
    """Return the amount, or what the maximum of a period leaves after what was already billed."""
    exact = Fraction(amount)
    if maximum is None:
        return exact
    return min(exact, max(Fraction(maximum) - Fraction(previously_billed), Fraction(0)))


def with_overage(amount: Amount, commitment: Commitment) -> Fraction:
    """Return what usage of this amount costs under a commitment, for its period or one of its windows."""
    exact, agreed = Fraction(amount), Fraction(commitment.amount)
    if exact > agreed:
        return agreed + (exact - agreed) * Fraction(commitment.overage_factor)
    return agreed if commitment.true_up else exact
