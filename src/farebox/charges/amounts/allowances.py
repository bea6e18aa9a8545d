"""Units that cost nothing, and what of them may be carried into the next period."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from msgspec.structs import replace

from farebox.charges.plan import Charge
from farebox.charges.rounding import Amount


def free_units(charge: Charge) -> Fraction:
    """Return how many units of a period cost nothing."""
    included = Fraction(charge.included)
    return included + Fraction(charge.usage_discount) if charge.usage_discount else included


def in_part(charge: Charge, part: Fraction, carried: Amount = 0) -> Charge:
    """Return a charge with the units that are free in a part of its period, and those carried into it.

    Of one that rates hours or days by themselves each has its own units, whatever the period. They are
    fractions: what rating makes of them is exact.
    """
    if charge.bucket is not None:
        return charge
    included: Any = Fraction(charge.included) * part + Fraction(carried)
    more: Any = Fraction(charge.usage_discount) * part
    return replace(charge, included=included, usage_discount=more)


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
