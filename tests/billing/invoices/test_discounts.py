"""Discounts and coupons on invoices: off what a charge comes to, and once."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.billing.invoices.billed_customers import ACME, MARKUP, REST, USD, Billed, at, subscription
from tests.billing.usage_in_memory import call

from farebox.billing.customer_terms import give_coupon
from farebox.billing.documents.document import Invoice
from farebox.billing.invoices import finalizing, store
from farebox.billing.periods.schedule import ended_periods
from farebox.billing.rating.rating import rate_period
from farebox.charges.models import Standard
from farebox.charges.plan import Charge, Discount, Plan
from farebox.charges.usage.consumption import ChargedGroup, ChargedUsage, Consumption
from farebox.control.publish import change
from farebox.home import Home

NOV, MIDDLE = date(2026, 11, 1), date(2026, 11, 16)
UTC = replace(ACME, timezone="UTC", tax_percent=Decimal(0))
TENTH = Discount(kind="percentage", value=Decimal(10))
TEN_OFF = Discount(kind="fixed", value=Decimal(10))


def invoiced(home: Home, plan: Plan, *models: str, dollars: int = 1_000) -> Invoice:
    on = Billed(home, plan, customers=(UTC,))
    on.subscribe(subscription(plan, NOV))
    for model in models or ("a",):
        on.usage.add(call("acme", at("2026-11-02T12:00"), model=model, output_cost_pico=dollars * USD))
    return on.invoice("2026-12-04T00:00")


def test_a_discount_of_the_plan_is_on_what_the_maximum_of_a_charge_leaves(home: Home) -> None:
    plan = replace(MARKUP, charges=(replace(REST, maximum=Decimal(60)),), discounts=(TENTH,))
    made = invoiced(home, plan)
    assert [(line.kind, line.amount_minor) for line in made.lines] == [
        ("usage", 120_000),
        ("maximum", -114_000),
        ("discount", -600),
    ]
    assert made.total_minor == 5_400


def test_a_discount_of_a_charge_is_on_what_its_maximum_leaves(home: Home) -> None:
    charge = replace(REST, maximum=Decimal(60), discounts=(TENTH,))
    assert invoiced(home, replace(MARKUP, charges=(charge,))).total_minor == 5_400


def test_a_fixed_discount_of_an_itemised_charge_is_taken_once(home: Home) -> None:
    charge = replace(REST, itemize=("model",), discounts=(TEN_OFF,))
    made = invoiced(home, replace(MARKUP, charges=(charge,)), "a", "b", "c", dollars=10)
    assert made.total_minor == 3_600 - 1_000


def test_a_fixed_discount_is_taken_once_where_the_version_changes_in_mid_month(home: Home) -> None:
    first = replace(MARKUP, discounts=(TEN_OFF,))
    second = replace(first, version=2)
    on = Billed(home, first, second, customers=(UTC,))
    on.subscribe(subscription(first, NOV, MIDDLE), subscription(second, MIDDLE))
    for day in ("02", "20"):
        on.usage.add(call("acme", at(f"2026-11-{day}T12:00"), output_cost_pico=50 * USD))
    assert on.invoice("2026-12-04T00:00").total_minor == 12_000 - 1_000


def test_a_fixed_coupon_comes_off_all_segments_of_an_invoice() -> None:
    said = [(subscription(MARKUP, NOV, MIDDLE), MARKUP), (subscription(MARKUP, MIDDLE), MARKUP)]
    (terms,) = ended_periods(UTC, said, at("2026-12-01T00:00"))
    terms = replace(terms, discounts=(replace(TEN_OFF, value=Decimal(50)),))

    def used(dollars: int) -> Consumption:
        group = ChargedGroup(quantity=dollars, calls=1)  # pyright: ignore[reportArgumentType]
        of = ChargedUsage(charge=REST.name, meter="cost", quantity=group.quantity, groups=(group,))
        return Consumption(charges=(of,))

    lines = rate_period(terms, [used(99), used(1)])
    assert sum(line.amount_minor for line in lines) == 12_000 - 5_000
    assert [line.amount_minor for line in lines if line.kind == "discount"] == [-4_950, -50]


def with_coupon(home: Home, said: Discount) -> Billed:
    """Return a customer with a coupon, whose plan's version changes in the middle of November."""
    second = replace(MARKUP, version=2)
    on = Billed(home, MARKUP, second, customers=(UTC,))
    on.subscribe(subscription(MARKUP, NOV, MIDDLE), subscription(second, MIDDLE))
    with change(on.desk.home, on.control) as connection:
        give_coupon(connection, "acme", said, at("2026-10-20T00:00"))
    for day in ("11-02", "11-20", "12-02"):
        on.usage.add(call("acme", at(f"2026-{day}T12:00"), output_cost_pico=50 * USD))
    return on


@pytest.mark.parametrize(("coupon", "off"), [(TENTH, 1_200), (TEN_OFF, 1_000)])
def test_a_coupon_for_one_invoice_is_off_both_versions_of_a_month_and_off_no_other_month(
    home: Home, coupon: Discount, off: int
) -> None:
    on = with_coupon(home, replace(coupon, name="LAUNCH", invoices=1))
    assert on.invoice("2026-12-04T00:00").total_minor == 12_000 - off
    assert on.invoice("2027-01-04T00:00").total_minor == 6_000


def test_usage_that_comes_late_has_the_coupon_of_its_own_month(home: Home) -> None:
    on = with_coupon(home, replace(TENTH, name="LAUNCH", invoices=1))
    on.invoice("2026-12-04T00:00")
    on.usage.add(call("acme", at("2026-11-21T12:00"), output_cost_pico=10 * USD))
    made = on.invoice("2027-01-04T00:00")
    assert [(line.title, line.amount_minor) for line in made.lines if line.kind == "adjustment"] == [
        ("Everything else", 1_200),
        ("Discount", -120),
    ]


