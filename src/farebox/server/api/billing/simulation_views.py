"""Simulations as the API and `farebox simulate --json` show them. Amounts are decimal text, before tax."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from farebox.billing.margin.margin import percent_text
from farebox.charges.rounding import decimal_of_units
from farebox.money import usd_text

if TYPE_CHECKING:
    from farebox.billing.simulation.difference import CustomerDifference
    from farebox.billing.simulation.simulation import Simulation

Text = str
"""Decimal text."""


class SimulatedCharge(msgspec.Struct, kw_only=True):
    """A charge of which a customer pays another amount."""

    charge: str
    before: Text
    after: Text


class SimulatedCustomer(msgspec.Struct, kw_only=True):
    """What changes for one customer."""

    customer: str
    currency: str
    before: Text
    after: Text
    difference: Text
    """Positive: the customer pays more."""
    percent: Text | None
    """Of the amount before, to one decimal; None where that was zero."""
    charges: list[SimulatedCharge]
    """Those that change, the largest change first."""
    cost_before_usd: Text
    cost_after_usd: Text
    unpriced_before: int
    """Calls without a price: amounts that depend on cost are lower bounds."""
    unpriced_after: int


class SimulatedTotal(msgspec.Struct, kw_only=True):
    """All customers of one currency."""

    currency: str
    before: Text
    after: Text
    difference: Text
    unpriced_before: int
    """Calls without a price: the amounts may be lower bounds."""
    unpriced_after: int
    pay_more: int
    pay_less: int
    pay_the_same: int


class BillingSimulation(msgspec.Struct, kw_only=True):
    """`/api/v1/simulation`, `farebox simulate --json`. Nothing of it is saved."""

    schema: str = "farebox.simulation/1"
    since: str
    """The billing periods that begin on this local date of each customer or later, and"""
    until: str
    """before this one."""
    as_of_seq: int
    """The newest row of the record that is in it."""
    changes: list[str]
    """What is different, a sentence each."""
    statements: list[str]
    """What it does not take into account, a sentence each."""
    customers: list[SimulatedCustomer]
    """Who pays most more first, who pays most less last."""
    totals: list[SimulatedTotal]
    cost_before_usd: Text
    """What providers charge for all of it."""
    cost_after_usd: Text


def simulation_view(found: Simulation, changes: list[str], statements: list[str]) -> BillingSimulation:
    """Return a simulation as it is shown."""
    return BillingSimulation(
        since=found.since.isoformat(),
        until=found.until.isoformat(),
        as_of_seq=found.as_of_seq,
        changes=changes,
        statements=statements,
        customers=[_customer(each) for each in found.customers],
        totals=[
            SimulatedTotal(
                currency=each.currency,
                before=_amount(each.before_minor, each.exponent),
                after=_amount(each.after_minor, each.exponent),
                difference=_amount(each.after_minor - each.before_minor, each.exponent),
                unpriced_before=each.unpriced_before,
                unpriced_after=each.unpriced_after,
                pay_more=each.pay_more,
                pay_less=each.pay_less,
                pay_the_same=each.pay_the_same,
            )
            for each in found.totals
        ],
        cost_before_usd=usd_text(found.cost_before_pico),
        cost_after_usd=usd_text(found.cost_after_pico),
    )


def _customer(each: CustomerDifference) -> SimulatedCustomer:
    return SimulatedCustomer(
        customer=each.customer,
        currency=each.currency,
        before=_amount(each.before_minor, each.exponent),
        after=_amount(each.after_minor, each.exponent),
        difference=_amount(each.difference_minor, each.exponent),
        percent=percent_text(each.percent),
        charges=[
            SimulatedCharge(
                charge=charge.charge,
                before=_amount(charge.before_minor, each.exponent),
                after=_amount(charge.after_minor, each.exponent),
            )
            for charge in each.charges
        ],
        cost_before_usd=usd_text(each.cost_before_pico),
        cost_after_usd=usd_text(each.cost_after_pico),
        unpriced_before=each.unpriced_before,
        unpriced_after=each.unpriced_after,
    )


def _amount(minor: int, exponent: int) -> Text:
    return f"{decimal_of_units(minor, exponent):f}"
