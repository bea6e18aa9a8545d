"""Graduated: each tier's units at that tier's price."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from farebox.charges.models.tiers import Boundary, PercentageTier, Tier


class Graduated(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="model", tag="graduated"
):
    """Each unit at the price of the tier it falls in."""

    tiers: tuple[Tier, ...]
    per: Decimal = Decimal(1)
    boundary: Boundary = "inclusive"
    first_flat_at_zero: bool = False


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
