"""Standard: every unit at one price."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec


class Standard(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="model", tag="standard"
):
    """Each `per` units cost `unit`."""

    unit: Decimal
    per: Decimal = Decimal(1)

    def total(self, quantity: Fraction) -> Fraction:
        """Return what a period's quantity costs."""
        return quantity * Fraction(self.unit) / Fraction(self.per)
