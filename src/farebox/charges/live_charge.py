"""What one call adds to what its customer's plan charges for the running period.

A call is charged the total with it less the total without (`charge_amount`), charge by charge, consuming in
the plan's order as an invoice does; calls of a trial are free, and a part of a period includes as many units
as its invoice does. What belongs to a period as a whole is not part of any call's charge:
base fees, minimums and maximums, commitments, discounts, rolled-over units, taxes. Counts of different users,
agents, tasks or conversations and outcomes are known on the invoice only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from farebox.charges.amounts.allowances import free_units, in_part
from farebox.charges.amounts.charge_amount import Usage, total
from farebox.charges.models import Bucketed, CostPlus, CreditConversion, Percentage
from farebox.charges.periods.billing_periods import period_at
from farebox.charges.periods.subscribed_days import first_charged_day
from farebox.charges.plan import Charge, Customer, Plan, Subscription, effective_plan
from farebox.charges.usage.buckets import bucket_start
from farebox.charges.usage.cells import Cell
from farebox.charges.usage.consumption import BUCKETS, CustomerUsage, consume, dimensions_of
from farebox.money import PICO_PER_USD, PicoUsd
from farebox.pricing.exact import rounded
from farebox.pricing.facts import PeriodShare
from farebox.time_expressions import day_start

_NS = 10**9
_ONE = Fraction(1)


class Seen(NamedTuple):
    """What a charge has seen in a period."""

    quantity: Fraction
    events: int
    """How many calls that was."""


NOTHING = Seen(Fraction(0), 0)
SeenIn = Callable[[str, int], Seen]
"""Charge and beginning of the period to what it has seen."""


def nothing_seen(charge: str, period_ns: int) -> Seen:
    """Return that a charge has seen nothing: a call is then its period's first."""
    return NOTHING


class LiveCharge(NamedTuple):
    """What one call adds."""

    amount_pico: PicoUsd | None
    """In pico-dollars; None where the customer pays in another currency and the plan has no rate for it."""
    shares: tuple[PeriodShare, ...]


