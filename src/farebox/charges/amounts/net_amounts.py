"""What discounts, minimum and maximum make of the lines of a plan: the one place that applies them.

Amounts are in major units, exact with `exponent=None`. With the exponent of a currency, lines come in whole
minor units, and every amount that concerns several of them is rounded once and shared by largest remainder.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from farebox.charges.amounts.commitments import capped, top_up
from farebox.charges.amounts.discounts import on_unit, shared_by, taken_off
from farebox.charges.plan import Discount
from farebox.charges.rounding import Amount


class LineAmount(msgspec.Struct, frozen=True, kw_only=True):
    """A line before discounts."""

    amount: Fraction
    charge: str = ""
    """What discounts limited to a charge look at."""
    discounts: tuple[Discount, ...] = ()
    """The line's own, in the order they are taken."""
    is_bounded: bool = True
    """Counts towards minimum and maximum: what is of another period does not."""


class NetAmounts(msgspec.Struct, frozen=True, kw_only=True):
    """What each step takes off lines, above zero, line by line; and what the minimum adds."""

    own_discounts: tuple[Fraction, ...]
    discounts: tuple[Fraction, ...]
    above_maximum: tuple[Fraction, ...]
    top_up: Fraction


def net_amounts(
    lines: Sequence[LineAmount],
    discounts: Sequence[Discount],
    *,
    minimum: Amount | None,
    maximum: Amount | None,
    previously_billed: Amount = 0,
    is_last: bool = True,
    exponent: int | None = None,
) -> NetAmounts:
    """Return the steps from lines to what is due before tax: each line's own discounts, those of all, bounds.

    `previously_billed` of the same period counts towards minimum and maximum; the minimum is due with the
    last bill of a period only.
    """
    own = [_own(line, exponent) for line in lines]
    left = [line.amount - off for line, off in zip(lines, own, strict=True)]
    taken = [Fraction(0)] * len(lines)
    for discount in discounts:
        covered = [
            each if not discount.charges or line.charge in discount.charges else Fraction(0)
            for line, each in zip(lines, left, strict=True)
        ]
        for at, off in enumerate(taken_off(covered, discount, exponent)):
            taken[at] += off
            left[at] -= off
    bounded = [each if line.is_bounded else Fraction(0) for line, each in zip(lines, left, strict=True)]
    net = sum(bounded, Fraction(0))
    missing = top_up(net, minimum, previously_billed=previously_billed, is_last=is_last)
    added = on_unit(missing, exponent)
    allowed = on_unit(capped(net + added, maximum, previously_billed=previously_billed), exponent)
    above = net + added - allowed
    both = min(added, above)
    return NetAmounts(
        own_discounts=tuple(own),
        discounts=tuple(taken),
        above_maximum=tuple(shared_by(above - both, bounded, exponent)),
        top_up=added - both,
    )


def _own(line: LineAmount, exponent: int | None) -> Fraction:
    taken = Fraction(0)
    for discount in line.discounts:
        taken += taken_off([line.amount - taken], discount, exponent)[0]
    return taken
