"""Graduated: each tier's units at that tier's price."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec

from farebox.charges.models.tiers import Boundary, PercentageTier, Tier, entered


class Graduated(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="model", tag="graduated"
):
    """Each unit at the price of the tier it falls in."""

    tiers: tuple[Tier, ...]
    per: Decimal = Decimal(1)
    boundary: Boundary = "inclusive"
    first_flat_at_zero: bool = False
    """The first tier's flat amount is due without usage."""

    def total(self, quantity: Fraction) -> Fraction:
        """Return what a period's quantity costs."""
        is_flat_due = quantity > 0 or self.first_flat_at_zero
        return sum(
            (
                tier.price(units, self.per) + (Fraction(tier.flat) if is_flat_due else 0)
                for tier, units in entered(self.tiers, quantity, self.boundary)
            ),
            Fraction(0),
        )


class GraduatedPercentage(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="model",
    tag="graduated_percentage",
):
    """Each part of an amount at the percentage of the tier it falls in."""

    tiers: tuple[PercentageTier, ...]
    boundary: Boundary = "inclusive"
    first_flat_at_zero: bool = False
    """The first tier's flat amount is due without usage."""

    def total(self, quantity: Fraction) -> Fraction:
        """Return the percentages of a period's amount."""
        is_flat_due = quantity > 0 or self.first_flat_at_zero
        return sum(
            (
                tier.price(units) + (Fraction(tier.flat) if is_flat_due else 0)
                for tier, units in entered(self.tiers, quantity, self.boundary)
            ),
            Fraction(0),
        )
