"""What a plan has once for a period, base fees in advance, commitments, buckets and rates on invoices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from msgspec.structs import replace
from tests.billing.invoices.billed_customers import ACME, MARKUP, REST, USD, Billed, at, subscription
from tests.billing.usage_in_memory import call

from farebox.billing.documents.document import Invoice
from farebox.charges.models import Bucketed, CostPlus, Graduated, Standard
from farebox.charges.models.tiers import Tier
from farebox.charges.plan import AddOn, Charge, Commitment, Discount, DollarRate, Plan
from farebox.home import Home

NOV, MIDDLE, DEC = date(2026, 11, 1), date(2026, 11, 16), date(2026, 12, 1)
UTC = replace(ACME, timezone="UTC", tax_percent=Decimal(0))
CALLS = Charge(name="Calls", meter="calls", model=Standard(unit=Decimal(1)))
PLAN = Plan(name="pro", version=1, charges=(CALLS,))
TENTH = Discount(kind="percentage", value=Decimal(10))


def lines(invoice: Invoice) -> list[tuple[str, str, int]]:
    return [(line.kind, line.title, line.amount_minor) for line in invoice.lines]


def changed(home: Home, first: Plan, **later: Any) -> Billed:
    """Return a customer who went over to another version in the middle of November."""
    second = replace(first, version=2, **later)
    on = Billed(home, first, second, customers=(UTC,))
    on.subscribe(subscription(first, NOV, MIDDLE), subscription(second, MIDDLE))
    return on


@pytest.mark.parametrize(("later", "due"), [("100", 10_000), ("50", 7_500)])
def test_an_add_on_is_due_once_where_the_version_changes_in_mid_month(
    home: Home, later: str, due: int
) -> None:
    platform = AddOn(name="Platform", amount=Decimal(100))
    on = changed(home, replace(PLAN, addons=(platform,)), addons=(replace(platform, amount=Decimal(later)),))
    made = on.invoice("2026-12-04T00:00")
    assert [(line.plan_version, line.note) for line in made.lines] == [
        (1, "15 of 30 days"),
        (2, "15 of 30 days"),
    ]
    assert made.total_minor == due
    assert on.invoice("2027-01-04T00:00").total_minor == int(later) * 100, (
        "and whole in a month of one version"
    )


def test_parts_of_an_add_on_add_up_where_it_cannot_be_halved(home: Home) -> None:
    on = changed(home, replace(PLAN, addons=(AddOn(name="Platform", amount=Decimal("10.01")),)))
    assert on.invoice("2026-12-04T00:00").total_minor == 1001


@pytest.mark.parametrize("day", [3, 20])
def test_an_add_on_of_a_day_is_due_once_whichever_version_is_in_force_then(home: Home, day: int) -> None:
    setup = AddOn(name="Setup", amount=Decimal(250), on=date(2026, 11, day))
    on = changed(home, replace(PLAN, addons=(setup,)))
    assert lines(on.invoice("2026-12-04T00:00")) == [("add_on", "Setup", 25_000)]
    assert on.run("2027-01-04T00:00").final == [], "and never again"


def test_two_subscriptions_side_by_side_each_pay_their_add_ons(home: Home) -> None:
    plans = [
        Plan(name=name, version=1, addons=(AddOn(name="Platform", amount=Decimal(10)),)) for name in "ab"
    ]
    on = Billed(home, *plans, customers=(UTC,))
    on.subscribe(*(subscription(plan, NOV) for plan in plans))
    assert on.invoice("2026-12-04T00:00").total_minor == 2000


def test_add_ons_count_towards_the_minimum_and_the_discount_of_their_plan(home: Home) -> None:
    plan = replace(
        PLAN, addons=(AddOn(name="Support", amount=Decimal(30)),), discounts=(TENTH,), minimum=Decimal(50)
    )
    on = Billed(home, plan, customers=(UTC,))
    on.subscribe(subscription(plan, NOV))
    assert lines(on.invoice("2026-12-04T00:00")) == [
        ("add_on", "Support", 3000),
        ("discount", "Discount", -300),
        ("minimum", "Minimum of pro", 2300),
    ]


def test_the_fixed_amount_and_discount_of_a_charge_are_due_once_for_all_versions(home: Home) -> None:
    charge = replace(
        REST,
        model=CostPlus(fixed=Decimal(30)),
        discounts=(Discount(kind="fixed", value=Decimal(10)),),
    )
    on = changed(home, replace(MARKUP, charges=(charge,)))
    for day in ("02", "20"):
        on.usage.add(call("acme", at(f"2026-11-{day}T12:00"), output_cost_pico=50 * USD))
    assert on.invoice("2026-12-04T00:00").total_minor == 10_000 + 3_000 - 1_000


@pytest.mark.parametrize(("until", "back"), [(DEC, -27_000), (date(2026, 12, 11), -18_290)])
def test_a_base_fee_in_advance_is_given_back_as_it_was_billed(home: Home, until: date, back: int) -> None:
    plan = replace(PLAN, base=Decimal(300), base_in_advance=True, discounts=(TENTH,))
    on = Billed(home, plan, customers=(UTC,))
    on.subscribe(subscription(plan, NOV))
    first = on.invoice("2026-12-04T00:00")
    assert first.total_minor == 54_000, "November and December, a tenth off"
    on.terms = replace(on.terms, subscriptions=(subscription(plan, NOV, until),))
    on.usage.add(call("acme", at("2026-11-30T12:00")))
    second = on.invoice("2027-01-04T00:00")
    assert [line.amount_minor for line in second.lines if line.kind == "proration"] == [back]


def test_what_a_base_fee_in_advance_was_billed_at_counts_towards_the_minimum(home: Home) -> None:
    plan = replace(PLAN, base=Decimal(100), base_in_advance=True, discounts=(TENTH,), minimum=Decimal(100))
    on = Billed(home, plan, customers=(UTC,))
    on.subscribe(subscription(plan, NOV))
    on.invoice("2026-12-04T00:00")
    made = on.invoice("2027-01-04T00:00")
    assert [line.amount_minor for line in made.lines if line.kind == "minimum"] == [1000]


COMMITTED = replace(PLAN, commitment=Commitment(amount=Decimal(100), overage_factor=Decimal(2), true_up=True))


@pytest.mark.parametrize(("calls", "comes_to"), [(10, 5_000), (49, 5_000), (60, 7_000)])
def test_a_commitment_in_half_a_month_is_half_and_its_overage_begins_there(
    home: Home, calls: int, comes_to: int
) -> None:
    on = Billed(home, COMMITTED, customers=(UTC,))
    on.subscribe(subscription(COMMITTED, MIDDLE))
    on.usage.add(*(call("acme", at("2026-11-20T12:00")) for _ in range(calls)))
    made = on.invoice("2026-12-04T00:00")
    assert made.total_minor == comes_to
    (line,) = [each for each in made.lines if each.kind == "minimum"]
    assert line.note == ("what exceeds 50, × 2" if calls > 50 else "at least 50")


def test_usage_that_comes_late_takes_a_commitment_over_in_one_line(home: Home) -> None:
    on = Billed(home, COMMITTED, customers=(UTC,))
    on.subscribe(subscription(COMMITTED, NOV))
    on.usage.add(*(call("acme", at("2026-11-20T12:00")) for _ in range(40)))
    first = on.invoice("2026-12-04T00:00")
    assert lines(first) == [("usage", "Calls", 4000), ("minimum", "Commitment of pro", 6000)]
    on.usage.add(*(call("acme", at("2026-11-21T12:00")) for _ in range(80)))
    second = on.invoice("2027-01-04T00:00")
    assert [(line.title, line.amount_minor) for line in second.lines if line.of_invoice == first.id] == [
        ("Calls", 8000),
        ("Commitment of pro", -4000),
    ]


def test_a_commitment_of_a_charge_with_overage_is_by_the_hour_where_it_says_so(home: Home) -> None:
    agreed = Commitment(amount=Decimal(5), overage_factor=Decimal(3), true_up=True, window="hour")
    plan = replace(PLAN, charges=(replace(CALLS, commitment=agreed, bucket="hour"),))
    on = Billed(home, plan, customers=(UTC,))
    on.subscribe(subscription(plan, NOV))
    on.usage.add(*(call("acme", at("2026-11-20T12:10")) for _ in range(7)))
    on.usage.add(call("acme", at("2026-11-20T13:10")))
    assert on.invoice("2026-12-04T00:00").total_minor == (5 + 2 * 3 + 5) * 100


def test_each_day_is_rated_by_itself_also_where_calls_of_it_come_late(home: Home) -> None:
    tiers = Graduated(tiers=(Tier(up_to=Decimal(2), unit=Decimal(2)), Tier(unit=Decimal(1))))
    plan = replace(PLAN, charges=(replace(CALLS, model=Bucketed(inner=tiers), bucket="day"),))
    on = Billed(home, plan, customers=(UTC,))
    on.subscribe(subscription(plan, NOV))
    on.usage.add(*(call("acme", at(f"2026-11-{day}T12:00")) for day in ("02", "02", "02", "03")))
    assert on.invoice("2026-12-04T00:00").total_minor == 500 + 200
    on.usage.add(call("acme", at("2026-11-02T13:00")), call("acme", at("2026-11-03T13:00")))
    assert on.invoice("2027-01-04T00:00").total_minor == 100 + 200


def test_late_usage_is_priced_at_the_tier_of_its_own_period(home: Home) -> None:
    tiers = Graduated(tiers=(Tier(up_to=Decimal(2), unit=Decimal(5)), Tier(unit=Decimal(1))))
    plan = replace(PLAN, charges=(replace(CALLS, model=tiers),))
    on = Billed(home, plan, customers=(UTC,))
    on.subscribe(subscription(plan, NOV))
    on.usage.add(*(call("acme", at("2026-11-02T12:00")) for _ in range(3)))
    assert on.invoice("2026-12-04T00:00").total_minor == 1100
    on.usage.add(call("acme", at("2026-11-05T12:00")), call("acme", at("2026-12-05T12:00")))
    assert lines(on.invoice("2027-01-04T00:00")) == [
        ("usage", "Calls", 500),  # the first of December
        ("adjustment", "Calls", 100),  # the fourth of November
    ]


def in_euros(home: Home, *rates: tuple[date, str], **more: Any) -> Billed:
    plan = replace(
        MARKUP,
        charges=(replace(REST, **more),),
        usd_rates=tuple(DollarRate(start=start, rate=Decimal(rate)) for start, rate in rates),
    )
    on = Billed(home, plan, customers=(replace(UTC, currency="EUR"),))
    on.subscribe(subscription(plan, NOV))
    return on


def test_a_dollar_rate_that_begins_within_a_period_is_that_of_the_costs_from_then_on(home: Home) -> None:
    on = in_euros(home, (NOV, "0.5"), (MIDDLE, "0.9"), (DEC, "2"))
    for day in ("15T23:59", "16T00:00"):
        on.usage.add(call("acme", at(f"2026-11-{day}"), output_cost_pico=100 * USD, model="a"))
    made = on.invoice("2026-12-04T00:00")
    assert made.total_minor == 6_000 + 10_800
    assert made.lines[0].quantity == "200"
    assert (made.lines[0].unit_price or "").endswith(
        "; 1 USD is 0.5 EUR from 2026-11-01, 0.9 EUR from 2026-11-16"
    )


def test_tiers_of_a_cost_go_on_where_the_dollar_rate_changes(home: Home) -> None:
    tiers = Graduated(tiers=(Tier(up_to=Decimal(100), unit=Decimal(1)), Tier(unit=Decimal(2))))
    on = in_euros(home, (NOV, "0.5"), (MIDDLE, "1"), model=tiers)
    for day in ("02", "20"):
        on.usage.add(call("acme", at(f"2026-11-{day}T12:00"), output_cost_pico=100 * USD))
    assert on.invoice("2026-12-04T00:00").total_minor == 10_000 + 2 * 5_000


def test_a_cost_without_a_dollar_rate_is_unpriced_and_never_one_to_one(home: Home) -> None:
    on = in_euros(home)
    on.usage.add(call("acme", at("2026-11-02T12:00"), output_cost_pico=100 * USD))
    report = on.run("2026-12-04T00:00")
    assert report.final == [] and "unpriced" in report.refused[0].reason
    made = on.invoice("2026-12-04T00:00", accept_unpriced=True)
    assert (made.total_minor, made.lines[0].unpriced_calls) == (0, 1)
    assert Fraction(made.lines[0].quantity or 0) == 100


@pytest.mark.parametrize("later", [("200",), ("200", "300")])
def test_thresholds_of_both_versions_bill_a_period_that_changed_its_version(
    home: Home, later: tuple[str, ...]
) -> None:
    on = changed(home, replace(MARKUP, thresholds=(Decimal(100),)), thresholds=tuple(map(Decimal, later)))
    on.usage.add(call("acme", at("2026-11-05T12:00"), output_cost_pico=90 * USD))
    first = on.invoice("2026-11-10T00:00")
    assert (first.kind, first.total_minor) == ("progressive", 10_800)
    assert on.run("2026-11-17T00:00").final == [], "the change of version reaches no threshold"
    on.usage.add(call("acme", at("2026-11-18T12:00"), output_cost_pico=90 * USD))
    second = on.invoice("2026-11-20T00:00")
    assert (second.kind, second.total_minor) == ("progressive", 10_800)
    on.usage.add(call("acme", at("2026-11-21T12:00"), output_cost_pico=10 * USD))
    last = on.invoice("2026-12-04T00:00")
    assert (last.kind, last.total_minor) == ("period", 1_200)


def test_the_notes_of_bounds_in_a_part_of_a_month_are_for_people(home: Home) -> None:
    plan = replace(PLAN, charges=(replace(CALLS, minimum=Decimal(5)),), minimum=Decimal(2500))
    on = Billed(home, plan, customers=(UTC,))
    on.subscribe(subscription(plan, date(2026, 11, 11)))
    on.usage.add(call("acme", at("2026-11-12T12:00")))
    made = on.invoice("2026-12-04T00:00")
    assert [line.note for line in made.lines if line.kind == "minimum"] == [
        "at least 3.333333…",
        "at least 1,666.666666…",
    ]
