"""A part of a period's amount, for a part of the period."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction

from farebox.charges.rounding import Amount


def prorated(amount: Amount, days: int, days_in_period: int) -> Fraction:
    """Return the amount for some days of a period, exactly.

    Raises ValueError for a period without days.
    """
    if days_in_period <= 0:
        raise ValueError("a period has at least one day")
    return Fraction(amount) * Fraction(days, days_in_period)


def prorated_by_time(amount: Amount, period_start: datetime, period_end: datetime, at: datetime) -> Fraction:
    """Return the amount for what is left of a period at an instant, by the time it is.

    Raises ValueError for a period that does not end after it starts.
    """
    if period_end <= period_start:
        raise ValueError("a period ends after it starts")
    length, left = period_end - period_start, period_end - at
    tick = timedelta(microseconds=1)
    return Fraction(amount) * Fraction(left // tick, length // tick)
