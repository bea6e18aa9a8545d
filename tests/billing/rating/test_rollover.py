"""Units carried into the next period: of what was included in the days there were, and was not used."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from msgspec.structs import replace
from tests.billing.invoices.billed_customers import ACME, Billed, at, subscription
from tests.billing.usage_in_memory import call, reversed_call

from farebox.billing.documents.document import Invoice
from farebox.charges.models import Standard
from farebox.charges.plan import Charge, Plan
from farebox.home import Home

UTC = replace(ACME, timezone="UTC", tax_percent=Decimal(0))
NOV = date(2026, 11, 1)
CALLS = Charge(
    name="Calls",
    meter="calls",
    model=Standard(unit=Decimal(1)),
    included=Decimal(30),
    rollover_percent=Decimal(50),
)
PLAN = Plan(name="pro", version=1, charges=(CALLS,))


def used(on: Billed, day: str, calls: int, **more: Any) -> None:
    on.usage.add(*(call("acme", at(f"{day}T12:00"), **more) for _ in range(calls)))


def total(invoice: Invoice, kind: str = "usage") -> int:
    return sum(line.amount_minor for line in invoice.lines if line.kind == kind)


def test_what_was_not_used_is_carried_up_to_its_percentage(home: Home) -> None:
    on = Billed(home, PLAN, customers=(UTC,))
    on.subscribe(subscription(PLAN, NOV))
    used(on, "2026-11-02", 10)
    on.invoice("2026-12-04T00:00")
    used(on, "2026-12-02", 50)
    made = on.invoice("2027-01-04T00:00")
    assert total(made) == 500, "30 and 15 of the 20 that were left are free"
    assert made.lines[0].note == "45 included"
    used(on, "2027-01-02", 31)
    assert total(on.invoice("2027-02-04T00:00")) == 100, "what was carried is not carried again"


def test_a_part_of_a_month_carries_what_was_included_in_its_days(home: Home) -> None:
    on = Billed(home, PLAN, customers=(UTC,))
    on.subscribe(subscription(PLAN, date(2026, 11, 30)))
    used(on, "2026-11-30", 1)  # all that one day of 30 includes
    on.invoice("2026-12-04T00:00")
    used(on, "2026-12-02", 35)
    assert total(on.invoice("2027-01-04T00:00")) == 500


def test_two_subscriptions_with_charges_of_one_name_carry_their_own_units(home: Home) -> None:
    plans = tuple(
        Plan(name=name, version=1, charges=(replace(CALLS, where={"model": (name,)}),)) for name in "ab"
    )
    on = Billed(home, *plans, customers=(UTC,))
    on.subscribe(*(subscription(plan, NOV) for plan in plans))
    used(on, "2026-11-02", 30, model="a")
    on.invoice("2026-12-04T00:00")
    used(on, "2026-12-02", 45, model="a")
    used(on, "2026-12-02", 45, model="b")
    made = on.invoice("2027-01-04T00:00")
    assert [(line.plan, line.amount_minor) for line in made.lines] == [("a", 1500), ("b", 0)]


def test_late_usage_takes_back_what_was_carried_from_its_period(home: Home) -> None:
    on = Billed(home, PLAN, customers=(UTC,))
    on.subscribe(subscription(PLAN, NOV))
    used(on, "2026-11-02", 20)
    first = on.invoice("2026-12-04T00:00")
    used(on, "2026-11-03", 5)  # 5 are left of November
    used(on, "2026-12-02", 40)
    second = on.invoice("2027-01-04T00:00")
    assert total(second) == 500
    assert total(second, "adjustment") == 0, "it was within what November includes"
    used(on, "2026-11-04", 6)  # one too many: nothing is carried from November
    third = on.invoice("2027-02-04T00:00")
    assert {line.of_invoice: line.amount_minor for line in third.lines if line.kind == "adjustment"} == {
        first.id: 100,
        second.id: 500,
    }


def test_what_was_carried_stays_where_a_later_month_is_looked_at_again(home: Home) -> None:
    on = Billed(home, PLAN, customers=(UTC,))
    on.subscribe(subscription(PLAN, NOV))
    used(on, "2026-11-02", 20)
    on.invoice("2026-12-04T00:00")
    used(on, "2026-11-03", 5)  # is on no invoice, as it is included; 5 are left of November
    used(on, "2026-12-02", 40)
    second = on.invoice("2027-01-04T00:00")
    used(on, "2026-12-03", 1)
    third = on.invoice("2027-02-04T00:00")
    assert (total(second), total(third, "adjustment")) == (500, 100)


def test_a_correction_gives_units_back_that_are_carried_then(home: Home) -> None:
    on = Billed(home, PLAN, customers=(UTC,))
    on.subscribe(subscription(PLAN, NOV))
    used(on, "2026-11-02", 30)
    seen = on.usage.calls[:10]
    on.invoice("2026-12-04T00:00")
    on.usage.add(*map(reversed_call, seen))
    used(on, "2026-12-02", 45)
    assert total(on.invoice("2027-01-04T00:00")) == 500


def test_a_change_of_version_shares_what_was_carried_and_loses_none_of_it(home: Home) -> None:
    second, third = replace(PLAN, version=2), replace(PLAN, version=3)
    on = Billed(home, PLAN, second, third, customers=(UTC,))
    on.subscribe(subscription(PLAN, NOV, date(2026, 11, 16)))
    on.subscribe(subscription(second, date(2026, 11, 16), date(2026, 12, 17)))
    on.subscribe(subscription(third, date(2026, 12, 17)))
    on.invoice("2026-12-04T00:00")  # each half of November carries 7.5 of its 15
    used(on, "2026-12-02", 24)  # of 16/31 of 45
    used(on, "2026-12-20", 22)  # of 15/31 of 45
    assert total(on.invoice("2027-01-04T00:00")) == 100
