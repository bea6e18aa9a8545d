"""Which periods of a customer there are to bill, and by which terms: subscriptions in, terms out.

Pure. Periods are in the customer's time zone. Subscriptions whose periods are the same share an invoice, so a
change of plan in the middle of a period is two segments of one invoice.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from farebox.billing.periods.terms import DatedRate, Segment, Terms
from farebox.charges.currencies import exponent_of
from farebox.charges.periods.billing_periods import BillingPeriod, period_at, periods_between
from farebox.charges.periods.subscribed_days import first_charged_day
from farebox.charges.plan import Customer, Discount, Plan, Subscription
from farebox.charges.pricing_plan import is_by_pricing
from farebox.time_expressions import day_start

Subscribed = tuple[Subscription, Plan]
"""A subscription and its version of the plan, the subscription's own terms in it."""


def ended_periods(
    customer: Customer,
    on: Sequence[Subscribed],
    moment_ns: int,
    without: Collection[tuple[int, int]] = (),
) -> list[Terms]:
    """Return the terms of each period that ended by a moment, the oldest first.

    `without` are the bounds of periods that are not wanted: there may be years of them.
    """
    return [terms for terms in _periods(customer, on, moment_ns, without) if terms.until_ns <= moment_ns]


def current_periods(customer: Customer, on: Sequence[Subscribed], moment_ns: int) -> list[Terms]:
    """Return the terms of the periods that a moment is in: what a preview is of."""
    return [terms for terms in _periods(customer, on, moment_ns, newest=True) if terms.until_ns > moment_ns]


def closing_period(customer: Customer, after_ns: int, moment_ns: int) -> Terms | None:
    """Return the last calendar month that ended by a moment, without a plan, where it began after `after_ns`.

    What the record learns of a customer whose subscriptions have ended, and what was carried forward, is
    billed in it; where there is no such thing there is no invoice.
    """
    zone = ZoneInfo(customer.timezone)
    today = datetime.fromtimestamp(moment_ns // 10**9, UTC).astimezone(zone).date()
    until = today.replace(day=1)
    start = (until - timedelta(days=1)).replace(day=1)
    from_ns = day_start(start, zone)
    return _terms(customer, from_ns, day_start(until, zone), ()) if from_ns >= after_ns else None


def _terms(customer: Customer, from_ns: int, until_ns: int, segments: tuple[Segment, ...]) -> Terms:
    return Terms(
        customer=customer.id,
        currency=customer.currency,
        exponent=exponent_of(customer.currency),
        timezone=customer.timezone,
        tax_percent=customer.tax_percent,
        from_ns=from_ns,
        until_ns=until_ns,
        segments=segments,
    )


def _periods(
    customer: Customer,
    on: Sequence[Subscribed],
    moment_ns: int,
    without: Collection[tuple[int, int]] = (),
    *,
    newest: bool = False,
) -> list[Terms]:
    """Return the terms of the periods that began by a moment; of each subscription only the `newest`."""
    zone = ZoneInfo(customer.timezone)
    today = datetime.fromtimestamp(moment_ns // 10**9, UTC).astimezone(zone).date()
    found: dict[BillingPeriod, list[Segment]] = {}
    for said, plan in sorted(on, key=lambda each: (each[0].start, each[0].id)):
        until = (
            today + timedelta(days=1) if said.until is None else min(said.until, today + timedelta(days=1))
        )
        anchor = said.anchor or said.start
        first = _first_charged_day(said, plan, on)
        discounted = _discounted_from(said, on)
        start = max(said.start, until - timedelta(days=1)) if newest else said.start
        periods = periods_between(plan.interval, start, until, anchor) if said.start < until else ()
        for period in periods:
            if without and (day_start(period.start, zone), day_start(period.until, zone)) in without:
                continue
            segment = _segment(customer, said, plan, period, first, discounted)
            if segment is not None:
                found.setdefault(period, []).append(segment)
    return [
        _terms(
            customer,
            day_start(period.start, zone),
            day_start(period.until, zone),
            tuple(sorted(found[period], key=lambda each: (each.from_ns, each.subscription))),
        )
        for period in sorted(found, key=lambda each: (each.until, each.start))
    ]


def _first_charged_day(said: Subscription, plan: Plan, on: Sequence[Subscribed]) -> date:
    """Return the first day that a subscription is charged for; time by `pricing:` uses up no trial."""
    return first_charged_day(said, plan.trial_days, [each for each, its in on if not is_by_pricing(its)])


def _discounted_from(said: Subscription, on: Sequence[Subscribed]) -> date:
    """Return the first charged day on any version of the plan, from which its discounts count invoices."""
    first, plan = next((each, its) for each, its in on if each.id == said.id)
    while True:
        before = [
            (each, its)
            for each, its in on
            if each.until == first.start and each.plan == said.plan and each.start < first.start
        ]
        if not before:
            return _first_charged_day(first, plan, on)
        first, plan = min(before, key=lambda each: each[0].start)


def _segment(
    customer: Customer,
    said: Subscription,
    plan: Plan,
    period: BillingPeriod,
    first: date,
    discounted: date,
) -> Segment | None:
    """Return a subscription's part of a period; None where it is a trial throughout.

    `discounted` is the day from which the plan's discounts count invoices.
    """
    zone = ZoneInfo(customer.timezone)
    charged = period.overlap(first, said.until)
    if charged is None:
        return None
    anchor = said.anchor or said.start
    following = period_at(plan.interval, period.until, anchor)
    next_end = following.until if said.until is None else min(said.until, following.until)
    return Segment(
        subscription=said.id,
        plan=_in_force(plan, period, said, discounted),
        from_ns=day_start(charged.start, zone),
        until_ns=day_start(charged.until, zone),
        days=charged.days,
        of_days=period.days,
        next_days=max((next_end - following.start).days, 0),
        next_of_days=following.days,
        next_until_ns=day_start(next_end, zone) if next_end > following.start else 0,
        dollar_rates=_rates(plan, zone) if customer.currency != "USD" else (),
    )


def _rates(plan: Plan, zone: ZoneInfo) -> tuple[DatedRate, ...]:
    dated = sorted(plan.usd_rates, key=lambda each: each.start)
    return tuple(DatedRate(from_ns=day_start(each.start, zone), rate=str(each.rate)) for each in dated)


def _in_force(plan: Plan, period: BillingPeriod, said: Subscription, discounted: date) -> Plan:
    """Return the plan with the discounts that are in force in a period, and no others."""
    if not plan.discounts and not any(each.discounts for each in plan.charges):
        return plan
    anchor = said.anchor or said.start
    number = sum(1 for _ in periods_between(plan.interval, discounted, period.start, anchor))

    def chosen(discounts: tuple[Discount, ...]) -> tuple[Discount, ...]:
        return tuple(
            each
            for each in discounts
            if (each.start is None or each.start <= period.start)
            and (each.until is None or period.start < each.until)
            and (each.invoices is None or number < each.invoices)
        )

    charges = tuple(replace(each, discounts=chosen(each.discounts)) for each in plan.charges)
    return replace(plan, charges=charges, discounts=chosen(plan.discounts))


def cut(terms: Terms, moment_ns: int) -> Terms:
    """Return the terms of the part of a running period that is over."""
    segments = tuple(
        replace(each, until_ns=min(each.until_ns, moment_ns))
        for each in terms.segments
        if each.from_ns < moment_ns
    )
    return replace(terms, until_ns=moment_ns, segments=segments)
