"""Invoices and credit notes as API v1 and `farebox invoices --json` show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from farebox.billing.documents.dates import first_and_last_day
from farebox.billing.documents.document import CreditNote, Invoice
from farebox.billing.invoices import store
from farebox.charges.rounding import decimal_of_units
from farebox.clock import iso

if TYPE_CHECKING:
    from sqlalchemy import Connection


class InvoiceBrief(msgspec.Struct, kw_only=True):
    """One invoice of a list. Amounts are decimal text in its currency."""

    id: str
    number: str | None
    status: str
    """`draft`, `final` or `void`."""
    kind: str
    """`period`, or `progressive`: before the period's end, at a threshold."""
    customer: str
    currency: str
    period_start: str
    period_end: str
    """Half-open."""
    first_day: str
    last_day: str
    """The same on the customer's calendar, both days included."""
    total: str
    due: str
    """What is left to pay: less wallets and credit notes, zero for one that is void."""
    unpriced_calls: int
    """More than zero: the amounts are "at least"."""
    issued_at: str | None


class CreditNoteBrief(msgspec.Struct, kw_only=True):
    """One credit note of a list."""

    id: str
    number: str
    invoice: str
    """The invoice's number."""
    customer: str
    currency: str
    total: str
    reason: str
    issued_at: str


class Invoices(msgspec.Struct, kw_only=True):
    """`/api/v1/invoices`: drafts first, then the newest."""

    invoices: list[InvoiceBrief]
    credit_notes: list[CreditNoteBrief]


class CreditNotes(msgspec.Struct, kw_only=True):
    """`/api/v1/credit-notes`: the oldest first."""

    credit_notes: list[CreditNoteBrief]


class InvoiceShown(msgspec.Struct, kw_only=True):
    """`/api/v1/invoices/{id}`: the document whole, and what became of it."""

    invoice: Invoice
    sha256: str | None
    """Of the stored bytes; drafts have none."""
    due: str
    """What is left to pay by now: a credit note lowers it, the document stays as it was issued."""
    void_reason: str | None = None
    voided_at: str | None = None
    credit_notes: list[CreditNote] = []


class NoteShown(msgspec.Struct, kw_only=True):
    """A credit note that was issued."""

    credit_note: CreditNote


def invoices_view(
    connection: Connection, *, customer: str | None = None, status: str | None = None
) -> Invoices:
    """Return the invoices of one customer or of all, of one status or of any."""
    customers = None if customer is None else [customer]
    final = [each.invoice for each in store.final_invoices(connection, customers=customers, voided=True)]
    listed = [*store.drafts(connection, customer), *reversed(final)]
    notes = store.credit_notes(connection, customers=customers)
    credited: dict[str, int] = {}
    for note in notes:
        credited[note.invoice] = credited.get(note.invoice, 0) + note.total_minor
    return Invoices(
        invoices=[
            brief(each, credited.get(each.id, 0))
            for each in listed
            if status is None or each.status == status
        ],
        credit_notes=[note_brief(each) for each in notes],
    )


def invoice_view(connection: Connection, named: str) -> InvoiceShown | None:
    """Return the invoice with this number or id, final or draft; None without one."""
    stored = store.stored_invoice(connection, named)
    if stored is None:
        found = store.draft(connection, named)
        return None if found is None else InvoiceShown(invoice=found, sha256=None, due=due_text(found))
    notes = store.credit_notes(connection, invoice=stored.invoice.id)
    return InvoiceShown(
        invoice=stored.invoice,
        sha256=stored.sha256,
        due=due_text(stored.invoice, sum(each.total_minor for each in notes)),
        void_reason=stored.void_reason,
        voided_at=None if stored.voided_at is None else iso(stored.voided_at),
        credit_notes=notes,
    )


def due_text(said: Invoice, credited_minor: int = 0) -> str:
    """Return what is left to pay of an invoice of which so much was credited, tax included."""
    left = 0 if said.status == "void" else max(0, said.due_minor - credited_minor)
    return decimal_text(left, said.exponent)


def brief(said: Invoice, credited_minor: int = 0) -> InvoiceBrief:
    """Return an invoice as lists have it."""
    first, last = first_and_last_day(said.from_ns, said.until_ns, said.timezone)
    return InvoiceBrief(
        id=said.id,
        number=said.number,
        status=said.status,
        kind=said.kind,
        customer=said.customer,
        currency=said.currency,
        period_start=iso(said.from_ns),
        period_end=iso(said.until_ns),
        first_day=first,
        last_day=last,
        total=decimal_text(said.total_minor, said.exponent),
        due=due_text(said, credited_minor),
        unpriced_calls=said.unpriced_calls,
        issued_at=None if said.issued_at is None else iso(said.issued_at),
    )


def note_brief(said: CreditNote) -> CreditNoteBrief:
    """Return a credit note as lists have it."""
    return CreditNoteBrief(
        id=said.id,
        number=said.number,
        invoice=said.invoice_number,
        customer=said.customer,
        currency=said.currency,
        total=decimal_text(said.total_minor, said.exponent),
        reason=said.reason,
        issued_at=iso(said.issued_at),
    )


def decimal_text(amount_minor: int, exponent: int) -> str:
    """Return an amount of minor units as a decimal."""
    return format(decimal_of_units(amount_minor, exponent), "f")
