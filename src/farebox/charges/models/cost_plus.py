"""Cost-plus: the provider's cost with a markup or a margin."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

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

    def total(self, cost: Fraction) -> Fraction:
        """Return the price of a period's cost, both in the customer's currency."""
        return cost * self.factor + Fraction(self.fixed)

    @property
    def factor(self) -> Fraction:
        """What a unit of cost is charged with.

        Raises ZeroDivisionError for a margin of 100 percent, at which nothing could cost anything.
        """
        if self.multiplier is not None:
            return Fraction(self.multiplier)
        if self.markup_percent is not None:
            return 1 + Fraction(self.markup_percent) / 100
        if self.margin_percent is not None:
            return 1 / (1 - Fraction(self.margin_percent) / 100)
        return Fraction(1)

    def cost_of(self, quantities: Mapping[str, Fraction]) -> Fraction:
        """Return the cost of quantities by the model's own costs of a unit.

        Raises KeyError for a quantity that has none: it does not cost zero.
        """
        costs = self.unit_costs or {}
        return sum((quantity * Fraction(costs[name]) for name, quantity in quantities.items()), Fraction(0))
