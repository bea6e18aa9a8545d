"""Tax of fixed rates on the rounded lines of an invoice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Literal

import msgspec

from farebox.charges.rounding import units_of

TaxRounding = Literal["rate", "invoice"]
"""Tax is rounded for each rate, or once for the whole invoice."""


class TaxAmount(msgspec.Struct, frozen=True, kw_only=True):
    """The tax of all lines of one rate, in minor units."""

    percent: Decimal
    base_minor: int
    tax_minor: int


def taxes_of(amounts: Iterable[tuple[Decimal, int]], rounding: TaxRounding = "rate") -> tuple[TaxAmount, ...]:
    """Return the tax of each rate on the sum of the rounded amounts that bear it, the lowest rate first.

    A rate of zero has no entry. Rounded for the whole invoice, the rates share the rounded sum by
    largest remainder.
    """
    bases: dict[Decimal, int] = {}
    for percent, amount in amounts:
        bases[percent] = bases.get(percent, 0) + amount
    rates = sorted(percent for percent in bases if percent)
    exact = [bases[percent] * Fraction(percent) / 100 for percent in rates]
    rounded = [units_of(tax, 0) for tax in exact] if rounding == "rate" else _rounded_once(exact)
    return tuple(
        TaxAmount(percent=percent, base_minor=bases[percent], tax_minor=tax)
        for percent, tax in zip(rates, rounded, strict=True)
    )


def _rounded_once(exact: Sequence[Fraction]) -> list[int]:
    """Return integers that add up to the rounded sum: the largest remainders are rounded up."""
    parts = [floor(each) for each in exact]
    left = units_of(sum(exact, Fraction(0)), 0) - sum(parts)
    for index in sorted(range(len(exact)), key=lambda index: parts[index] - exact[index])[:left]:
        parts[index] += 1
    return parts
