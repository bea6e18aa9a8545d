"""Customers without a subscription, billed by `pricing:`: what each call was charged, by model."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from msgspec.structs import replace
from tests.billing.invoices.billed_customers import ACME, PRO, USD, Billed, at, subscription
from tests.billing.usage_in_memory import call, reversed_call

from farebox.billing.documents.document import Invoice
from farebox.charges.plan import Customer, Interval, Plan, Subscription
from farebox.charges.pricing_plan import subscription_to_pricing
from farebox.errors import UsageError
from farebox.home import Home

ZONE = "America/New_York"


def by_pricing(home: Home, *on: Subscription, customer: Customer = ACME, added: str = "2026-11-20") -> Billed:
    """Return a home whose `pricing:` has a markup, and a customer that was added on a day."""
    billed = Billed(home, PRO, customers=(customer,))
    said = subscription_to_pricing(customer, at(added, ZONE), on)
    billed.terms = replace(billed.terms, by_pricing=() if said is None else (said,))
    billed.subscribe(*on)
    return billed


def amounts(invoice: Invoice) -> dict[str, int]:
    return {line.title: line.amount_minor for line in invoice.lines}


def charged(day: str, charge: int, *, cost: int = 0, model: str = "gpt-4o", **more: object) -> object:
    return call(
        "acme", at(f"{day}T12:00"), model=model, charge_pico=charge, output_cost_pico=cost or charge, **more
    )


def test_a_customer_without_a_subscription_pays_what_its_calls_were_charged_a_line_for_each_model(
    home: Home,
) -> None:
    on = by_pricing(home)
    on.usage.add(
        charged("2026-11-02", 12 * USD, cost=10 * USD),
        charged("2026-11-03", 6 * USD, cost=5 * USD),
        charged("2026-11-04", 3 * USD, model="claude"),
    )
    made = on.invoice("2026-12-04T00:00")
    assert amounts(made) == {"Usage: claude": 300, "Usage: gpt-4o": 1800}
    assert (made.from_ns, made.until_ns) == (at("2026-11-01", ZONE), at("2026-12-01", ZONE))
    line = made.lines[1]
    assert (line.quantity, line.unit, line.unit_price) == ("18", "USD of cost × markup", "1")
    assert made.taxes[0].tax_minor == 399  # 19 % of 21.00


def test_what_was_used_before_the_month_in_which_a_customer_was_added_is_never_invoiced(home: Home) -> None:
    on = by_pricing(home)
    on.usage.add(charged("2025-03-05", USD), charged("2026-10-31", USD), charged("2026-11-01", 2 * USD))
    report = on.run("2027-01-15T00:00")
    (november,) = report.final
    assert amounts(november) == {"Usage: gpt-4o": 200}


def test_a_month_begins_in_the_zone_of_the_customer(home: Home) -> None:
    on = by_pricing(home)
    on.usage.add(
        call("acme", at("2026-11-01T03:00"), model="gpt-4o", charge_pico=USD),  # still October in New York
        call("acme", at("2026-12-01T04:00"), model="gpt-4o", charge_pico=5 * USD),
    )
    assert amounts(on.invoice("2026-12-04T00:00")) == {"Usage: gpt-4o": 500}


def test_a_late_call_and_a_correction_become_an_adjustment_of_the_same_line(home: Home) -> None:
    on = by_pricing(home)
    first = charged("2026-11-02", 12 * USD, cost=10 * USD)
    on.usage.add(first)
    november = on.invoice("2026-12-04T00:00")
    on.usage.add(
        reversed_call(first), charged("2026-11-02", 6 * USD), charged("2026-11-29", USD, model="claude")
    )
    december = on.invoice("2027-01-04T00:00", customers=["acme"])
    adjusted = [each for each in december.lines if each.kind == "adjustment"]
    found = [(each.title, each.amount_minor) for each in adjusted]
    assert found == [("Usage: gpt-4o", -600), ("Usage: claude", 100)]
    assert sum(Fraction(each.exact) for each in (*november.lines, *adjusted)) == 7


def test_from_the_first_subscription_on_its_plan_bills_alone_and_before_it_pricing_does(home: Home) -> None:
    flat = Plan(name="pro", version=1, base=Decimal(30))
    on = by_pricing(home, subscription(flat, date(2026, 11, 16), date(2026, 12, 1)))
    on.terms = replace(on.terms, plans=(flat,))
    on.usage.add(charged("2026-11-15", 2 * USD), charged("2026-11-16", 100 * USD), charged("2026-12-05", USD))
    report = on.run("2027-02-01T00:00")
    assert [amounts(each) for each in report.final] == [{"Usage: gpt-4o": 200, "Base fee, pro": 1500}]


def test_a_subscription_that_began_before_the_customer_was_added_leaves_nothing_to_pricing() -> None:
    said = subscription(PRO, date(2026, 11, 1))
    assert subscription_to_pricing(ACME, at("2026-11-20"), [said]) is None
    later = subscription_to_pricing(ACME, at("2026-11-20"), [subscription(PRO, date(2027, 1, 1)), said])
    assert later is None


def test_a_preview_shows_the_running_month_by_pricing(home: Home) -> None:
    on = by_pricing(home)
    on.usage.add(charged("2026-11-21", 3 * USD))
    (draft,) = on.desk.preview("acme", at("2026-11-25"))
    assert amounts(draft.invoice) == {"Usage: gpt-4o": 300}


def test_calls_without_a_price_keep_an_invoice_by_pricing_a_draft(home: Home) -> None:
    on = by_pricing(home)
    on.usage.add(charged("2026-11-21", 3 * USD), charged("2026-11-22", 0, unpriced_calls=1))
    report = on.run("2026-12-04T00:00")
    assert not report.final and "unpriced" in report.refused[0].reason.lower() + str(report.drafts)


def test_a_customer_in_another_currency_is_refused_in_the_words_of_plans_and_others_are_billed(
    home: Home,
) -> None:
    euros = replace(ACME, currency="EUR")
    on = by_pricing(home, customer=euros)
    words = "`pricing:` charges cost, and acme is in EUR; expected a plan, and a dated rate in the plan"
    with pytest.raises(UsageError, match="in EUR") as refused:
        on.desk.preview("acme", at("2026-11-25"))
    assert words in str(refused.value)
    assert on.run("2026-11-25").refused == []  # nothing is to be billed yet
    other = Customer(id="other")
    said = subscription_to_pricing(other, at("2026-11-20"), ())
    assert said is not None
    on.usage.add(call("other", at("2026-11-21"), model="gpt-4o", charge_pico=USD))
    on.terms = replace(on.terms, customers=(euros, other), by_pricing=(*on.terms.by_pricing, said))
    report = on.run("2026-12-04T00:00")
    assert [(each.customer, words in each.reason) for each in report.refused] == [("acme", True)]
    assert [each.customer for each in report.final] == ["other"]


def test_without_a_markup_nobody_is_billed_by_pricing(home: Home) -> None:
    on = Billed(home, PRO)
    on.usage.add(charged("2026-11-21", 3 * USD))
    with pytest.raises(UsageError, match="has no subscription now"):
        on.desk.preview("acme", at("2026-11-25"))
    assert on.run("2026-12-04T00:00").final == []


def test_months_by_pricing_and_an_anniversary_plan_after_them_are_two_invoices(home: Home) -> None:
    yearly = Plan(name="year", version=1, base=Decimal(12), interval=Interval(kind="anniversary"))
    on = by_pricing(home, subscription(yearly, date(2026, 11, 16)))
    on.terms = replace(on.terms, plans=(yearly,))
    on.usage.add(charged("2026-11-10", USD))
    report = on.run("2026-12-20T00:00")
    assert [amounts(each) for each in report.final] == [{"Usage: gpt-4o": 100}, {"Base fee, year": 1200}]


def test_time_by_pricing_uses_up_no_trial(home: Home) -> None:
    plan = replace(PRO, base=Decimal(30), minimum=None, charges=(), trial_days=14)
    on = by_pricing(home, subscription(plan, date(2026, 11, 10)), added="2026-11-03")
    on.terms = replace(on.terms, plans=(plan,))
    (made,) = on.run("2026-12-04T00:00").final
    assert amounts(made) == {"Base fee, pro": 700}, "from 24 November on: 7 of 30 days"
