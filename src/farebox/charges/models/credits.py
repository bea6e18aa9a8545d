"""Credit conversion: several quantities become credits, and credits have a price."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

import msgspec


class CreditConversion(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="model", tag="credit_conversion"
):
    """`per` units of a quantity are worth its `credits_per_unit`; a credit costs `credit_price`.

    Without a price the result is a number of credits.
    """

    credits_per_unit: dict[str, Decimal]
    per: Decimal = Decimal(1)
    credit_price: Decimal | None = None

    def total(self, quantities: Mapping[str, Fraction]) -> Fraction:
        """Return what a period's quantities cost, or how many credits they are.

        Raises KeyError for a quantity that is worth no stated number of credits.
        """
        return self.price(self.credits_of(quantities))

    def credits_of(self, quantities: Mapping[str, Fraction]) -> Fraction:
        """Return how many credits quantities are worth; raises KeyError as `total` does."""
        return sum(
            (quantity * Fraction(self.credits_per_unit[name]) for name, quantity in quantities.items()),
            Fraction(0),
        ) / Fraction(self.per)

    def price(self, credits_: Fraction) -> Fraction:
        """Return what credits cost, or their number where they have no price."""
        return credits_ if self.credit_price is None else credits_ * Fraction(self.credit_price)
