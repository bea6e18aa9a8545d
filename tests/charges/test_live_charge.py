"""What calls are charged at once is what their invoice comes to: in trials and parts of periods too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.billing.invoices.billed_customers import ACME, MARKUP, REST, USD, Billed, at, subscription
from tests.billing.usage_in_memory import call

from farebox.budgets.plan_bounds import most_charged
from farebox.charges.customer_terms import CustomerTerms
from farebox.charges.highest_charge import highest_amount
from farebox.charges.live_charge import NOTHING, Seen
from farebox.charges.models import Bucketed, Graduated, Percentage, Standard
from farebox.charges.models.tiers import Tier
from farebox.charges.plan import Charge, DollarRate, Plan, Subscription
from farebox.home import Home


@pytest.fixture
def home(away_from_home: Path) -> Home:
    place = Home(away_from_home)
    place.prepare()
    return place


UTC = replace(ACME, timezone="UTC", tax_percent=Decimal(0))
CALLS = Charge(name="Calls", meter="calls", model=Standard(unit=Decimal(1)), included=Decimal(10))
PLAN = Plan(name="pro", version=1, charges=(CALLS,))
DAYS = range(1, 31)
CALLED = [f"2026-11-{day:02}T12:00" for day in DAYS]
TIERS = Graduated(tiers=(Tier(up_to=Decimal(5), unit=Decimal(3)), Tier(unit=Decimal(1))))


def live_and_invoiced(
    home: Home,
    *on: tuple[Plan, Subscription],
    currency: str = "USD",
    zone: str = "UTC",
    moments: Sequence[str] = CALLED,
) -> tuple[int, int]:
    """Return what November's calls, one a day, are charged one by one and on their invoice, in cents."""
    customer = replace(UTC, currency=currency, timezone=zone)
    billed = Billed(home, *(plan for plan, _ in on), customers=(customer,))
    billed.subscribe(*(said for _, said in on))
    terms = CustomerTerms((), (customer,), [plan for plan, _ in on], [said for _, said in on])
    seen: dict[tuple[str, int], Seen] = {}

    def seen_in(charge: str, period_ns: int) -> Seen:
        return seen.get((charge, period_ns), NOTHING)

    pico = 0
    for moment in moments:
        used = call("acme", at(moment), output_cost_pico=USD)
        billed.usage.add(used)
        plan = terms.plan_of("acme", used.start_ns or 0)
        if plan is None:
            continue
        found = plan.charge(used, seen_in)
        assert found.amount_pico is not None
        assert found.amount_pico <= (highest_amount(plan, used) or 0)
        pico += found.amount_pico
        for share in found.shares:
            before = seen_in(share.charge, share.period_ns)
            seen[share.charge, share.period_ns] = Seen(
                before.quantity + Fraction(share.quantity), before.events + share.events
            )
    made = billed.invoice("2026-12-04T00:00")
    return round(pico / (USD // 100)), made.total_minor


NOV, MIDDLE, LATE = date(2026, 11, 1), date(2026, 11, 16), date(2026, 11, 25)


def test_calls_of_a_trial_are_free_at_once_too(home: Home) -> None:
    plan = replace(PLAN, trial_days=10)
    assert live_and_invoiced(home, (plan, subscription(plan, NOV))) == (1333, 1333)  # 20 calls, 6.67 included
    terms = CustomerTerms((), (UTC,), (plan,), (subscription(plan, NOV),))
    live = terms.plan_of("acme", at("2026-11-05T00:00"))
    assert live is not None
    trial = at("2026-11-10T23:59")
    assert highest_amount(live, call("acme", trial)) == 0
    held = most_charged(live, {}, None, trial)
    assert held is not None and held.amount(1000, 1000) == 0
    assert terms.end_ns("acme", trial) == at("2026-11-11T00:00"), (
        "what a budget holds is looked at again then"
    )


def test_a_change_of_plan_brings_no_second_trial_at_once_either(home: Home) -> None:
    first, second = replace(PLAN, trial_days=10), replace(PLAN, version=2, trial_days=10)
    on = ((first, subscription(first, NOV, MIDDLE)), (second, subscription(second, MIDDLE)))
    assert live_and_invoiced(home, *on) == (1333, 1333)


@pytest.mark.parametrize(
    "charge",
    [
        CALLS,
        replace(CALLS, usage_discount=Decimal(20)),
        replace(CALLS, model=TIERS),
        replace(
            CALLS, model=Bucketed(inner=Standard(unit=Decimal(2))), bucket="day", included=Decimal("0.5")
        ),
        Charge(name="Fee", meter="cost", model=Percentage(rate_percent=Decimal(50)), included=Decimal(15)),
    ],
    ids=["included", "discounted", "tiers", "buckets", "percentage"],
)
@pytest.mark.parametrize("start", [NOV, MIDDLE, LATE])
def test_a_part_of_a_month_includes_as_much_at_once_as_on_the_invoice(
    home: Home, charge: Charge, start: date
) -> None:
    plan = replace(PLAN, charges=(charge,))
    at_once, invoiced = live_and_invoiced(home, (plan, subscription(plan, start)))
    assert at_once == invoiced
    whole = sum(1 for day in DAYS if date(2026, 11, day) >= start)
    if charge is CALLS:
        assert invoiced == Fraction(whole - Fraction(10 * whole, 30)) * 100


def test_a_rate_that_begins_with_the_subscription_in_mid_month_is_enough(home: Home) -> None:
    plan = replace(MARKUP, charges=(REST,), usd_rates=(DollarRate(start=MIDDLE, rate=Decimal("0.5")),))
    at_once, invoiced = live_and_invoiced(home, (plan, subscription(plan, MIDDLE)), currency="EUR")
    assert (at_once, invoiced) == (1800, 900)  # dollars, and euros at two dollars each


def test_hours_begin_by_the_customers_clock_at_once_too(home: Home) -> None:
    """In Kolkata an hour begins 30 minutes after those of UTC."""
    charge = replace(CALLS, model=Bucketed(inner=TIERS), bucket="hour", included=Decimal(0))
    plan = replace(PLAN, charges=(charge,))
    moments = [f"2026-11-05T12:{minute}" for minute in (10, 15, 20, 25, 35, 40, 45, 50)]
    on = ((plan, subscription(plan, NOV)),)
    assert live_and_invoiced(home, *on, zone="Asia/Kolkata", moments=moments) == (2400, 2400)
