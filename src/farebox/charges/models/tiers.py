"""Tiers: the steps of graduated and volume prices."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

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


class PercentageTier(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of a graduated percentage, over an amount of money."""

    up_to: Decimal | None = None
    rate_percent: Decimal = Decimal(0)
    flat: Decimal = Decimal(0)
