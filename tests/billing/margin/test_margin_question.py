"""Margins of the record: revenue as invoices have it, cost as the ledger has it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from msgspec.structs import replace
from tests.billing.invoices.billed_customers import ACME, MARKUP, PRO, USD, Billed, at, subscription

from farebox.billing.customer_terms import end, give_add_on, give_coupon
from farebox.billing.margin.margin import By, Margin, total
from farebox.billing.margin.margin_question import margins_of
from farebox.billing.rated_periods import periods_of
from farebox.charges.plan import AddOn, Customer, Discount, DollarRate, Plan
from farebox.charges.usage.cells import Cell, OutcomeCell
from farebox.control.publish import change
from farebox.home import Home
from farebox.server.api.billing.margin_views import margins_view, read_percent

NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)
GLOBEX = Customer(id="globex", currency="USD", timezone="Asia/Tokyo")
FREE = Customer(id="free")
EURO = Customer(id="euro", currency="EUR")


def call(customer: str, day: int, cost: str, **dims: str) -> Cell:
    return Cell(
        customer=customer,
        start_ns=at(f"2026-11-{day:02d}T12:00"),
        dims={"model": "gpt-4o", **dims},
        calls=1,
        output_tokens=1_000,
        output_cost_pico=int(Fraction(cost) * USD),
    )


@pytest.fixture
def billed(home: Home) -> Billed:
    made = Billed(home, PRO, MARKUP, customers=(ACME, GLOBEX, FREE, EURO))
    made.subscribe(subscription(PRO, NOVEMBER), subscription(MARKUP, NOVEMBER, customer="globex"))
    made.usage.add(
        call("acme", 3, "30.00", agent="writer", model="claude-sonnet-4-5", task="t1"),
        call("acme", 4, "12.00", agent="researcher", model="claude-sonnet-4-5", task="t2"),
        call("acme", 5, "1.00", task="t1"),
        call("globex", 9, "10.00", agent="writer"),
        call("free", 9, "7.00", agent="writer"),
    )
    made.usage.outcome_rows += [
        OutcomeCell(
            customer="acme",
            start_ns=at("2026-11-06T12:00"),
            dims={"outcome": "lead.qualified", "task": "t1"},
            count=12,
        )
    ]
    return made


def asked(billed: Billed, by: By) -> dict[str | None, Margin]:
    periods = periods_of(billed.desk, at("2026-12-15"))
    found = margins_of(periods, billed.usage, NOVEMBER, DECEMBER, by)
    return {each.value: each for each in found.margins}


def test_a_customers_revenue_is_the_invoice_before_tax_and_cost_is_the_ledger_s(billed: Billed) -> None:
    found = asked(billed, "customer")
    invoices = {each.customer: each for each in billed.run("2026-12-15").final}
    for customer in ("acme", "globex"):
        assert found[customer].revenue_usd == Fraction(invoices[customer].subtotal_minor, 100)
    assert found["acme"].cost_pico == 43 * USD and found["acme"].calls == 3
    assert found["globex"].revenue_usd == 12 and found["globex"].percent == Fraction(50, 3)
    assert found["free"].revenue_usd == 0 and found["free"].cost_pico == 7 * USD
    assert found["euro"].revenue_usd == 0 and found["euro"].cost_pico == 0


@pytest.mark.parametrize("by", ["agent", "model", "outcome"])
def test_revenue_and_cost_by_anything_add_up_to_those_of_customers(billed: Billed, by: By) -> None:
    whole, parts = total(asked(billed, "customer").values()), total(asked(billed, by).values())
    assert parts.revenue_usd == whole.revenue_usd
    assert (parts.cost_pico, parts.calls) == (whole.cost_pico, whole.calls)


def test_an_agents_revenue_is_what_its_usage_is_charged(billed: Billed) -> None:
    found = asked(billed, "agent")
    assert found["researcher"].revenue_usd == Fraction("14.40")
    assert found["writer"].revenue_usd == Fraction("48.00") and found["writer"].cost_pico == 47 * USD
    assert found[""].revenue_usd == Fraction("0.02")  # gpt-4o's output, without an agent
    assert found[None].revenue_usd == Fraction("28.00")  # base fee and leads


def test_an_outcomes_cost_is_that_of_its_tasks(billed: Billed) -> None:
    found = asked(billed, "outcome")
    assert found["lead.qualified"].revenue_usd == 8  # 12 less the 10 included, at 4.00
    assert found["lead.qualified"].cost_pico == 31 * USD


def test_those_below_a_threshold_are_listed_alone_the_lowest_first(billed: Billed) -> None:
    periods = periods_of(billed.desk, at("2026-12-15"))
    found = margins_of(periods, billed.usage, NOVEMBER, DECEMBER, "customer")
    shown = margins_view(found, read_percent("20%"))
    assert [row.value for row in shown.rows] == ["free", "globex"]
    assert [row.margin_percent for row in shown.rows] == [None, "16.7"]
    assert shown.below_percent == "20" and shown.rows[1].margin_usd == "2"
    assert len(margins_view(found).rows) == 4


def test_calls_without_a_price_make_margins_upper_bounds_and_are_counted(billed: Billed) -> None:
    billed.usage.add(
        Cell(customer="globex", start_ns=at("2026-11-10"), dims={"model": "new"}, calls=1, unpriced_calls=1)
    )
    globex = asked(billed, "customer")["globex"]
    assert (globex.unpriced_calls, globex.revenue_unpriced_calls) == (1, 1)  # cost and what is charged on it
    billed.usage.add(
        Cell(customer="free", start_ns=at("2026-11-10"), dims={"model": "new"}, calls=1, unpriced_calls=1)
    )
    for by in ("customer", "model"):
        whole = total(asked(billed, by).values())
        assert (whole.unpriced_calls, whole.revenue_unpriced_calls) == (2, 1)
    free = asked(billed, "customer")["free"]
    assert (free.unpriced_calls, free.revenue_unpriced_calls) == (1, 0)  # nothing is charged for it


def test_a_span_in_which_no_period_begins_has_neither_revenue_nor_cost_of_the_periods_around_it(
    home: Home,
) -> None:
    from farebox.charges.plan import Interval, Plan

    plan = Plan(name="p", version=1, base=Decimal(1), interval=Interval(kind="anniversary"))
    billed = Billed(home, plan, customers=(Customer(id="acme"),))
    billed.subscribe(subscription(plan, date(2026, 10, 31), customer="acme"))
    for day in ("2026-10-01", "2026-11-10"):  # before the subscription, and in its first period
        billed.usage.add(Cell(customer="acme", start_ns=at(day), calls=1, output_cost_pico=12 * USD))

    def of(since: date, until: date) -> Margin:
        periods = periods_of(billed.desk, at("2026-12-15"))
        return total(margins_of(periods, billed.usage, since, until, "customer").margins)

    october = of(date(2026, 10, 2), date(2026, 11, 1))
    assert (october.revenue_usd, october.cost_pico) == (1, 12 * USD)
    middle = of(date(2026, 11, 1), date(2026, 11, 30))
    assert (middle.revenue_usd, middle.cost_pico) == (0, 0)
    assert of(date(2026, 10, 1), date(2026, 10, 31)).cost_pico == 12 * USD, "before any period"


def test_revenue_in_another_currency_needs_a_rate(home: Home) -> None:
    from msgspec.structs import replace

    from farebox.charges.plan import DollarRate, Plan

    flat = Plan(name="flat", version=1, base=Decimal(92))
    rated = replace(flat, name="rated", usd_rates=(DollarRate(start=date(2026, 1, 1), rate=Decimal("0.92")),))
    other = Customer(id="other", currency="EUR")
    billed = Billed(home, flat, rated, customers=(EURO, other))
    billed.subscribe(
        subscription(flat, NOVEMBER, customer="euro"), subscription(rated, NOVEMBER, customer="other")
    )
    found = asked(billed, "customer")
    assert found["euro"].revenue_usd is None and found["other"].revenue_usd == 100


@pytest.mark.parametrize("text", ["", "%", "x", "1e3", "20%%", "1.", "--1", "٣"])
def test_a_threshold_is_a_decimal_percentage(text: str) -> None:
    with pytest.raises(ValueError, match="a percentage"):
        read_percent(text)


def test_a_month_has_the_coupons_and_add_ons_of_its_invoice_before_and_after_it_is_issued(home: Home) -> None:
    plan = Plan(name="base", version=1, base=Decimal(30))
    on = Billed(home, plan, customers=(FREE,))
    on.subscribe(subscription(plan, NOVEMBER, customer="free"))
    with change(home, on.control) as connection:
        half = Discount(kind="percentage", value=Decimal(50), name="HALF", invoices=1)
        coupon = give_coupon(connection, "free", half, 1)
        give_add_on(connection, "free", AddOn(name="Setup", amount=Decimal(100), on=NOVEMBER), 1)

    def revenue() -> list[Fraction | None]:
        periods = periods_of(on.desk, at("2026-12-15"))
        return [
            margins_of(periods, on.usage, since, until, "customer").margins[0].revenue_usd
            for since, until in ((NOVEMBER, DECEMBER), (DECEMBER, date(2027, 1, 1)))
        ]

    assert revenue() == [115, 30]
    assert on.invoice("2026-12-04T00:00").total_minor == 11_500
    assert revenue() == [115, 30]
    with change(home, on.control) as connection:
        end(connection, coupon.id, 2, type(coupon))
    assert revenue() == [115, 30]


def test_what_an_invoice_gave_back_of_a_base_fee_in_advance_stays_in_its_month(home: Home) -> None:
    plan = Plan(name="advance", version=1, base=Decimal(30), base_in_advance=True)
    other = Plan(name="other", version=1, base=Decimal(50))
    on = Billed(home, plan, other, customers=(FREE,))
    on.subscribe(subscription(plan, NOVEMBER, customer="free"))
    on.invoice("2026-12-04T00:00")
    on.terms = replace(
        on.terms,
        subscriptions=(
            subscription(plan, NOVEMBER, DECEMBER, customer="free"),
            subscription(other, DECEMBER, customer="free"),
        ),
    )
    found: list[Fraction | None] = []
    for moment in ("2026-12-31", "2027-01-04"):
        on.run(moment)
        periods = periods_of(on.desk, at(moment))
        (one,) = margins_of(periods, on.usage, DECEMBER, date(2027, 1, 1), "customer").margins
        found.append(one.revenue_usd)
    assert found == [20, 20]


def test_a_plan_from_the_middle_of_a_month_on_is_exchanged_by_the_rate_it_begins_with(
    home: Home,
) -> None:
    start = date(2026, 11, 10)
    rates = (DollarRate(start=start, rate=Decimal("0.8")),)
    plan = Plan(name="euros", version=1, base=Decimal(30), usd_rates=rates)
    on = Billed(home, plan, customers=(EURO,))
    on.subscribe(subscription(plan, start, customer="euro"))
    (one,) = margins_of(
        periods_of(on.desk, at("2026-12-15")), on.usage, NOVEMBER, DECEMBER, "customer"
    ).margins
    assert one.revenue_usd == Fraction(30 * 21, 30) / Fraction(8, 10)
