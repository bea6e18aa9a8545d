"""Rounding an exact amount, once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, trunc
from typing import Literal

from farebox.pricing.exact import rounded

Amount = Fraction | Decimal | int
"""An exact number. Text and floats are not accepted."""

Mode = Literal["half_up", "half_even", "down", "ceiling", "floor"]
"""`half_up` takes halves away from zero, for negative amounts too; `down` goes towards zero."""


def _half_up(value: Fraction) -> int:
    return rounded(value.numerator, value.denominator)


_INTEGER: dict[Mode, Callable[[Fraction], int]] = {
    "half_up": _half_up,
    "half_even": round,
    "down": trunc,
    "ceiling": ceil,
    "floor": floor,
}


def units_of(amount: Amount, scale: int, mode: Mode = "half_up") -> int:
    """Return how many units of 10 to the minus `scale` an amount comes to: cents with a scale of 2."""
    return _INTEGER[mode](Fraction(amount) * 10**scale)


def round_to(amount: Amount, scale: int, mode: Mode = "half_up") -> Decimal:
    """Return the amount with `scale` decimal places."""
    return decimal_of_units(units_of(amount, scale, mode), scale)


def decimal_of_units(units: int, scale: int) -> Decimal:
    """Return integer units as the decimal they stand for: 1234 of scale 2 is 12.34."""
    return Decimal(f"{units}e{-scale}")


def exact_text(amount: Amount) -> str:
    """Return the shortest exact text: a decimal where there is one, otherwise `numerator/denominator`."""
    value = Fraction(amount)
    places = _decimal_places(value.denominator)
    if places is None:
        return f"{value.numerator}/{value.denominator}"
    digits = value.numerator * 10**places // value.denominator
    return format(decimal_of_units(digits, places), "f")


def _decimal_places(denominator: int) -> int | None:
    """Return how many decimal places a fraction with this denominator needs, None where none are enough."""
    twos = fives = 0
    while denominator % 2 == 0:
        denominator //= 2
        twos += 1
    while denominator % 5 == 0:
        denominator //= 5
        fives += 1
    return max(twos, fives) if denominator == 1 else None
