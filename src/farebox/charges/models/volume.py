"""Volume: all units at the price of the tier in which their total falls."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec

from farebox.charges.models.tiers import Boundary, Tier, tier_of


class Volume(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="model", tag="volume"):
    """All units at one tier's price: more usage can make the whole period cheaper."""

    tiers: tuple[Tier, ...]
    per: Decimal = Decimal(1)
    boundary: Boundary = "inclusive"
    first_flat_at_zero: bool = False
    """The first tier's flat amount is due without usage."""

    def total(self, quantity: Fraction, billed: Fraction | None = None) -> Fraction:
        """Return what a period's quantity costs; `billed` units, where given, at the tier of `quantity`."""
        tier = tier_of(self.tiers, quantity, self.boundary)
        is_flat_due = quantity > 0 or self.first_flat_at_zero
        price = tier.price(quantity if billed is None else billed, self.per)
        return price + (Fraction(tier.flat) if is_flat_due else 0)
