"""What earlier invoices mean for the next one: nothing is billed twice, nothing given back is again."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select
from tests.billing.invoices.billed_customers import ACME, MARKUP, REST, USD, Billed, at, subscription
from tests.billing.usage_in_memory import call, reversed_call

from farebox.billing.customer_terms import give_add_on
from farebox.billing.documents.document import Invoice
from farebox.billing.invoices import finalizing, store
from farebox.billing.invoices.run import RunReport
from farebox.billing.wallets.moves import open_wallet
from farebox.charges.models import Standard
from farebox.charges.plan import AddOn, Charge, Discount, Interval, Plan, Share
from farebox.control.publish import change
from farebox.control.schema import journal_entry
from farebox.errors import InvoiceError
from farebox.home import Home

NOV, DEC, JAN = date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1)
PLAIN = replace(ACME, timezone="UTC", tax_percent=Decimal(0))
SPENT = call("acme", at("2026-11-02T12:00"), output_cost_pico=100 * USD)
THRESHOLD = Plan(name="m2", version=1, charges=(REST,), thresholds=(Decimal(50),))


def billed(home: Home, *plans: Plan, zone: str = "UTC") -> Billed:
    return Billed(home, *plans, customers=(replace(PLAIN, timezone=zone),))


def told(made: Invoice) -> list[tuple[str, int]]:
    return [(line.kind, line.amount_minor) for line in made.lines]


def credit(on: Billed, number: str) -> int:
    with change(on.desk.home, on.control) as connection:
        stored = store.stored_invoice(connection, number)
        assert stored is not None
        moment = at("2027-01-01T00:00")
        return finalizing.credit(
            connection, stored, None, reason="goodwill", now_ns=moment, actor="uid:1"
        ).total_minor


def void(on: Billed, number: str) -> None:
    with change(on.desk.home, on.control) as connection:
        stored = store.stored_invoice(connection, number)
        assert stored is not None
        finalizing.void(connection, stored, reason="wrong", now_ns=at("2027-01-01T00:00"), actor="uid:1")


def payable(on: Billed) -> int:
    """Return what payees are owed, in minor units."""
    owed = func.sum(journal_entry.c.amount_minor)
    with on.control.reading() as connection:
        found = connection.execute(select(owed).where(journal_entry.c.account == "partner_payable"))
        return -int(found.scalar() or 0)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_no_period_is_open_that_overlaps_what_was_billed_in_another_zone(home: Home, zone: str) -> None:
    on = billed(home, MARKUP)
    on.subscribe(subscription(MARKUP, NOV))
    on.usage.add(SPENT)
    assert on.invoice("2026-12-04T00:00").total_minor == 12000
    on.terms = replace(on.terms, customers=(replace(PLAIN, timezone=zone),))
    assert on.run("2026-12-05T00:00") == RunReport()


def test_no_period_is_open_that_overlaps_what_was_billed_from_another_anchor(home: Home) -> None:
    plan = replace(MARKUP, interval=Interval(kind="anniversary", unit="month"))
    on = billed(home, plan)
    on.subscribe(subscription(plan, NOV))
    on.usage.add(call("acme", at("2026-11-20T12:00"), output_cost_pico=10 * USD))
    assert on.invoice("2026-12-04T00:00").total_minor == 1200
    moved = replace(subscription(plan, NOV), anchor=date(2026, 11, 10))
    on.terms = replace(on.terms, subscriptions=(moved,))
    assert on.run("2026-12-14T00:00") == RunReport()


def test_a_threshold_invoice_stands_while_its_periods_invoice_takes_it_off(home: Home) -> None:
    on = billed(home, THRESHOLD)
    on.subscribe(subscription(THRESHOLD, NOV))
    on.usage.add(SPENT)
    on.invoice("2026-11-10T00:00")
    on.invoice("2026-12-04T00:00")
    with pytest.raises(InvoiceError, match="INV-000002"):
        void(on, "INV-000001")
    void(on, "INV-000002")
    void(on, "INV-000001")
    assert on.invoice("2026-12-05T00:00").total_minor == 12000


def test_a_threshold_invoice_is_taken_off_by_the_invoice_of_its_own_subscription_only(home: Home) -> None:
    calls = Charge(name="calls", meter="calls", model=Standard(unit=Decimal(1)), overlap=True)
    year = Plan(name="year", version=1, interval=Interval(unit="year"), charges=(calls,))
    on = billed(home, year, THRESHOLD)
    on.subscribe(subscription(THRESHOLD, DEC), subscription(year, date(2026, 1, 1)))
    on.usage.add(call("acme", at("2026-12-02T12:00"), output_cost_pico=100 * USD, calls=1))
    on.invoice("2026-12-10T00:00")
    made = on.run("2027-01-04T00:00").final
    taken = [line.amount_minor for each in made for line in each.lines if line.kind == "progressive"]
    assert (len(made), taken) == (2, [-12000])


def test_payees_get_their_share_of_usage_once_with_threshold_invoices(home: Home) -> None:
    shared = replace(REST, shares=(Share(payee="al", percent=Decimal(50)),))
    plan = replace(THRESHOLD, charges=(shared,))
    on = billed(home, plan)
    on.subscribe(subscription(plan, NOV))
    on.usage.add(SPENT)

    on.invoice("2026-11-10T00:00")
    assert payable(on) == 6000
    on.usage.add(call("acme", at("2026-11-20T12:00"), output_cost_pico=10 * USD))
    on.invoice("2026-12-04T00:00")
    assert payable(on) == 6600
    void(on, "INV-000002")
    assert payable(on) == 6000


def test_what_was_credited_of_an_adjustment_is_not_given_back_again(home: Home) -> None:
    on = billed(home, MARKUP)
    on.subscribe(subscription(MARKUP, NOV))
    on.usage.add(SPENT)
    on.invoice("2026-12-04T00:00")
    late = call("acme", at("2026-11-05T12:00"), output_cost_pico=50 * USD)
    on.usage.add(late)
    assert told(on.invoice("2027-01-04T00:00")) == [("adjustment", 6000)]
    assert credit(on, "INV-000002") == 6000
    on.usage.add(reversed_call(late), call("acme", at("2027-01-05T12:00"), output_cost_pico=200 * USD))
    third = on.invoice("2027-02-04T00:00")
    assert sum(amount for kind, amount in told(third) if kind == "adjustment") == 0
    assert third.total_minor == 24000


def test_what_was_credited_of_a_threshold_invoice_is_not_given_back_again(home: Home) -> None:
    on = billed(home, THRESHOLD)
    on.subscribe(subscription(THRESHOLD, NOV))
    on.usage.add(SPENT)
    on.invoice("2026-11-10T00:00")
    on.invoice("2026-12-04T00:00")
    assert credit(on, "INV-000001") == 12000
    on.usage.add(reversed_call(SPENT), call("acme", at("2026-12-05T12:00"), output_cost_pico=10 * USD))
    (made,) = [each for each in on.run("2027-01-04T00:00").final if each.kind == "period"]
    assert sum(amount for kind, amount in told(made) if kind == "adjustment") == 0
    assert made.total_minor == 1200


def test_a_credit_of_an_itemised_line_holds_where_its_charge_becomes_one_line(home: Home) -> None:
    plan = replace(MARKUP, charges=(replace(REST, itemize=("model",), included=Decimal(10)),))
    on = billed(home, plan)
    on.subscribe(subscription(plan, NOV))
    on.usage.add(call("acme", at("2026-11-05T00:00"), model="a", output_cost_pico=15 * USD))
    first = on.invoice("2026-12-04T00:00")
    assert credit(on, "INV-000001") == first.total_minor == 600
    on.usage.add(call("acme", at("2026-11-05T00:00"), model="b", output_cost_pico=15 * USD))
    assert told(on.invoice("2027-01-04T00:00")) == [("adjustment", 1800)]


@pytest.mark.parametrize("follows", [False, True])
def test_a_base_fee_in_advance_is_given_back_where_its_subscription_ended_before(
    home: Home, follows: bool
) -> None:
    old = Plan(name="old", version=1, base=Decimal(30), base_in_advance=True)
    new = Plan(name="new", version=1, base=Decimal(50))
    on = billed(home, old, new)
    on.subscribe(subscription(old, NOV))
    assert on.invoice("2026-12-04T00:00").total_minor == 6000
    on.terms = replace(on.terms, subscriptions=(subscription(old, NOV, DEC),))
    if follows:
        on.subscribe(subscription(new, DEC))
        assert told(on.invoice("2027-01-04T00:00")) == [("base", 5000), ("proration", -3000)]
        with pytest.raises(InvoiceError, match="INV-000002"):
            void(on, "INV-000001")
        assert told(on.invoice("2027-02-04T00:00")) == [("base", 5000)]
    else:
        assert told(on.invoice("2027-02-04T00:00")) == [("proration", -3000), ("carried", 3000)]
        assert on.run("2027-03-04T00:00") == RunReport(), "it is given back once"


def test_a_minimum_does_not_eat_what_is_given_back_of_a_base_fee_in_advance(home: Home) -> None:
    plan = Plan(name="a", version=1, base=Decimal(300), base_in_advance=True, minimum=Decimal(100))
    on = billed(home, plan)
    on.subscribe(subscription(plan, NOV))
    assert told(on.invoice("2026-12-04T00:00")) == [("base", 30000), ("base", 30000)]
    on.terms = replace(on.terms, subscriptions=(subscription(plan, NOV, date(2026, 12, 11)),))
    assert told(on.invoice("2027-01-04T00:00")) == [("proration", -20323), ("carried", 20323)]


def test_the_next_periods_base_fee_does_not_count_towards_a_minimum(home: Home) -> None:
    plan = Plan(name="a", version=1, base=Decimal(60), base_in_advance=True, minimum=Decimal(100))
    on = billed(home, plan)
    on.subscribe(subscription(plan, NOV))
    assert told(on.invoice("2026-12-04T00:00")) == [("base", 6000), ("base", 6000), ("minimum", 4000)]
    assert told(on.invoice("2027-01-04T00:00")) == [("base", 6000), ("minimum", 4000)]


def test_a_customer_who_left_with_a_credit_gets_no_invoice_of_nothing(home: Home) -> None:
    on = billed(home, MARKUP)
    on.subscribe(subscription(MARKUP, NOV, DEC))
    on.usage.add(SPENT)
    on.invoice("2026-12-04T00:00")
    on.usage.add(reversed_call(SPENT))
    assert told(on.invoice("2027-01-04T00:00")) == [("adjustment", -12000), ("carried", 12000)]
    assert on.run("2027-02-04T00:00") == on.run("2027-03-04T00:00") == RunReport()


def test_a_recurring_add_on_ends_with_the_last_subscription(home: Home) -> None:
    on = billed(home, MARKUP)
    on.subscribe(subscription(MARKUP, NOV, DEC))
    on.usage.add(SPENT)
    with change(home, on.control) as connection:
        give_add_on(connection, "acme", AddOn(name="Support", amount=Decimal(50)), 0, invoices_max=None)
    assert told(on.invoice("2026-12-04T00:00")) == [("usage", 12000), ("add_on", 5000)]
    assert on.run("2027-01-04T00:00") == RunReport()


def test_late_unpriced_calls_of_a_final_period_are_said_and_need_consent(home: Home) -> None:
    on = billed(home, MARKUP)
    on.subscribe(subscription(MARKUP, NOV))
    on.usage.add(SPENT)
    on.invoice("2026-12-04T00:00")
    on.usage.add(*[call("acme", at("2026-11-05T00:00"), unpriced_calls=1) for _ in range(3)])
    (refused,) = on.run("2027-01-04T00:00").refused
    assert "3 calls" in refused.reason
    made = on.invoice("2027-01-04T00:00", accept_unpriced=True)
    assert (told(made), made.unpriced_calls) == ([("adjustment", 0)], 3)
    assert on.run("2027-02-04T00:00").final == [], "said once"


def test_unpriced_calls_that_were_accepted_are_not_refused_with_a_later_call_of_the_same_line(
    home: Home,
) -> None:
    on = billed(home, MARKUP)
    on.subscribe(subscription(MARKUP, NOV))
    unpriced = call("acme", at("2026-11-05T00:00"), unpriced_calls=1)
    on.usage.add(SPENT, unpriced)
    on.invoice("2026-12-04T00:00", accept_unpriced=True)
    on.usage.add(SPENT)
    made = on.invoice("2027-01-04T00:00")
    assert (told(made), made.unpriced_calls) == ([("adjustment", 12_000)], 1), "still at least that"
    on.usage.add(unpriced)
    (refused,) = on.run("2027-02-04T00:00").refused
    assert refused.reason.startswith("1 call of acme has no price")


def test_an_invoice_that_cannot_be_issued_takes_no_other_with_it(home: Home) -> None:
    other = replace(PLAIN, id="zed")
    on = Billed(home, MARKUP, customers=(PLAIN, other))
    on.subscribe(subscription(MARKUP, NOV), subscription(MARKUP, NOV, customer="zed"))
    with change(home, on.control) as connection:
        open_wallet(connection, "acme", "EUR", 0)
    on.usage.add(SPENT, replace(SPENT, customer="zed"))
    report = on.run("2026-12-04T00:00")
    assert [(each.customer, each.number) for each in report.final] == [("zed", "INV-000001")]
    assert [each.customer for each in report.refused] == ["acme"]


def test_a_payees_share_of_an_adjustment_is_by_the_plan_that_the_past_period_had(home: Home) -> None:
    shared = replace(REST, shares=(Share(payee="al", percent=Decimal(50)),))
    old = replace(MARKUP, charges=(shared,))
    new = replace(old, version=2)
    on = billed(home, old, new)
    on.subscribe(subscription(old, NOV, DEC), subscription(new, DEC))
    on.usage.add(SPENT)
    on.invoice("2026-12-04T00:00")
    assert payable(on) == 6000
    on.usage.add(reversed_call(SPENT), call("acme", at("2026-12-05T12:00"), output_cost_pico=200 * USD))
    on.invoice("2027-01-04T00:00")
    assert payable(on) == 12000, "half of December alone"


def test_a_payee_keeps_nothing_of_a_discounted_invoice_that_is_credited_in_full(home: Home) -> None:
    shared = replace(REST, shares=(Share(payee="ada", percent=Decimal(50)),))
    half = Discount(kind="percentage", value=Decimal(50), name="half")
    on = billed(home, replace(MARKUP, charges=(shared,), discounts=(half,)))
    on.subscribe(subscription(MARKUP, NOV))
    on.usage.add(SPENT)
    assert on.invoice("2026-12-04T00:00").total_minor == 6_000
    assert payable(on) == 6_000
    assert credit(on, "INV-000001") == 6_000
    assert payable(on) == 0


def test_a_payee_keeps_nothing_of_a_capped_charge_that_is_credited_in_full(home: Home) -> None:
    shared = replace(REST, shares=(Share(payee="ada", percent=Decimal(50)),), maximum=Decimal(80))
    on = billed(home, replace(MARKUP, charges=(shared,)))
    on.subscribe(subscription(MARKUP, NOV))
    on.usage.add(SPENT)
    assert on.invoice("2026-12-04T00:00").total_minor == 8_000
    assert payable(on) == 4_000
    assert credit(on, "INV-000001") == 8_000
    assert payable(on) == 0


def test_a_threshold_invoice_leaves_what_is_given_back_in_advance_to_its_periods_invoice(home: Home) -> None:
    advance = Plan(name="advance", version=1, base=Decimal(20), base_in_advance=True)
    on = billed(home, advance, THRESHOLD)
    on.subscribe(subscription(advance, NOV))
    assert on.invoice("2026-12-04T00:00").total_minor == 4000
    on.terms = replace(
        on.terms, subscriptions=(subscription(advance, NOV, DEC), subscription(THRESHOLD, DEC))
    )
    on.usage.add(call("acme", at("2026-12-05T12:00"), output_cost_pico=100 * USD))
    assert told(on.invoice("2026-12-06T00:00")) == [("usage", 12000)]
    (made,) = [each for each in on.run("2027-01-04T00:00").final if each.kind == "period"]
    assert told(made) == [("usage", 12000), ("proration", -2000), ("progressive", -12000), ("carried", 2000)]


def test_an_adjustment_that_was_given_back_since_cannot_be_credited(home: Home) -> None:
    on = billed(home, MARKUP)
    on.subscribe(subscription(MARKUP, NOV))
    late = call("acme", at("2026-11-05T12:00"), output_cost_pico=50 * USD)
    new = call("acme", at("2027-01-05T12:00"), output_cost_pico=500 * USD)
    for moment, cells in (
        ("2026-12-04T00:00", (SPENT,)),
        ("2027-01-04T00:00", (late,)),
        ("2027-02-04T00:00", (reversed_call(SPENT), reversed_call(late), new)),
    ):
        on.usage.add(*cells)
        on.invoice(moment)
    for number in ("INV-000001", "INV-000002"):
        with pytest.raises(InvoiceError, match="left to credit"):
            credit(on, number)


def test_what_was_given_back_of_a_line_is_of_what_was_billed_first(home: Home) -> None:
    on = billed(home, THRESHOLD)
    on.subscribe(subscription(THRESHOLD, NOV))
    on.usage.add(SPENT)
    on.invoice("2026-11-10T00:00")
    more = call("acme", at("2026-11-15T12:00"), output_cost_pico=50 * USD)
    on.usage.add(more)
    assert told(on.invoice("2026-12-04T00:00")) == [("usage", 18000), ("progressive", -12000)]
    on.usage.add(reversed_call(SPENT), call("acme", at("2026-12-05T12:00"), output_cost_pico=500 * USD))
    on.run("2027-01-04T00:00")
    assert credit(on, "INV-000001") == 6000, "of 180.00 it was billed on two invoices, 120.00 was given back"
    with pytest.raises(InvoiceError, match="left to credit"):
        credit(on, "INV-000002")
