"""What earlier invoices bring to the next: nothing is billed twice, given back twice, or by nobody."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from msgspec.structs import replace
from tests.billing.invoices.billed_customers import ACME, MARKUP, REST, USD, Billed, at, subscription
from tests.billing.usage_in_memory import call, reversed_call

from farebox.billing.invoices import finalizing, store
from farebox.charges.plan import Discount, Plan
from farebox.control.publish import change
from farebox.home import Home

NOV, DEC = date(2026, 11, 1), date(2026, 12, 1)
UTC = replace(ACME, timezone="UTC", tax_percent=Decimal(0))
STEPS = replace(MARKUP, name="steps", thresholds=(Decimal(10), Decimal(500)))
ADVANCE = Plan(name="advance", version=1, base=Decimal(30), base_in_advance=True)


def billed(home: Home, *plans: Plan, start: date = NOV) -> Billed:
    on = Billed(home, *plans, customers=(UTC,))
    on.subscribe(*(subscription(plan, start) for plan in plans))
    return on


def use(on: Billed, moment: str, dollars: int) -> None:
    on.usage.add(call("acme", at(moment), output_cost_pico=dollars * USD))


def void(on: Billed, number: str) -> None:
    with change(on.desk.home, on.control) as connection:
        stored = store.stored_invoice(connection, number)
        assert stored is not None
        finalizing.void(connection, stored, reason="wrong", now_ns=1, actor="uid:1")


def credit(on: Billed, number: str) -> None:
    with change(on.desk.home, on.control) as connection:
        stored = store.stored_invoice(connection, number)
        assert stored is not None
        finalizing.credit(connection, stored, None, reason="goodwill", now_ns=1, actor="uid:1")


def test_a_period_billed_again_after_its_invoice_was_voided_bills_its_adjustments_once(home: Home) -> None:
    on = billed(home, MARKUP)
    use(on, "2026-11-02T12:00", 50)
    on.invoice("2026-12-04T00:00")
    use(on, "2026-11-20T12:00", 20)
    use(on, "2026-12-20T12:00", 1)
    december = on.invoice("2027-01-04T00:00")
    void(on, "INV-000001")
    again = on.invoice("2027-01-05T00:00")
    assert [(line.kind, line.amount_minor) for line in again.lines] == [
        ("usage", 70 * 120),
        ("adjustment", -20 * 120),
    ]
    use(on, "2027-01-20T12:00", 3)
    january = on.invoice("2027-02-04T00:00")
    assert december.total_minor + again.total_minor + january.total_minor == (70 + 1 + 3) * 120
    use(on, "2026-11-21T12:00", 2)
    assert on.invoice("2027-03-04T00:00").total_minor == 240


def test_threshold_invoices_run_for_an_earlier_moment_bill_nothing_twice(home: Home) -> None:
    on = billed(home, STEPS)
    use(on, "2026-11-02T12:00", 100)
    assert on.invoice("2026-11-25T00:00").total_minor == 12_000
    assert on.run("2026-11-20T00:00").final == []
    use(on, "2026-11-26T12:00", 1)
    assert on.invoice("2026-12-04T00:00").total_minor == 120


def test_a_threshold_invoice_keeps_to_the_maximum_and_discounts(home: Home) -> None:
    half = Discount(kind="percentage", value=Decimal(50))
    plan = replace(STEPS, charges=(replace(REST, maximum=Decimal(60)),), discounts=(half,))
    on = billed(home, plan)
    use(on, "2026-11-02T12:00", 1_000)
    assert on.invoice("2026-11-03T00:00").total_minor == 3_000
    assert on.run("2026-12-04T00:00").final[0].total_minor == 0


def test_a_base_fee_in_advance_is_given_back_where_the_subscription_ended_before_its_days(home: Home) -> None:
    on = billed(home, ADVANCE)
    assert on.invoice("2026-12-04T00:00").total_minor == 6_000  # November and December
    other = Plan(name="other", version=1, base=Decimal(50))
    on.terms = replace(
        on.terms,
        plans=(ADVANCE, other),
        subscriptions=(subscription(ADVANCE, NOV, DEC), subscription(other, DEC)),
    )
    made = on.invoice("2027-01-04T00:00")
    assert [(line.title, line.amount_minor) for line in made.lines] == [
        ("Base fee, other", 5_000),
        ("Unused base fee, advance", -3_000),
    ]
    assert on.invoice("2027-02-04T00:00").total_minor == 5_000


def test_a_minimum_counts_the_base_fee_billed_before_and_not_what_is_given_back(home: Home) -> None:
    plan = replace(ADVANCE, base=Decimal(300), minimum=Decimal(100))
    on = billed(home, plan)
    on.invoice("2026-12-04T00:00")
    on.terms = replace(on.terms, subscriptions=(subscription(plan, NOV, date(2026, 12, 11)),))
    made = on.invoice("2027-01-04T00:00")
    assert [(line.kind, line.amount_minor) for line in made.lines] == [
        ("proration", -20_323),  # 21 of 31 days
        ("carried", 20_323),
    ]


def test_a_period_with_nothing_to_bill_has_no_invoice_and_is_billed_for_what_comes_late(home: Home) -> None:
    on = billed(home, MARKUP)
    assert on.run("2026-12-04T00:00").final == []
    use(on, "2026-12-20T12:00", 10)
    assert on.invoice("2027-01-04T00:00").from_ns == at("2026-12-01T00:00")
    use(on, "2026-11-20T12:00", 1)
    late = on.invoice("2027-01-05T00:00")
    assert (late.number, late.from_ns, late.total_minor) == ("INV-000002", at("2026-11-01T00:00"), 120)


def test_what_is_only_carried_in_and_out_again_makes_no_invoice(home: Home) -> None:
    on = billed(home, MARKUP)
    seen = call("acme", at("2026-11-02T12:00"), output_cost_pico=10 * USD)
    on.usage.add(seen)
    on.invoice("2026-12-04T00:00")
    on.usage.add(reversed_call(seen))
    assert on.invoice("2027-01-04T00:00").lines[-1].kind == "carried"
    assert on.run("2027-04-04T00:00").final == []
    use(on, "2027-04-20T12:00", 20)
    assert on.invoice("2027-05-04T00:00").total_minor == 2_400 - 1_200


def test_another_time_zone_bills_no_moment_twice(home: Home) -> None:
    on = billed(home, replace(MARKUP, base=Decimal(30)))
    use(on, "2026-11-02T12:00", 100)
    use(on, "2026-11-30T20:00", 7)  # the first of December in Tokyo
    on.invoice("2026-12-04T00:00")
    on.terms = replace(on.terms, customers=(replace(UTC, timezone="Asia/Tokyo"),))
    assert on.run("2026-12-05T00:00").final == []
    use(on, "2026-12-20T12:00", 1)
    assert on.invoice("2027-01-04T00:00").total_minor == 3_000 + 120


def test_usage_that_no_charge_consumes_is_named_by_a_run(home: Home) -> None:
    on = billed(home, replace(MARKUP, charges=(replace(REST, where={"model": ("claude",)}),)))
    use(on, "2026-11-02T12:00", 1)
    report = on.run("2026-12-04T00:00")
    assert report.unconsumed == [("acme", "plan markup does not charge 1 call, or not in full")]


def test_nothing_and_a_short_beginning_of_an_id_name_no_document(home: Home) -> None:
    on = billed(home, MARKUP)
    use(on, "2026-11-02T12:00", 1)
    on.run("2026-12-02T00:00")
    with on.control.reading() as connection:
        (kept,) = store.drafts(connection)
        assert store.draft(connection, "") is None and store.draft(connection, kept.id[:3]) is None
        assert store.draft(connection, kept.id[:8]) == kept
    made = on.invoice("2026-12-04T00:00")
    with on.control.reading() as connection:
        assert store.stored_invoice(connection, "") is None
        assert store.stored_invoice(connection, made.id[:8]) is not None
