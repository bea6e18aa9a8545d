"""Tiers: the steps of graduated and volume prices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Literal, TypeVar

import msgspec

Boundary = Literal["inclusive", "lower_inclusive"]
"""To which tier exactly `up_to` belongs: to this one (`inclusive`), or to the next one."""


class Tier(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of a tiered price; the last one has no `up_to`."""

    up_to: Decimal | None = None
    unit: Decimal = Decimal(0)
    """Price of `per` units of the model, or of one started package."""
    flat: Decimal = Decimal(0)
    """Due once usage enters the tier."""
    package_size: Decimal | None = None

    def price(self, units: Fraction, per: Decimal) -> Fraction:
        """Return what units cost in this tier, without its flat amount."""
        if self.package_size is not None:
            return ceil(units / Fraction(self.package_size)) * Fraction(self.unit)
        price = units * Fraction(self.unit)
        return price if per == 1 else price / Fraction(per)


class PercentageTier(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of a graduated percentage, over an amount of money."""

    up_to: Decimal | None = None
    rate_percent: Decimal = Decimal(0)
    flat: Decimal = Decimal(0)

    def price(self, units: Fraction) -> Fraction:
        """Return the percentage of a part of the amount, without the tier's flat amount."""
        return units * Fraction(self.rate_percent) / 100


AnyTier = TypeVar("AnyTier", Tier, PercentageTier)


def entered(
    tiers: Sequence[AnyTier], quantity: Fraction, boundary: Boundary
) -> Iterator[tuple[AnyTier, Fraction]]:
    """Yield each tier that a quantity enters, with the units that fall in it.

    The first one is always entered. The last one has no end, also where an `up_to` was written.
    """
    start = Fraction(0)
    for index, tier in enumerate(tiers):
        is_last = index == len(tiers) - 1
        end = None if tier.up_to is None or is_last else Fraction(tier.up_to)
        top = quantity if end is None else min(end, quantity)
        yield tier, max(top - start, Fraction(0))
        if end is None or not _is_beyond(quantity, end, boundary):
            return
        start = end


def tier_of(tiers: Sequence[AnyTier], quantity: Fraction, boundary: Boundary) -> AnyTier:
    """Return the tier in which a quantity falls as a whole; the last one has no end."""
    for tier in tiers[:-1]:
        if tier.up_to is None or not _is_beyond(quantity, Fraction(tier.up_to), boundary):
            return tier
    return tiers[-1]


def _is_beyond(quantity: Fraction, end: Fraction, boundary: Boundary) -> bool:
    return quantity > end or (quantity == end and boundary == "lower_inclusive")
