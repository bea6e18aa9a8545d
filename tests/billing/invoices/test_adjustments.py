"""Adjustments where lines depend on one another: a goodwill credit is given once and never billed again."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from tests.billing.invoices.billed_customers import ACME, Billed, at, subscription
from tests.billing.usage_in_memory import call, reversed_call

from farebox.billing.documents.document import Invoice
from farebox.billing.invoices import finalizing, store
from farebox.charges.models import Standard
from farebox.charges.plan import Charge, Discount, Plan
from farebox.control.publish import change
from farebox.home import Home

UTC = replace(ACME, timezone="UTC", tax_percent=Decimal(0))
NOV = date(2026, 11, 1)
CALLS = Charge(name="Calls", meter="calls", where={"model": ("a",)}, model=Standard(unit=Decimal(10)))
OTHERS = replace(CALLS, name="Others", where={"model": ("b",)})
PLAN = Plan(name="pro", version=1, charges=(CALLS, OTHERS))


class November:
    """A customer's November, billed; what the record learns later is on the invoices of later months."""

    def __init__(self, home: Home, plan: Plan, **calls: int) -> None:
        self.on = Billed(home, plan, customers=(UTC,))
        self.on.subscribe(subscription(plan, NOV))
        self.month = 11
        self.use(**calls)
        self.first = self.next()
        self.paid = self.first.total_minor

    def use(self, **calls: int) -> None:
        """Add calls of a model to November; below zero they are taken back."""
        for model, number in calls.items():
            seen = call("acme", at("2026-11-05T12:00"), model=model)
            self.on.usage.add(*[seen if number > 0 else reversed_call(seen)] * abs(number))

    def credit(self, *kinds: str) -> None:
        """Credit the lines of these kinds, or of these charges, in full."""
        lines = {
            line.id: line.amount_minor
            for line in self.first.lines
            if line.kind in kinds or (line.charge in kinds and line.kind == "usage")
        }
        with change(self.on.desk.home, self.on.control) as connection:
            stored = store.stored_invoice(connection, self.first.id)
            assert stored is not None
            note = finalizing.credit(
                connection, stored, lines, reason="outage", now_ns=at("2026-12-10T00:00"), actor="uid:1"
            )
        self.paid -= note.total_minor

    def next(self) -> Invoice:
        self.month += 1
        return self.on.invoice(f"{2026 + (self.month - 1) // 12}-{(self.month - 1) % 12 + 1:02}-04T00:00")

    def learned(self, **calls: int) -> int:
        """Return what the next invoice makes of calls of November that come late, in minor units."""
        self.use(**calls)
        made = self.next()
        adjusted = sum(line.amount_minor for line in made.lines if line.kind == "adjustment")
        self.paid += adjusted
        return adjusted


def least(**more: Any) -> Plan:
    return replace(PLAN, minimum=Decimal(100), **more)


def test_usage_within_a_minimum_that_was_credited_is_not_billed(home: Home) -> None:
    november = November(home, least())
    november.credit("minimum")
    assert november.paid == 0
    assert november.learned(a=6) == 0, "the month is still its minimum, which was forgiven"
    assert november.learned(a=9) == 5_000, "what exceeds it was not"
    assert november.learned(a=-15) == -5_000
    assert november.paid == 0


def test_usage_that_was_credited_and_taken_back_does_not_bill_the_minimum_in_its_place(home: Home) -> None:
    november = November(home, least(), a=6)
    november.credit("Calls")
    assert november.paid == 4_000
    assert november.learned(a=-6) == 0
    assert november.paid == 4_000


def test_usage_above_a_maximum_that_was_credited_and_taken_back_changes_nothing(home: Home) -> None:
    november = November(home, replace(PLAN, charges=(replace(CALLS, maximum=Decimal(100)),)), a=15)
    note = 5_000
    with change(november.on.desk.home, november.on.control) as connection:
        stored = store.stored_invoice(connection, november.first.id)
        assert stored is not None
        finalizing.credit(
            connection, stored, {"1": note}, reason="outage", now_ns=at("2026-12-10T00:00"), actor="uid:1"
        )
    assert november.learned(a=-3) == 0, "120.00 of usage are still the maximum of 100.00"


def test_a_credit_of_one_charge_is_taken_off_also_where_another_one_grows(home: Home) -> None:
    november = November(home, least(), a=20, b=20)
    november.credit("Calls")
    assert november.learned(a=-20, b=5) == 5_000, "the credit was the correction; the other charge is due"


@pytest.mark.parametrize("credited", [True, False])
def test_a_discount_shrinks_with_what_is_taken_back(home: Home, credited: bool) -> None:
    tenth = Discount(kind="percentage", value=Decimal(10))
    november = November(home, replace(PLAN, discounts=(tenth,)), a=10)
    assert november.paid == 9_000
    if credited:
        with change(november.on.desk.home, november.on.control) as connection:
            stored = store.stored_invoice(connection, november.first.id)
            assert stored is not None
            finalizing.credit(
                connection, stored, {"1": 9_000}, reason="x", now_ns=at("2026-12-10T00:00"), actor="uid:1"
            )
    assert november.learned(a=-10) == (0 if credited else -9_000)
