"""Invoices from plans and usage: totals, periods, adjustments, numbers, and what stays as it was."""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.billing.invoices.billed_customers import ACME, MARKUP, PRO, REST, USD, Billed, at, subscription
from tests.billing.usage_in_memory import call, reversed_call

from farebox.billing.documents.document import Invoice, encode
from farebox.billing.invoices import finalizing, store
from farebox.billing.invoices.run import RunReport
from farebox.charges.plan import Customer, Discount, Plan
from farebox.charges.usage.cells import OutcomeCell
from farebox.control.publish import change
from farebox.errors import InvoiceError
from farebox.home import Home

NOV, DEC = date(2026, 11, 1), date(2026, 12, 1)


def billed(home: Home, *plans: Plan, **how: object) -> Billed:
    return Billed(home, *plans, **how)  # pyright: ignore[reportArgumentType]


def amounts(invoice: Invoice) -> dict[str, int]:
    return {line.title: line.amount_minor for line in invoice.lines}


def exact_sum(*invoices: Invoice) -> Fraction:
    kinds = ("usage", "adjustment")
    return sum(
        (Fraction(line.exact) for each in invoices for line in each.lines if line.kind in kinds), Fraction(0)
    )


def test_the_plan_of_the_readme_bills_output_the_rest_leads_base_and_minimum(home: Home) -> None:
    on = billed(home, PRO)
    on.subscribe(subscription(PRO, NOV))
    on.usage.add(
        call("acme", at("2026-11-02T12:00"), model="gpt-4o", output_tokens=1_200_000,
             output_cost_pico=12 * USD, input_cost_pico=USD),
        call("acme", at("2026-11-03T12:00"), model="claude", output_cost_pico=2 * USD),
    )  # fmt: skip
    on.usage.outcome_rows += [
        OutcomeCell(
            customer="acme", dims={"outcome": "lead.qualified"}, start_ns=at("2026-11-04T00:00"), count=11
        )
    ]
    made = on.invoice("2026-12-04T00:00")
    assert amounts(made) == {
        "Base fee, pro": 2000,
        "GPT output": 2300,  # 1,000,000 × 0.00002 + 200,000 × 0.000015
        "Everything else": 360,  # (1 + 2) dollars and 20 %: the input of gpt-4o is charged here
        "Qualified leads": 400,
    }
    assert (made.subtotal_minor, made.taxes[0].tax_minor, made.total_minor) == (5060, 961, 6021)
    assert (made.number, made.status, made.as_of_seq, made.head_hash[-1]) == ("INV-000001", "final", 2, "2")


def test_a_minimum_tops_up_a_quiet_month_and_is_prorated_with_the_base_fee(home: Home) -> None:
    on = billed(home, PRO)
    on.subscribe(subscription(PRO, date(2026, 11, 16)))
    made = on.invoice("2026-12-04T00:00")
    assert amounts(made) == {"Base fee, pro": 1000, "Minimum of pro": 1500}  # 15 of 30 days


def test_within_the_grace_period_there_is_a_draft_and_after_it_an_invoice(home: Home) -> None:
    on = billed(home, MARKUP)
    on.subscribe(subscription(MARKUP, NOV))
    on.usage.add(call("acme", at("2026-11-02T12:00"), output_cost_pico=USD))
    report = on.run("2026-12-02T00:00")
    assert (report.final, [each.invoice.total_minor for each in report.drafts]) == ([], [143])
    on.usage.add(call("acme", at("2026-11-02T13:00"), output_cost_pico=USD))
    made = on.invoice("2026-12-03T05:00")
    assert made.total_minor == 286
    with on.control.reading() as connection:
        assert store.drafts(connection) == []