class LivePlan:
    """One subscription, with its plan's version. It applies within `[start_ns, end_ns)`."""

    def __init__(
        self,
        customer: Customer,
        plan: Plan,
        subscription: Subscription,
        others: Iterable[Subscription] = (),
    ) -> None:
        """`others` are the customer's subscriptions: a trial was used up with an earlier one."""
        self.plan = effective_plan(plan, subscription.overrides)
        self.subscription = subscription
        self.name = f"{plan.name}@{plan.version}"
        """`pro@3`, as calls name what charged them."""
        self.zone = ZoneInfo(customer.timezone)
        self.currency = plan.currency or customer.currency
        self.start_ns = day_start(subscription.start, self.zone)
        self.end_ns = 2**63 - 1 if subscription.until is None else day_start(subscription.until, self.zone)
        self._first = first_charged_day(subscription, self.plan.trial_days, others)
        self.charged_from_ns = day_start(self._first, self.zone)
        """When the trial ends: calls before are free of charge."""
        self._due: dict[tuple[str, int], Charge] = {}
        self.dimensions = dimensions_of(self.plan.charges)
        """What decides which charges a call comes under."""
        self._ids = {f"{subscription.id}/{self.name}/{charge.name}": charge for charge in self.plan.charges}
        self._period: tuple[int, int] = (0, 0)

    def charge(self, call: Cell, seen: SeenIn) -> LiveCharge:
        """Return what a call adds; `start_ns` of its cell is when it occurred."""
        at_ns = call.start_ns or 0
        if at_ns < self.charged_from_ns:
            return LiveCharge(0, ())
        shares: list[PeriodShare] = []
        for (identity, charge), quantity in zip(
            self._ids.items(), consumed(self.plan.charges, call), strict=True
        ):
            if charge.meter == "cost":
                quantity *= self._of_a_dollar(at_ns)
            if quantity:
                shares.append(PeriodShare(identity, self.began(charge, at_ns), str(quantity), call.calls))
        return LiveCharge(self.amount_of(shares, seen), tuple(shares))

    def amount_of(self, shares: Sequence[PeriodShare], seen: SeenIn) -> PicoUsd | None:
        """Return what shares cost after what was seen; None as for `LiveCharge`."""
        amount = 0
        for share in shares:
            charge = self._ids.get(share.charge)
            if charge is None:
                continue
            factor = self.dollars(max(share.period_ns, self.charged_from_ns))
            if factor is None:
                return None
            before = seen(share.charge, share.period_ns)
            more = Fraction(share.quantity)
            after = Seen(before.quantity + more, before.events + share.events)
            due = self._in_period(charge, share.period_ns)
            amount += _pico(_total(due, after) * factor) - _pico(_total(due, before) * factor)
        return amount

    def began(self, charge: Charge, at_ns: int) -> int:
        """Return when that began which a charge is rated over: the period, or its hour or day."""
        if charge.bucket is not None:
            return bucket_start(at_ns, charge.bucket, self.zone)
        return self.period(at_ns)[0]

    def period(self, at_ns: int) -> tuple[int, int]:
        """Return when the billing period around a moment begins and ends."""
        start, end = self._period
        if not start <= at_ns < end:
            day = _moment(at_ns).astimezone(self.zone).date()
            anchor = self.subscription.anchor or self.subscription.start
            self._period = start, end = period_at(self.plan.interval, day, anchor).bounds_ns(self.zone)
        return start, end

    def _in_period(self, charge: Charge, period_ns: int) -> Charge:
        """Return a charge with the units that its days of a period include, as an invoice has them."""
        if not free_units(charge) or charge.bucket is not None:
            return charge
        found = self._due.get((charge.name, period_ns))
        if found is None:
            day = _moment(period_ns).astimezone(self.zone).date()
            anchor = self.subscription.anchor or self.subscription.start
            period = period_at(self.plan.interval, day, anchor)
            charged = period.overlap(self._first, self.subscription.until)
            part = Fraction(0 if charged is None else charged.days, period.days)
            found = self._due[charge.name, period_ns] = in_part(charge, part)
        return found

    def _of_a_dollar(self, at_ns: int) -> Fraction:
        """Return what a dollar of cost is in the plan's currency; zero where no rate says it."""
        if self.currency == "USD":
            return _ONE
        day = _moment(at_ns).astimezone(self.zone).date()
        rates = [each.rate for each in self.plan.usd_rates if each.start <= day]
        return Fraction(rates[-1] if rates else Decimal(0))

    def dollars(self, at_ns: int) -> Fraction | None:
        """Return what a unit of the plan's currency is in dollars, None where no rate says it."""
        rate = self._of_a_dollar(at_ns)
        return _ONE / rate if rate else None


def consumed(charges: Sequence[Charge], call: Cell) -> list[Fraction]:
    """Return what each charge takes of one call, in order: tokens, calls, seconds, or dollars of cost."""
    found = consume(charges, CustomerUsage(cells=dict.fromkeys(BUCKETS, (call,))))
    return [each.quantity for each in found.charges]


def _total(charge: Charge, seen: Seen) -> Fraction:
    model = charge.model
    quantity = seen.quantity
    if isinstance(model, Percentage):
        return total(charge, Usage(events=(quantity,)))
    if isinstance(model, Bucketed):
        return total(charge, Usage(buckets={"": quantity}))
    if isinstance(model, CreditConversion) or (isinstance(model, CostPlus) and model.unit_costs is not None):
        named = model.credits_per_unit if isinstance(model, CreditConversion) else model.unit_costs or {}
        return total(charge, Usage(quantities={charge.meter: quantity} if charge.meter in named else {}))
    return total(charge, Usage(quantity=quantity))


def _pico(amount: Fraction) -> PicoUsd:
    amount *= PICO_PER_USD
    return rounded(amount.numerator, amount.denominator)


def _moment(at_ns: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_ns // 1000)
