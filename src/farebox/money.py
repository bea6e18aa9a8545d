"""Exact money: integer pico-dollars for cost, decimal text wherever it leaves Python.

A pico-dollar is 10⁻¹² USD. Nothing here accepts or returns a float.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

PicoUsd = int
"""An amount in 10⁻¹² US dollars."""

PICO_PER_USD = 10**12
PICO_PER_MICRO = 10**6
INT64_MAX = 2**63 - 1

_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)


def pico_from_usd(amount: Decimal | str | int) -> PicoUsd:
    """Return `amount` US dollars in pico-dollars, half away from zero."""
    with localcontext(_EXACT):
        scaled = Decimal(amount).scaleb(12).quantize(Decimal(1), rounding=ROUND_HALF_UP)
        return int(scaled)


def usd_text(amount: PicoUsd) -> str:
    """Return the shortest exact decimal text of `amount` in US dollars: `"0.00125"`."""
    sign = "-" if amount < 0 else ""
    whole, fraction = divmod(abs(amount), PICO_PER_USD)
    if not fraction:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction:012d}".rstrip("0")


def display_usd(amount: PicoUsd) -> str:
    """Return `amount` for people: cents from $1 up, four significant digits below."""
    sign = "-" if amount < 0 else ""
    magnitude = abs(amount)
    if magnitude == 0:
        return "$0.00"
    usd = Decimal(magnitude).scaleb(-12)
    if usd >= 1:
        cents = usd.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
        return f"{sign}${cents:,}"
    digits = 4 - 1 - usd.adjusted()
    rounded = usd.quantize(Decimal(1).scaleb(-min(digits, 12)), rounding=ROUND_HALF_UP)
    if rounded >= 1:
        return f"{sign}$1.00"
    text = format(rounded, "f").rstrip("0")
    decimals = len(text.partition(".")[2])
    if decimals < 2:
        text = format(rounded, ".2f")
    return f"{sign}${text}"
