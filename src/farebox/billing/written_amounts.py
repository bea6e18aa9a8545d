"""Amounts as people write and read them: decimal text in a currency, integers of its minor unit inside."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from farebox.billing.documents.amounts import amount_text
from farebox.billing.journal.entries import AMOUNT_MAX
from farebox.charges.currencies import exponent_of
from farebox.errors import UsageError

_CHARACTERS_MAX, _DIGITS_MAX = 40, 16


def minor_of(text: str, currency: str) -> int:
    """Return what decimal text comes to in minor units.

    Raises:
        UsageError: It is no amount, is too large, or has more decimals than the currency.
    """
    exponent = exponent_of(currency)
    try:
        amount = Decimal(text.strip()) if len(text) <= _CHARACTERS_MAX else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite():
        raise UsageError(f"{text[:_CHARACTERS_MAX]!r} is no amount; write one as 25.00")
    if amount.adjusted() >= _DIGITS_MAX:
        raise UsageError(f"{text} is too large")
    units = amount.scaleb(exponent)
    if units != units.to_integral_value():
        raise UsageError(f"{text} has more decimals than {currency}, which has {exponent}")
    if abs(units) > AMOUNT_MAX:
        raise UsageError(f"{text} is too large")
    return int(units)


def amount_of(minor: int, currency: str) -> str:
    """Return minor units as decimal text: `12.34`."""
    return amount_text(minor, exponent_of(currency))
