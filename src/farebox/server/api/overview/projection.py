"""What a month will come to, from the days before, and how sure that is.

Pure, and in whole numbers: every amount is pico-dollars. A day that is left is expected to cost what such
days have cost: the same weekday where there are two weeks to go by, any day where there are fewer. Eight of
ten months end within the bounds if the days to come vary as the days before did.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import isqrt
from typing import NamedTuple

HISTORY_DAYS = 28
DAYS_MIN = 3
WEEKDAYS_FROM = 14
"""From so many days on, weekdays are told apart."""
_EIGHT_OF_TEN = Fraction(12816, 10000)


class Day(NamedTuple):
    """A whole day that is over."""

    weekday: int
    cost_pico: int


class Left(NamedTuple):
    """What is left of a day: all of it, or less for today."""

    weekday: int
    part: Fraction


class Estimate(NamedTuple):
    """What the month will have cost when it ends."""

    low_pico: int
    likely_pico: int
    high_pico: int


def projected(spent_pico: int, history: Sequence[Day], left: Sequence[Left]) -> Estimate | None:
    """Return what a month comes to; None where there are too few days to go by."""
    if len(history) < DAYS_MIN:
        return None
    by_weekday = len(history) >= WEEKDAYS_FROM
    groups: dict[int, list[int]] = {}
    for day in history:
        groups.setdefault(day.weekday if by_weekday else 0, []).append(day.cost_pico)
    means = {group: Fraction(sum(costs), len(costs)) for group, costs in groups.items()}
    squares = sum((cost - means[group]) ** 2 for group, costs in groups.items() for cost in costs)
    variance = Fraction(squares) / (len(history) - len(groups))
    parts = dict.fromkeys(groups, Fraction())
    for weekday, part in left:
        parts[weekday if by_weekday else 0] += part
    likely = spent_pico + sum((means[group] * part for group, part in parts.items()), Fraction())
    # The days to come vary, and so does the mean that they are expected to have.
    spread = variance * sum(
        (part + part**2 / len(groups[group]) for group, part in parts.items()), Fraction()
    )
    half = int(isqrt(int(spread)) * _EIGHT_OF_TEN)
    middle = int(likely)
    return Estimate(max(middle - half, spent_pico), middle, middle + half)