def test_the_coupon_of_a_voided_invoice_is_on_the_one_in_its_place(home: Home) -> None:
    on = with_coupon(home, replace(TEN_OFF, name="LAUNCH", invoices=1))
    first = on.invoice("2026-12-04T00:00")
    with change(on.desk.home, on.control) as connection:
        stored = store.stored_invoice(connection, first.id)
        assert stored is not None
        finalizing.void(
            connection, stored, reason="wrong address", now_ns=at("2026-12-05T00:00"), actor="uid:1"
        )
    assert on.invoice("2026-12-06T00:00").total_minor == first.total_minor == 11_000


def test_a_trial_uses_up_no_invoice_of_a_plans_discount(home: Home) -> None:
    plan = Plan(
        name="trial", version=1, base=Decimal(30), trial_days=30, discounts=(replace(TENTH, invoices=1),)
    )
    on = Billed(home, plan, customers=(UTC,))
    on.subscribe(subscription(plan, NOV))
    assert [each.total_minor for each in on.run("2027-02-04T00:00").final] == [2700, 3000]


@pytest.mark.parametrize("changed", [MIDDLE, date(2026, 12, 1)])
def test_another_version_of_a_plan_does_not_begin_its_discount_anew(home: Home, changed: date) -> None:
    first = Plan(name="pro", version=1, base=Decimal(30), discounts=(replace(TENTH, invoices=1),))
    second = replace(first, version=2)
    on = Billed(home, first, second, customers=(UTC,))
    on.subscribe(subscription(first, NOV, changed), subscription(second, changed))
    assert [each.total_minor for each in on.run("2027-01-04T00:00").final] == [2700, 3000]


def test_a_coupon_is_not_used_up_by_an_invoice_without_a_plan(home: Home) -> None:
    on = Billed(home, MARKUP, customers=(UTC,))
    on.subscribe(subscription(MARKUP, NOV, date(2026, 12, 1)))
    on.usage.add(call("acme", at("2026-11-02T12:00"), output_cost_pico=10 * USD))
    on.invoice("2026-12-04T00:00")
    with change(home, on.control) as connection:
        give_coupon(connection, "acme", replace(TENTH, name="BACK", invoices=1), 1)
    on.usage.add(call("acme", at("2026-11-03T12:00"), output_cost_pico=10 * USD))
    assert [line.kind for line in on.invoice("2027-01-04T00:00").lines] == ["adjustment"]
    on.subscribe(subscription(MARKUP, date(2027, 1, 1)))
    on.usage.add(call("acme", at("2027-01-03T12:00"), output_cost_pico=10 * USD))
    assert [(each.kind, each.amount_minor) for each in on.invoice("2027-02-04T00:00").lines] == [
        ("usage", 1200),
        ("discount", -120),
    ]


def test_a_coupon_for_a_charge_is_kept_by_an_invoice_without_it(home: Home) -> None:
    """Neither a month without usage of the charge uses it up, nor one of a plan that has no such charge."""
    calls = Charge(name="Calls", meter="calls", model=Standard(unit=Decimal(100)), overlap=True)
    gpt = replace(calls, name="GPT", where={"model": ("gpt-4o",)})
    plans = [Plan(name="pro", version=1, charges=(calls,)), Plan(name="pro", version=2, charges=(gpt, calls))]
    on = Billed(home, *plans, customers=(UTC,))
    on.subscribe(subscription(plans[0], NOV, date(2026, 12, 1)), subscription(plans[1], date(2026, 12, 1)))
    with change(home, on.control) as connection:
        give_coupon(connection, "acme", replace(TENTH, name="GPT off", charges=("GPT",), invoices=1), 1)
    for day, model in (("11-02", "gpt-4o"), ("12-02", "o3"), ("12-31", "o3")):
        on.usage.add(call("acme", at(f"2026-{day}T12:00"), model=model))
    for month in ("01", "02"):
        on.usage.add(call("acme", at(f"2027-{month}-02T12:00"), model="gpt-4o"))
    assert [each.total_minor for each in on.run("2027-03-04T00:00").final] == [
        10_000,  # its plan has no such charge
        20_000,  # no usage of it
        20_000 - 1_000,
        20_000,
    ]
    on.usage.add(call("acme", at("2026-12-03T12:00"), model="gpt-4o"))
    (late,) = on.run("2027-04-04T00:00").final
    assert late.total_minor == 20_000, "usage that comes late has no coupon that its month did not have"


def test_a_coupon_for_any_number_of_invoices_is_on_usage_that_comes_late(home: Home) -> None:
    plan = Plan(name="pro", version=1, charges=(
        Charge(name="GPT", meter="calls", where={"model": ("gpt-4o",)}, model=Standard(unit=Decimal(100))),
        Charge(name="Calls", meter="calls", model=Standard(unit=Decimal(100))),
    ))  # fmt: skip
    on = Billed(home, plan, customers=(UTC,))
    on.subscribe(subscription(plan, NOV))
    with change(home, on.control) as connection:
        give_coupon(connection, "acme", replace(TENTH, name="GPT off", charges=("GPT",)), 1)
    on.usage.add(call("acme", at("2026-11-02T12:00"), model="o3"))
    assert on.invoice("2026-12-04T00:00").total_minor == 10_000
    on.usage.add(call("acme", at("2026-11-03T12:00"), model="gpt-4o"))
    assert on.invoice("2027-01-04T00:00").total_minor == 9_000