def test_run_again_changes_nothing_and_makes_the_same_bytes_elsewhere(home: Home, tmp_path: Path) -> None:
    contents: list[list[bytes]] = []
    for place in (home, Home(tmp_path / "other")):
        place.prepare()
        on = billed(place, PRO)
        on.subscribe(subscription(PRO, NOV))
        on.usage.add(call("acme", at("2026-11-02T12:00"), output_cost_pico=USD // 3))
        on.run("2026-12-04T00:00")
        assert on.run("2026-12-04T00:00").final == []
        with on.control.reading() as connection:
            contents.append([each.content for each in store.final_invoices(connection)])
    assert contents[0] == contents[1] and len(contents[0]) == 1


def test_what_comes_late_of_a_customer_who_has_left_is_billed_in_the_month_it_came(home: Home) -> None:
    on = billed(home, MARKUP)
    on.subscribe(subscription(MARKUP, NOV, until=DEC))
    on.usage.add(call("acme", at("2026-11-02T12:00"), output_cost_pico=10 * USD))
    first = on.invoice("2026-12-04T00:00")
    assert on.run("2027-01-04T00:00") == RunReport(), "nothing came: no invoice"
    on.usage.add(call("acme", at("2026-11-20T00:00"), output_cost_pico=USD))
    second = on.invoice("2027-02-04T00:00")
    assert [(line.kind, line.of_invoice, line.amount_minor) for line in second.lines] == [
        ("adjustment", first.id, 120)
    ]
    assert (second.from_ns, second.until_ns) == tuple(
        at(each, ACME.timezone) for each in ("2027-01-01T00:00", "2027-02-01T00:00")
    )
    assert on.run("2027-02-04T00:00") == on.run("2027-03-04T00:00") == RunReport()
    assert exact_sum(first, second) == Fraction(11) * Fraction(6, 5)


def test_late_events_and_corrections_are_adjustments_of_the_next_invoice(home: Home) -> None:
    on = billed(home, MARKUP)
    on.subscribe(subscription(MARKUP, NOV))
    seen = call("acme", at("2026-11-02T12:00"), output_cost_pico=10 * USD)
    on.usage.add(seen)
    first = on.invoice("2026-12-04T00:00")
    frozen = encode(first)
    on.usage.add(call("acme", at("2026-11-20T00:00"), output_cost_pico=USD))  # late
    on.usage.add(reversed_call(seen), replace(seen, output_cost_pico=4 * USD))  # corrected
    second = on.invoice("2027-01-04T00:00")
    (line,) = second.lines[:1]
    assert (line.kind, line.amount_minor, line.of_invoice, line.of_line) == (
        "adjustment",
        -600,
        first.id,
        "1",
    )
    assert (second.total_minor, second.lines[-1].kind) == (0, "carried")
    with on.control.reading() as connection:
        assert store.final_invoices(connection)[0].content == frozen
    on.usage.add(call("acme", at("2027-01-02T00:00"), output_cost_pico=20 * USD))
    third = on.invoice("2027-02-04T00:00")
    assert amounts(third) == {"Everything else": 2400, "Carried from INV-000002": -714}
    assert third.total_minor == 2400 + 456 - 714


def test_three_months_with_adjustments_equal_the_question_as_of_now_times_the_multiplier(home: Home) -> None:
    chance = random.Random(4)
    on = billed(home, MARKUP)
    on.subscribe(subscription(MARKUP, NOV))
    months = [
        ("2026-11", "2026-12-04T00:00"),
        ("2026-12", "2027-01-04T00:00"),
        ("2027-01", "2027-02-04T00:00"),
    ]
    invoices: list[Invoice] = []
    for month, moment in months:
        for _ in range(20):
            on.usage.add(
                call("acme", at(f"{month}-{chance.randrange(2, 28):02}T10:00"),
                     output_cost_pico=chance.randrange(10**12), input_cost_pico=chance.randrange(10**9))
            )  # fmt: skip
        for _ in range(5):  # of earlier months, and corrections
            on.usage.add(
                call("acme", at(f"2026-11-{chance.randrange(2, 28):02}T10:00"), input_cost_pico=77_777_777)
            )
            was = chance.choice([each for each in on.usage.calls if each.calls > 0])
            on.usage.add(reversed_call(was), replace(was, output_cost_pico=was.output_cost_pico // 7))
        invoices.append(on.invoice(moment))
    now = sum(each.cost_pico for each in on.usage.calls)
    late = on.run("2027-02-04T00:00")
    assert late.final == []
    assert exact_sum(*invoices) == Fraction(now, USD) * Fraction(6, 5)


def test_a_credit_note_is_taken_off_later_adjustments_of_the_same_line(home: Home) -> None:
    on = billed(home, MARKUP)
    on.subscribe(subscription(MARKUP, NOV))
    seen = call("acme", at("2026-11-02T12:00"), output_cost_pico=10 * USD)
    on.usage.add(seen)
    first = on.invoice("2026-12-04T00:00")
    assert first.lines[0].amount_minor == 1200
    note = credit(on, first, {"1": 400})
    assert (note.number, note.total_minor, note.lines[0].of_line) == ("CN-000001", 476, "1")
    on.usage.add(reversed_call(seen), replace(seen, output_cost_pico=5 * USD))  # 6.00 less
    on.usage.add(call("acme", at("2026-12-02T12:00"), output_cost_pico=100 * USD))
    second = on.invoice("2027-01-04T00:00")
    (adjusted,) = [line for line in second.lines if line.kind == "adjustment"]
    assert (adjusted.amount_minor, adjusted.exact, adjusted.credited) == (-200, "-2", "4")
    on.usage.add(call("acme", at("2026-11-03T12:00"), output_cost_pico=5 * USD))  # 6.00 more again
    (again,) = [line for line in on.invoice("2027-02-04T00:00").lines if line.kind == "adjustment"]
    assert (again.amount_minor, again.credited) == (200, "-4")  # the goodwill credit stays


def credit(on: Billed, invoice: Invoice, lines: dict[str, int] | None):
    with change(on.desk.home, on.control) as connection:
        stored = store.stored_invoice(connection, invoice.id)
        assert stored is not None
        return finalizing.credit(
            connection, stored, lines, reason="outage", now_ns=at("2026-12-10T00:00"), actor="uid:1"
        )


def test_a_line_is_not_credited_for_more_than_was_billed_of_it(home: Home) -> None:
    on = billed(home, MARKUP)
    on.subscribe(subscription(MARKUP, NOV))
    on.usage.add(call("acme", at("2026-11-02T12:00"), output_cost_pico=10 * USD))
    first = on.invoice("2026-12-04T00:00")
    with pytest.raises(InvoiceError, match="at most 12"):
        credit(on, first, {"1": 1201})
    with pytest.raises(InvoiceError, match="no line 2"):
        credit(on, first, {"2": 1})
    credit(on, first, {"1": 700})
    assert credit(on, first, None).subtotal_minor == 500
    with pytest.raises(InvoiceError, match="nothing"):
        credit(on, first, None)


def test_a_voided_invoice_keeps_its_number_and_its_period_is_billed_again(home: Home) -> None:
    on = billed(home, MARKUP)
    on.subscribe(subscription(MARKUP, NOV))
    on.usage.add(call("acme", at("2026-11-02T12:00"), output_cost_pico=10 * USD))
    first = on.invoice("2026-12-04T00:00")
    with change(home, on.control) as connection:
        stored = store.stored_invoice(connection, "INV-000001")
        assert stored is not None
        finalizing.void(connection, stored, reason="wrong address", now_ns=1, actor="uid:1")
    again = on.invoice("2026-12-05T00:00")
    assert (again.number, again.id != first.id, again.total_minor) == ("INV-000002", True, first.total_minor)
    with on.control.reading() as connection:
        both = store.final_invoices(connection, voided=True)
    assert [(each.invoice.number, each.invoice.status) for each in both] == [
        ("INV-000001", "void"),
        ("INV-000002", "final"),
    ]


def test_a_number_is_taken_only_by_what_is_committed(home: Home) -> None:
    on = billed(home, MARKUP)
    on.subscribe(subscription(MARKUP, NOV))
    with pytest.raises(RuntimeError), change(home, on.control) as connection:
        assert store.next_number(connection, "INV") == 1
        raise RuntimeError("killed")
    on.usage.add(call("acme", at("2026-11-02T12:00"), output_cost_pico=USD))
    assert on.invoice("2026-12-04T00:00").number == "INV-000001"


def test_unpriced_calls_are_said_on_every_total_and_need_consent(home: Home) -> None:
    on = billed(home, MARKUP)
    on.subscribe(subscription(MARKUP, NOV))
    on.usage.add(call("acme", at("2026-11-02T12:00"), output_cost_pico=USD, unpriced_calls=1))
    report = on.run("2026-12-04T00:00")
    assert report.final == [] and "1 call of acme has no price" in report.refused[0].reason
    made = on.invoice("2026-12-04T00:00", accept_unpriced=True)
    assert made.unpriced_calls == 1 and "at least" in made.statements[0]


def test_a_plan_change_in_mid_period_splits_usage_at_the_instant_and_prorates(home: Home) -> None:
    cheap = replace(MARKUP, name="cheap", base=Decimal(30))
    dear = replace(MARKUP, name="dear", base=Decimal(60), charges=(replace(REST, name="Usage"),))
    on = billed(home, cheap, dear)
    on.subscribe(
        subscription(cheap, NOV, date(2026, 11, 11)), subscription(dear, date(2026, 11, 11), anchor=NOV)
    )
    instant = at("2026-11-11T00:00", "America/New_York")
    on.usage.add(
        call("acme", instant - 1, output_cost_pico=USD), call("acme", instant, output_cost_pico=2 * USD)
    )
    made = on.invoice("2026-12-04T00:00")
    assert amounts(made) == {
        "Base fee, cheap": 1000,  # 10 of 30 days
        "Everything else": 120,
        "Base fee, dear": 4000,
        "Usage": 240,
    }


def test_a_base_fee_in_advance_gives_back_what_a_change_of_plan_leaves_unused(home: Home) -> None:
    old = Plan(name="old", version=1, base=Decimal(31), base_in_advance=True)
    new = Plan(name="new", version=1, base=Decimal(62), base_in_advance=True)
    on = billed(home, old, new, customers=(Customer(id="acme"),))
    on.subscribe(subscription(old, NOV))
    november = on.invoice("2026-12-04T00:00")
    assert [(line.kind, line.amount_minor) for line in november.lines] == [("base", 3100), ("base", 3100)]
    changed = date(2026, 12, 18)
    on.terms = replace(on.terms, subscriptions=(subscription(old, NOV, changed),))
    on.subscribe(subscription(new, changed, anchor=NOV))
    december = on.invoice("2027-01-04T00:00")
    assert [(line.title, line.amount_minor) for line in december.lines] == [
        ("Unused base fee, old", -1400),  # 14 of 31 days
        ("Base fee, new", 2800),
        ("Base fee, new", 6200),  # January
    ]


def test_a_trial_is_billed_neither_its_usage_nor_its_days(home: Home) -> None:
    plan = replace(MARKUP, base=Decimal(30), trial_days=10)
    on = billed(home, plan, customers=(Customer(id="acme"),))
    on.subscribe(subscription(plan, NOV))
    on.usage.add(
        call("acme", at("2026-11-10T23:59"), output_cost_pico=USD),
        call("acme", at("2026-11-11T00:00"), output_cost_pico=USD),
    )
    assert amounts(on.invoice("2026-12-04T00:00")) == {"Base fee, markup": 2000, "Everything else": 120}


def test_discounts_come_off_before_the_minimum_and_tax_after_it(home: Home) -> None:
    plan = replace(
        MARKUP,
        minimum=Decimal(20),
        discounts=(Discount(kind="percentage", value=Decimal(50), name="LAUNCH"),),
    )
    on = billed(home, plan)
    on.subscribe(subscription(plan, NOV))
    on.usage.add(call("acme", at("2026-11-02T12:00"), output_cost_pico=10 * USD))
    made = on.invoice("2026-12-04T00:00")
    assert amounts(made) == {"Everything else": 1200, "Discount": -600, "Minimum of markup": 1400}
    assert (made.discount_minor, made.total_minor) == (600, 2380)


def test_thresholds_bill_during_the_period_and_its_invoice_bills_the_rest(home: Home) -> None:
    plan = replace(MARKUP, base=Decimal(5), thresholds=(Decimal(10), Decimal(50)))
    on = billed(home, plan)
    on.subscribe(subscription(plan, NOV))
    on.usage.add(call("acme", at("2026-11-02T12:00"), output_cost_pico=10 * USD))
    early = on.invoice("2026-11-03T00:00")
    assert (early.kind, early.subtotal_minor) == ("progressive", 1200)
    assert on.run("2026-11-04T00:00").final == []
    on.usage.add(call("acme", at("2026-11-05T12:00"), output_cost_pico=10 * USD))
    last = on.invoice("2026-12-04T00:00")
    assert amounts(last) == {
        "Base fee, markup": 500,
        "Everything else": 2400,
        "Billed by INV-000001": -1200,
    }


def test_itemised_cost_plus_lines_add_up_to_the_question_to_the_pico(home: Home) -> None:
    plan = replace(MARKUP, charges=(replace(REST, itemize=("model", "agent")),))
    on = billed(home, plan)
    on.subscribe(subscription(plan, NOV))
    chance = random.Random(1)
    for _ in range(50):
        on.usage.add(
            call("acme", at("2026-11-02T12:00"), model=chance.choice(["a", "b"]),
                 agent=chance.choice(["x", ""]), output_cost_pico=chance.randrange(10**11))
        )  # fmt: skip
    made = on.invoice("2026-12-04T00:00")
    assert {(line.dims["model"], line.dims["agent"]) for line in made.lines} == {
        (model, agent) for model in "ab" for agent in ("", "x")
    }
    cost = sum(each.cost_pico for each in on.usage.calls)
    assert exact_sum(made) == Fraction(cost, USD) * Fraction(6, 5)
    assert made.subtotal_minor == sum(line.amount_minor for line in made.lines)


def test_usage_that_no_charge_consumes_is_named(home: Home) -> None:
    only = replace(PRO, charges=PRO.charges[:1], minimum=None)
    on = billed(home, only)
    on.subscribe(subscription(only, NOV))
    on.usage.add(call("acme", at("2026-11-02T12:00"), model="claude", output_tokens=5, output_cost_pico=USD))
    (draft,) = on.desk.preview("acme", at("2026-11-03T00:00"))
    assert draft.unconsumed and "plan pro does not charge 1 call" in draft.unconsumed[0]


@pytest.mark.parametrize("itemize", [(), ("model",)])
def test_a_call_without_a_price_is_counted_once_on_charges_that_overlap(
    home: Home, itemize: tuple[str, ...]
) -> None:
    also = replace(REST, name="Platform fee", overlap=True, itemize=itemize)
    plan = Plan(name="both", version=1, charges=(replace(REST, itemize=itemize), also))
    on = Billed(home, plan)
    on.subscribe(subscription(plan, date(2026, 11, 1)))
    for model in ("gpt-4o", "o3"):
        on.usage.add(call("acme", at("2026-11-02T12:00"), model=model, unpriced_calls=1, estimated_calls=1))
    (refused,) = on.run("2026-12-04T00:00").refused
    assert refused.reason.startswith("at least 2 calls of acme have no price")
    made = on.invoice("2026-12-04T00:00", accept_unpriced=True)
    assert made.statements == (
        "At least 2 calls are unpriced: amounts are at least what is shown.",
        "The usage of at least 2 calls is estimated.",
    )


def test_calls_without_a_price_are_added_up_over_lines_of_cost(home: Home) -> None:
    plan = Plan(name="models", version=1, charges=(replace(REST, itemize=("model",)),))
    on = Billed(home, plan)
    on.subscribe(subscription(plan, date(2026, 11, 1)))
    for model in ("gpt-4o", "o3", "o4-mini"):
        on.usage.add(call("acme", at("2026-11-02T12:00"), model=model, unpriced_calls=1))
    (refused,) = on.run("2026-12-04T00:00").refused
    assert refused.reason.startswith("3 calls of acme have no price")
