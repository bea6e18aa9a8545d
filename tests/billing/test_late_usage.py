"""What the record learned of invoiced days is not lost with the customer."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from calls import TestLedger, done
from msgspec.structs import replace
from tests.billing.invoices.billed_customers import ACME, MARKUP, Billed, at, subscription

from farebox.billing.late_usage import is_newer_than_invoices
from farebox.billing.plans.changes import apply, remove_customer
from farebox.charges.plan_reader import BillingTerms
from farebox.charges.plan_reader.billing_terms import Place
from farebox.errors import UsageError
from farebox.home import Home


def test_a_customer_of_whose_invoiced_days_there_are_newer_calls_is_not_removed(home: Home) -> None:
    place = {"customers.acme": Place("plans.yaml", 1, "customers.acme")}
    apply(home, BillingTerms(customers={"acme": ACME}, places=place), "uid:1", at("2026-10-01T00:00"))
    plan = replace(MARKUP, base=Decimal(10))
    on = Billed(home, plan)
    on.subscribe(subscription(plan, date(2026, 11, 1), date(2026, 12, 1)))
    on.invoice("2026-12-04T00:00")

    ledger, late = TestLedger(home), at("2026-11-20T12:00")

    def is_newer() -> bool:
        with on.control.reading() as connection:
            return is_newer_than_invoices(home, connection, ACME)

    ledger.append(done(late, attribution={"customer": "bob"}))
    ledger.append(done(at("2026-12-20T12:00"), attribution={"customer": "acme"}))
    assert not is_newer()
    ledger.append(done(late, attribution={"customer": "acme"}))
    assert is_newer()
    with pytest.raises(UsageError, match="invoices run"):
        remove_customer(home, "acme", "uid:1", at("2026-12-05T00:00"))
    remove_customer(home, "acme", "uid:1", at("2026-12-05T00:00"), write_off=True)
