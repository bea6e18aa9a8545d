"""Previews of several periods: each is what its invoice will be, once those before it are final."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from msgspec.structs import replace
from tests.billing.invoices.billed_customers import ACME, MARKUP, USD, Billed, at, subscription
from tests.billing.usage_in_memory import call

from farebox.billing.customer_terms import give_add_on, give_coupon
from farebox.billing.documents.document import Invoice
from farebox.billing.wallets.moves import grant, set_limits
from farebox.charges.models import Standard
from farebox.charges.plan import AddOn, Charge, Discount, Interval, Plan
from farebox.charges.usage.cells import Cell
from farebox.control.publish import change
from farebox.home import Home

NOV = date(2026, 11, 1)
UTC = replace(ACME, timezone="UTC", tax_percent=Decimal(0))
CALLS = Charge(name="Calls", meter="calls", where={"model": ("a",)}, model=Standard(unit=Decimal(1)))


def used(count: int, moment: str) -> list[Cell]:
    return [call("acme", at(moment) + place, model="a") for place in range(count)]


def told(made: Invoice) -> list[tuple[str, int]]:
    return [(line.kind, line.amount_minor) for line in made.lines]


def previewed(on: Billed, moment: str) -> list[list[tuple[str, int]]]:
    return [told(each.invoice) for each in on.desk.preview("acme", at(moment))]


def test_a_second_running_period_takes_off_what_earlier_invoices_billed_of_it(home: Home) -> None:
    advance = Plan(
        name="advance",
        version=1,
        base=Decimal(20),
        base_in_advance=True,
        charges=(CALLS,),
        thresholds=(Decimal(5),),
    )
    other = Plan(name="other", version=1, base=Decimal(7), interval=Interval(kind="anniversary"))
    on = Billed(home, advance, other, customers=(UTC,))
    on.subscribe(subscription(other, date(2026, 10, 15)), subscription(advance, NOV))
    on.run("2026-12-04T00:00")
    on.usage.add(*used(10, "2026-12-05T00:00"))
    assert [told(each) for each in on.run("2026-12-06T00:00").final] == [[("usage", 1000)]]
    seen = previewed(on, "2026-12-10T00:00")
    assert seen == [[("base", 700)], [("base", 2000), ("usage", 1000), ("progressive", -1000)]]
    assert [told(each) for each in on.run("2027-01-04T00:00").final][-1] == seen[-1]


def test_what_a_draft_carries_over_and_uses_up_is_in_the_preview_of_the_month_after_it(
    home: Home,
) -> None:
    charge = replace(CALLS, included=Decimal(10), rollover_percent=Decimal(100))
    plan = Plan(name="carry", version=1, base=Decimal(20), charges=(charge,))
    on = Billed(home, plan, customers=(UTC,))
    on.subscribe(subscription(plan, NOV))
    with change(home, on.control) as connection:
        give_coupon(connection, "acme", Discount(kind="fixed", value=Decimal(5), name="ONCE", invoices=1), 1)
        give_add_on(connection, "acme", AddOn(name="Setup", amount=Decimal(50), on=NOV), 1)
    on.usage.add(*used(4, "2026-11-05T00:00"), *used(18, "2026-12-01T12:00"))
    november, december = previewed(on, "2026-12-02T00:00")
    assert november == [("base", 2000), ("usage", 0), ("discount", -500), ("add_on", 5000)]
    assert december == [("base", 2000), ("usage", 200)], "18 calls less 10, and 6 of November"
    assert [told(each) for each in on.run("2027-01-04T00:00").final] == [november, december]


def test_a_preview_says_what_the_wallet_would_pay_of_each_period_and_takes_nothing(home: Home) -> None:
    on = Billed(home, MARKUP, customers=(UTC,))
    on.subscribe(subscription(MARKUP, NOV))
    for day in ("11-02", "12-02"):
        on.usage.add(call("acme", at(f"2026-{day}T12:00"), output_cost_pico=50 * USD))
    with change(home, on.control) as connection:
        november = at("2026-11-01T00:00")
        grant(
            connection, "acme", "USD", 2_000, at_ns=november, actor="uid:1", expires_at=at("2026-12-01T00:00")
        )
        grant(connection, "acme", "USD", 5_000, at_ns=november, actor="uid:1", kind="promotional")
        set_limits(
            connection, "acme", "USD",
            at_ns=november, overdraft_minor=1_500, low_minor=None, top_up_minor=None,
        )  # fmt: skip
    said = [each.invoice for each in on.desk.preview("acme", at("2026-12-05T00:00"))]
    assert [(each.total_minor, each.due_minor) for each in said] == [(6_000, 0), (6_000, 3_500)]
    assert [[credit.amount_minor for credit in each.credits] for each in said] == [
        [2_000, 4_000],  # the first grant was in force when November ended
        [1_000, 1_500],
    ]
    made = on.invoice("2026-12-05T00:00")
    assert (made.credits, made.due_minor) == (said[0].credits, 0)
    assert on.invoice("2027-01-05T00:00").credits == said[1].credits
