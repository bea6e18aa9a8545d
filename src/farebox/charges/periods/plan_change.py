"""A change of plan within a period: what the old one gives back, and what the new one costs."""

from __future__ import annotations

import msgspec

from farebox.charges.periods.proration import prorated
from farebox.charges.rounding import Amount, units_of


class PlanChange(msgspec.Struct, frozen=True):
    """Two lines in minor units, each rounded by itself."""

    credit_minor: int
    charge_minor: int

    @property
    def net_minor(self) -> int:
        return self.charge_minor - self.credit_minor


def plan_change(
    old: Amount,
    new: Amount,
    remaining_days: int,
    days_in_period: int,
    exponent: int,
    *,
    credit_cap: Amount | None = None,
) -> PlanChange:
    """Return the lines of a change; the day of the change belongs to the new plan.

    The credit is at most `credit_cap`: what was paid for the period.
    """
    credit = units_of(prorated(old, remaining_days, days_in_period), exponent)
    if credit_cap is not None:
        credit = min(credit, units_of(credit_cap, exponent))
    return PlanChange(credit, units_of(prorated(new, remaining_days, days_in_period), exponent))
