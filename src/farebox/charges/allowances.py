"""Units that cost nothing, and what of them may be carried into the next period."""

from __future__ import annotations

from fractions import Fraction

from farebox.charges.rounding import Amount


def after_rollover(included: Amount, used: Amount, rollover_percent: Amount) -> Fraction:
    """Return what the next period includes: its own units and the unused ones that may be carried.

    At most `rollover_percent` of what a period includes is carried.
    """
    own = Fraction(included)
    unused = max(own - max(Fraction(used), Fraction(0)), Fraction(0))
    return own + min(unused, own * Fraction(rollover_percent) / 100)
