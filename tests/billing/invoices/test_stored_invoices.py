"""Final invoices in `control.db`: named, credited in parts, and noticed where they were changed."""

from __future__ import annotations

import sqlite3
from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace
from sqlalchemy import text
from tests.billing.invoices.billed_customers import ACME, MARKUP, USD, Billed, at, subscription
from tests.billing.usage_in_memory import call

from farebox.billing.invoices import finalizing, store
from farebox.billing.wallets.balance import grant
from farebox.billing.written_amounts import minor_of
from farebox.control.publish import change
from farebox.control.seal import holds
from farebox.errors import ControlDamagedError, InvoiceError, UsageError
from farebox.home import Home

NOV = date(2026, 11, 1)


@pytest.fixture
def on(home: Home) -> Billed:
    """Return a customer with 19 % tax and usage of 0.12 before tax."""
    made = Billed(home, MARKUP, customers=(replace(ACME, timezone="UTC", tax_percent=Decimal(19)),))
    made.subscribe(subscription(MARKUP, NOV))
    made.usage.add(call("acme", at("2026-11-02T12:00"), output_cost_pico=USD // 10))
    return made


def test_a_changed_price_in_the_terms_of_a_final_invoice_is_noticed(home: Home, on: Billed) -> None:
    on.invoice("2026-12-04T00:00")
    with sqlite3.connect(home.control) as file:
        for (trigger,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            file.execute(f'DROP TRIGGER "{trigger}"')
        found = file.execute("SELECT replace(terms, '\"20\"', '\"90\"') FROM invoice").fetchall()
        file.execute("UPDATE invoice SET terms = ?", found[0])
    with on.control.reading() as connection, pytest.raises(ControlDamagedError, match="rated by"):
        store.stored_invoice(connection, "INV-000001")


def test_a_coupon_whose_uses_were_changed_breaks_the_seal(home: Home, on: Billed) -> None:
    with change(home, on.control) as connection:
        connection.execute(text("INSERT INTO invoice_use VALUES ('coupon', 'invoice', 1)"))
    with sqlite3.connect(home.control) as file:
        file.execute("DELETE FROM invoice_use")
    with on.control.reading() as connection:
        assert not holds(connection)


def test_credit_notes_in_parts_give_back_the_tax_that_was_billed_and_no_more(home: Home, on: Billed) -> None:
    made = on.invoice("2026-12-04T00:00")
    assert (made.subtotal_minor, made.total_minor) == (12, 14)
    totals: list[int] = []
    for _ in range(4):
        with change(home, on.control) as connection:
            stored = store.stored_invoice(connection, "INV-000001")
            assert stored is not None
            note = finalizing.credit(connection, stored, {"1": 3}, reason="r", now_ns=1, actor="uid:1")
            totals.append(note.total_minor)
    assert sum(totals) == 14
    assert min(totals) >= 3


@pytest.mark.parametrize("characters", [0, 1, 7])
def test_too_little_of_an_id_names_no_draft_invoice_or_grant(home: Home, on: Billed, characters: int) -> None:
    (made,) = on.run("2026-12-02T00:00").drafts
    said = made.invoice.id[:characters]
    with pytest.raises(InvoiceError, match="no draft"):
        on.desk.finalize(
            said, now_ns=at("2026-12-02T00:00"), actor="uid:1", accept_gap=False, accept_unpriced=False
        )
    with on.control.reading() as connection:
        assert store.draft(connection, made.invoice.id[:8]) == made.invoice
        with pytest.raises(UsageError):
            grant(connection, said)
    final = on.invoice("2026-12-04T00:00")
    with on.control.reading() as connection:
        assert store.stored_invoice(connection, said) is None
        assert store.stored_invoice(connection, final.id[:8]) is not None


@pytest.mark.parametrize("said", ["1e999999", "123456789012345678901234567890.01", "NaN", "1.001"])
def test_an_amount_that_cannot_be_exact_is_refused(said: str) -> None:
    with pytest.raises(UsageError):
        minor_of(said, "USD")
