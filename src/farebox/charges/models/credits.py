"""Credit conversion: several quantities become credits, and credits have a price."""

from __future__ import annotations

from decimal import Decimal

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
