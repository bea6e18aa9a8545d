"""Cost-plus: the provider's cost with a markup or a margin."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class CostPlus(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="model", tag="cost_plus"
):
    """The cost times `multiplier`, plus `markup_percent` of it, or with `margin_percent` of the price.

    At most one of the three is given; none of them charges the cost itself. `unit_costs` replaces
    the ledger's cost by own costs of a unit, named by the quantity they are for.
    """

    multiplier: Decimal | None = None
    markup_percent: Decimal | None = None
    margin_percent: Decimal | None = None
    fixed: Decimal = Decimal(0)
    unit_costs: dict[str, Decimal] | None = None
