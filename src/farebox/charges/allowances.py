"""Units that cost nothing, and what of them may be carried into the next period."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from farebox.charges.plan import Charge
from farebox.charges.rounding import Amount


def free_units(charge: Charge) -> Fraction:
    """Return how many units of a period cost nothing."""
    included = Fraction(charge.included)
    return included + Fraction(charge.usage_discount) if charge.usage_discount else included


def less_free(amounts: Sequence[Fraction], free: Fraction) -> tuple[Fraction, ...]:
    """Return what each of several amounts has left when what is free is used up in their order.

    What a negative amount gives back may be used again, so that parts of a period add up.
    """
    left: list[Fraction] = []
    seen = charged = Fraction(0)
    for amount in amounts:
        seen += amount
        due = max(seen - free, Fraction(0))
        left.append(due - charged)
        charged = due
    return tuple(left)


def after_rollover(included: Amount, used: Amount, rollover_percent: Amount) -> Fraction:
    """Return what the next period includes: its own units and the unused ones that may be carried.

    At most `rollover_percent` of what a period includes is carried.
    """
    own = Fraction(included)
    unused = max(own - max(Fraction(used), Fraction(0)), Fraction(0))
    return own + min(unused, own * Fraction(rollover_percent) / 100)
