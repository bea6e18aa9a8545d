"""Volume: all units at the price of the tier in which their total falls."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from farebox.charges.models.tiers import Boundary, Tier


class Volume(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="model", tag="volume"):
    """All units at one tier's price: more usage can make the whole period cheaper."""

    tiers: tuple[Tier, ...]
    per: Decimal = Decimal(1)
    boundary: Boundary = "inclusive"
    first_flat_at_zero: bool = False
