"""Revenue, provider cost and the margin between them, by customer, agent, model or outcome.

Pure. Revenue is before tax. Margin is revenue less cost; its percentage is of the revenue, unlike a markup,
which is of the cost. What is not priced makes a cost a lower bound, and the margin an upper one; where the
revenue is made of that cost, it is a lower bound, too, and the margin may be either way.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Literal

import msgspec

from farebox.charges.rounding import round_to
from farebox.money import PICO_PER_USD, PicoUsd

By = Literal["customer", "agent", "model", "outcome"]


class Earning(msgspec.Struct, frozen=True, kw_only=True):
    """Revenue of one value, in US dollars."""

    value: str | None
    """None: of no value, as a base fee where agents are asked for."""
    usd: Fraction | None
    """None: in a currency without a rate."""
    unpriced_calls: int = 0
    """Calls without a price in it, or in what it is a part of."""


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """What providers charge for the usage of one value."""

    value: str | None
    cost_pico: PicoUsd
    calls: int = 0
    unpriced_calls: int = 0
    estimated_calls: int = 0


class Margin(msgspec.Struct, frozen=True, kw_only=True):
    """What is earned with one value."""

    value: str | None
    """Empty: usage that states none. None: what belongs to no value."""
    revenue_usd: Fraction | None
    """Exact; None where part of it is in a currency without a rate."""
    cost_pico: PicoUsd
    calls: int
    unpriced_calls: int
    """More than zero: the cost is at least, the margin at most what is here."""
    estimated_calls: int = 0
    revenue_unpriced_calls: int = 0
    """More than zero: the revenue is at least what is here, and the margin may be more or less."""

    @property
    def margin_usd(self) -> Fraction | None:
        """Revenue less cost, exactly."""
        if self.revenue_usd is None:
            return None
        return self.revenue_usd - Fraction(self.cost_pico, PICO_PER_USD)

    @property
    def percent(self) -> Fraction | None:
        """The margin in percent of the revenue; None where there is no revenue."""
        if self.margin_usd is None or not self.revenue_usd:
            return None
        return self.margin_usd * 100 / self.revenue_usd

    def is_below(self, percent: Fraction) -> bool:
        """Tell whether it is below a percentage of the revenue: without revenue, any cost is."""
        if self.margin_usd is None or self.revenue_usd is None:
            return False
        return self.margin_usd * 100 < percent * self.revenue_usd


def margins(earnings: Iterable[Earning], spendings: Iterable[Spending]) -> list[Margin]:
    """Return the margin of each value: the lowest first, what belongs to no value last."""
    revenue: dict[str | None, Fraction | None] = {}
    lacking: dict[str | None, int] = {}
    for earning in earnings:
        lacking[earning.value] = lacking.get(earning.value, 0) + earning.unpriced_calls
        revenue[earning.value] = _both(revenue.get(earning.value, Fraction(0)), earning.usd)
    costs: dict[str | None, Spending] = {}
    for spending in spendings:
        costs[spending.value] = _sum(costs.get(spending.value), spending)
    found = [
        Margin(
            value=value,
            revenue_usd=revenue.get(value, Fraction(0)),
            cost_pico=cost.cost_pico,
            calls=cost.calls,
            unpriced_calls=cost.unpriced_calls,
            estimated_calls=cost.estimated_calls,
            revenue_unpriced_calls=min(lacking.get(value, 0), cost.unpriced_calls),
        )
        for value in [*revenue, *(value for value in costs if value not in revenue)]
        for cost in (costs.get(value) or Spending(value=value, cost_pico=0),)
    ]
    return sorted(found, key=_order)


def total(found: Iterable[Margin]) -> Margin:
    """Return all of them together."""
    revenue: Fraction | None = Fraction(0)
    lacking = 0
    cost = Spending(value=None, cost_pico=0)
    for each in found:
        revenue = _both(revenue, each.revenue_usd)
        lacking += each.revenue_unpriced_calls
        cost = _sum(
            cost,
            Spending(
                value=None,
                cost_pico=each.cost_pico,
                calls=each.calls,
                unpriced_calls=each.unpriced_calls,
                estimated_calls=each.estimated_calls,
            ),
        )
    return Margin(
        value=None,
        revenue_usd=revenue,
        cost_pico=cost.cost_pico,
        calls=cost.calls,
        unpriced_calls=cost.unpriced_calls,
        estimated_calls=cost.estimated_calls,
        revenue_unpriced_calls=lacking,
    )


def percent_text(percent: Fraction | None) -> str | None:
    """Return a percentage with one decimal, half away from zero: `-12.5`."""
    return None if percent is None else f"{round_to(percent, 1):f}"


def _both(one: Fraction | None, other: Fraction | None) -> Fraction | None:
    """Return the sum; what is not known makes it unknown."""
    return None if one is None or other is None else one + other


def _sum(one: Spending | None, other: Spending) -> Spending:
    if one is None:
        return other
    return Spending(
        value=other.value,
        cost_pico=one.cost_pico + other.cost_pico,
        calls=one.calls + other.calls,
        unpriced_calls=one.unpriced_calls + other.unpriced_calls,
        estimated_calls=one.estimated_calls + other.estimated_calls,
    )


def _order(each: Margin) -> tuple[bool, bool, Fraction, str]:
    return (each.value is None, each.margin_usd is None, each.margin_usd or Fraction(0), each.value or "")
