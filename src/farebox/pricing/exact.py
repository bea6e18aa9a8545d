"""Exact unit prices: decimal text to integer fractions, and one rounding to a pico-dollar.

A price is kept as the published text with the number of units it covers ("0.111" per
3600 seconds). Multiplying happens in integers, dividing last.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from math import gcd
from typing import NamedTuple

from farebox.money import PICO_PER_USD

DECIMALS_MAX = 24
"""Decimal places a price may have, per single unit."""

DIGITS_MAX = 12
"""Digits a price may have before the point."""

_DECIMAL = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d{1,4})?|[+-]?\.\d+(?:[eE][+-]?\d{1,4})?", re.ASCII)
_SHOWN = Context(prec=28, rounding=ROUND_HALF_EVEN)


class UnitPrice(NamedTuple):
    """Pico-dollars for one unit, as a reduced fraction of integers."""

    numerator: int
    denominator: int

    def times(self, numerator: int, denominator: int) -> UnitPrice:
        """Return this price multiplied by a fraction, reduced."""
        return _reduced(self.numerator * numerator, self.denominator * denominator)


def decimal_from_text(text: str) -> Decimal | None:
    """Return the finite decimal that `text` writes, None where it writes something else.

    Underscores, `inf`, `nan` and exponents beyond four digits are not numbers here.
    """
    stripped = text.strip()
    if not _DECIMAL.fullmatch(stripped):
        return None
    return Decimal(stripped)


def price_problem(text: str) -> str | None:
    """Return what is wrong with the text of a price in US dollars, None where it is fine."""
    value = decimal_from_text(text)
    if value is None:
        return "a decimal number such as 2.50"
    if value < 0:
        return "a price of zero or more"
    if value and value.adjusted() >= DIGITS_MAX:
        return f"at most {DIGITS_MAX} digits before the point"
    if value and _exponent(value) < -DECIMALS_MAX:
        return f"at most {DECIMALS_MAX} decimal places"
    return None


def unit_price(text: str, per: int) -> UnitPrice:
    """Return the price of one unit where `text` US dollars buy `per` of them."""
    numerator, denominator = ratio(Decimal(text))
    return _reduced(numerator * PICO_PER_USD, denominator * per)


def ratio(value: Decimal) -> tuple[int, int]:
    """Return a finite decimal as a fraction of integers."""
    return value.as_integer_ratio()


def shown(text: str, per: int) -> Decimal:
    """Return the price of a single unit for people: exact wherever 28 digits can be.

    The amount of a line is computed from the quotation itself, not from this.
    """
    quoted = Decimal(text)
    return quoted if per == 1 else _SHOWN.divide(quoted, Decimal(per)).normalize(_SHOWN)


def quotient(numerator: int, denominator: int) -> Decimal:
    """Return a fraction as a decimal of at most 28 digits, for people."""
    return _SHOWN.divide(Decimal(numerator), Decimal(denominator)).normalize(_SHOWN)


def rounded(numerator: int, denominator: int) -> int:
    """Return the integer nearest to the fraction, halves away from zero."""
    doubled = (2 * abs(numerator) + denominator) // (2 * denominator)
    return doubled if numerator >= 0 else -doubled


def _reduced(numerator: int, denominator: int) -> UnitPrice:
    common = gcd(numerator, denominator) or 1
    return UnitPrice(numerator // common, denominator // common)


def _exponent(value: Decimal) -> int:
    exponent = value.normalize(Context(prec=100)).as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
