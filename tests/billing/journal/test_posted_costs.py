"""What charged usage cost the provider is in the journal: once, with what is learned of it later."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from msgspec.structs import replace
from sqlalchemy import func, select
from tests.billing.invoices.billed_customers import ACME, MARKUP, REST, USD, Billed, at, subscription
from tests.billing.usage_in_memory import call, reversed_call

from farebox.billing.invoices import finalizing, store
from farebox.billing.journal.verification import verify
from farebox.charges.models import Standard
from farebox.charges.plan import Charge, DollarRate, Plan
from farebox.charges.usage.cells import Cell
from farebox.control.publish import change
from farebox.control.schema import journal_entry
from farebox.home import Home

NOV = date(2026, 11, 1)
UTC = replace(ACME, timezone="UTC", tax_percent=Decimal(0))


def posted(on: Billed) -> int:
    """Return the provider's cost by the journal, in cents; it balances, and the journal holds."""
    with on.control.reading() as connection:
        assert verify(connection).faults == []
        found = {
            account: connection.execute(
                select(func.coalesce(func.sum(journal_entry.c.amount_minor), 0)).where(
                    journal_entry.c.account == account, journal_entry.c.currency == "USD"
                )
            ).scalar_one()
            for account in ("provider_cost", "cogs_accrued")
        }
    assert found["provider_cost"] == -found["cogs_accrued"]
    return int(found["provider_cost"])


def used(dollars: str, day: str = "2026-11-05") -> Cell:
    return call("acme", at(f"{day}T12:00"), model="a", output_cost_pico=int(Decimal(dollars) * USD))


def billed(home: Home, plan: Plan, currency: str = "USD") -> Billed:
    on = Billed(home, plan, customers=(replace(UTC, currency=currency),))
    on.subscribe(subscription(plan, NOV))
    return on


def void(on: Billed, number: str) -> None:
    with change(on.desk.home, on.control) as connection:
        stored = store.stored_invoice(connection, number)
        assert stored is not None
        finalizing.void(connection, stored, reason="wrong", now_ns=at("2027-01-05T00:00"), actor="uid:1")


def test_late_calls_and_corrections_are_posted_with_the_next_invoice_and_voids_take_back(home: Home) -> None:
    on = billed(home, MARKUP)
    first = used("10.004")
    on.usage.add(first)
    on.invoice("2026-12-04T00:00")
    assert posted(on) == 1000
    on.usage.add(used("0.004"), used("5", "2026-12-05"))
    second = on.invoice("2027-01-04T00:00")
    assert posted(on) == 1501, "10.008 of November and 5 of December"
    void(on, second.number or "")
    assert posted(on) == 1000
    assert len(on.run("2027-01-06T00:00").final) == 1
    assert posted(on) == 1501
    on.usage.add(reversed_call(first), used("1", "2027-01-05"))
    on.run("2027-02-04T00:00")
    assert posted(on) == 600, "0.004 of November, 5 of December, 1 of January"


def test_a_period_that_is_billed_again_posts_its_cost_once(home: Home) -> None:
    on = billed(home, MARKUP)
    on.usage.add(used("10"))
    first = on.invoice("2026-12-04T00:00")
    on.usage.add(used("3"), used("5", "2026-12-05"))
    on.invoice("2027-01-04T00:00")
    void(on, first.number or "")
    assert posted(on) == 800
    on.run("2027-01-06T00:00")
    assert posted(on) == 1800


def test_threshold_invoices_and_charges_that_overlap_post_no_cost_twice(home: Home) -> None:
    calls = Charge(name="Calls", meter="calls", overlap=True, model=Standard(unit=Decimal(1)))
    on = billed(home, Plan(name="both", version=1, charges=(calls, REST), thresholds=(Decimal(5),)))
    on.usage.add(used("10"))
    assert on.invoice("2026-11-10T00:00").kind == "progressive"
    on.run("2026-12-04T00:00")
    assert posted(on) == 1000


def test_the_cost_of_a_customer_in_euros_is_in_dollars(home: Home) -> None:
    rates = (DollarRate(start=NOV, rate=Decimal("0.5")),)
    on = billed(home, Plan(name="euros", version=1, charges=(REST,), usd_rates=rates), "EUR")
    on.usage.add(used("10"))
    assert on.invoice("2026-12-04T00:00").total_minor == 600
    assert posted(on) == 1000
