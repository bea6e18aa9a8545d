"""Package: a price for every started package."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Literal

import msgspec


class Package(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="model", tag="package"
):
    """Each `size` units cost `amount`; a started package is a whole one unless rounded down."""

    size: Decimal
    amount: Decimal
    rounding: Literal["up", "down"] = "up"

    def total(self, quantity: Fraction) -> Fraction:
        """Return what a period's quantity costs."""
        packages = quantity / Fraction(self.size)
        return (floor(packages) if self.rounding == "down" else ceil(packages)) * Fraction(self.amount)
