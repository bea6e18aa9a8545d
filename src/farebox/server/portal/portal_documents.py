"""Invoices and running periods as their customer sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from farebox.billing.documents.customer_copy import customer_copy
from farebox.billing.documents.dates import first_and_last_day
from farebox.billing.documents.document import CreditNote, Invoice
from farebox.billing.documents.page import credit_note_page, invoice_page
from farebox.billing.invoices import store
from farebox.clock import iso
from farebox.errors import UsageError
from farebox.server.api.billing.invoice_views import decimal_text, due_text
from farebox.server.portal.portal_views import (
    PortalCharges,
    PortalDocument,
    PortalInvoice,
    PortalInvoices,
    PortalLine,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from farebox.billing.invoices.run import Desk
    from farebox.config.configuration import BillingConfig

NO_PLAN = "No plan is in force now, so nothing is being charged."


def charges_view(desk: Desk, customer: str, billing: BillingConfig, now_ns: int) -> PortalCharges:
    """Return what a customer's periods without an invoice come to by now: the preview that the seller has."""
    try:
        drafts = desk.preview(customer, now_ns)
    except UsageError:  # its words name what others are called
        return PortalCharges(documents=[], nothing=NO_PLAN)
    documents: list[PortalDocument] = []
    for each in sorted(drafts, key=lambda each: -each.invoice.until_ns):
        shown = document_view(each.invoice, billing)
        shown.status = "running" if each.invoice.until_ns > now_ns else "ended"
        shown.page = replace(shown.page, banner="So far", proof=[])
        documents.append(shown)
    return PortalCharges(documents=documents, nothing="")


def document_view(said: Invoice, billing: BillingConfig, credited_minor: int = 0) -> PortalDocument:
    """Return an invoice, or what one would be, of which so much was credited."""
    copy = customer_copy(said)
    first, last = first_and_last_day(said.from_ns, said.until_ns, said.timezone)
    return PortalDocument(
        id=said.id,
        number=said.number,
        status=said.status,
        currency=said.currency,
        period_start=iso(said.from_ns),
        period_end=iso(said.until_ns),
        first_day=first,
        last_day=last,
        total=decimal_text(said.total_minor, said.exponent),
        due=due_text(said, credited_minor),
        lines=[
            PortalLine(
                line=each.id,
                kind=each.kind,
                title=each.title,
                exact=each.exact,
                amount=decimal_text(each.amount_minor, said.exponent),
                is_least=each.unpriced_calls > 0,
            )
            for each in copy.lines
        ],
        page=invoice_page(copy, billing),
    )


def note_view(said: CreditNote, billing: BillingConfig) -> PortalDocument:
    """Return a credit note, with the amounts that it gives back below zero."""
    day = iso(said.issued_at)
    return PortalDocument(
        id=said.id,
        number=said.number,
        status="final",
        currency=said.currency,
        period_start=day,
        period_end=day,
        first_day=day[:10],
        last_day=day[:10],
        total=decimal_text(-said.total_minor, said.exponent),
        due=decimal_text(0, said.exponent),
        lines=[
            PortalLine(
                line=each.of_line,
                kind="credit",
                title=each.title,
                exact=decimal_text(-each.amount_minor, said.exponent),
                amount=decimal_text(-each.amount_minor, said.exponent),
                is_least=False,
            )
            for each in said.lines
        ],
        page=credit_note_page(said, billing),
    )


def invoices_view(connection: Connection, customer: str) -> PortalInvoices:
    """Return what was issued to a customer, the newest first."""
    notes = store.credit_notes(connection, customers=[customer])
    credited: dict[str, int] = {}
    for note in notes:
        credited[note.invoice] = credited.get(note.invoice, 0) + note.total_minor
    issued = [
        (each.invoice.issued_at or 0, _invoice(each.invoice, credited.get(each.invoice.id, 0)))
        for each in store.final_invoices(connection, customers=[customer], voided=True)
    ]
    issued += [(note.issued_at, _note(note)) for note in notes]
    issued.sort(key=lambda each: each[0])
    return PortalInvoices(invoices=[shown for _, shown in reversed(issued)])


def issued_document(connection: Connection, customer: str, number: str) -> Invoice | CreditNote | None:
    """Return the invoice or credit note of a customer with this number; None without one of theirs."""
    note = next(
        (each for each in store.credit_notes(connection, customers=[customer]) if each.number == number), None
    )
    return note if note is not None else issued_invoice(connection, customer, number)


def issued_invoice(connection: Connection, customer: str, number: str) -> Invoice | None:
    """Return the invoice of a customer with this number, likewise."""
    return next(
        (
            each.invoice
            for each in store.final_invoices(connection, customers=[customer], voided=True)
            if each.invoice.number == number
        ),
        None,
    )


def credited_minor(connection: Connection, said: Invoice) -> int:
    """Return how much of an invoice was credited."""
    return sum(each.total_minor for each in store.credit_notes(connection, invoice=said.id))


def _invoice(said: Invoice, credited: int) -> PortalInvoice:
    first, last = first_and_last_day(said.from_ns, said.until_ns, said.timezone)
    return PortalInvoice(
        number=said.number or "",
        kind=said.kind,
        status=said.status,
        currency=said.currency,
        first_day=first,
        last_day=last,
        issued_at=iso(said.issued_at or 0),
        total=decimal_text(said.total_minor, said.exponent),
        due=due_text(said, credited),
        of_invoice=None,
    )


def _note(said: CreditNote) -> PortalInvoice:
    day = iso(said.issued_at)
    return PortalInvoice(
        number=said.number,
        kind="credit_note",
        status="final",
        currency=said.currency,
        first_day=day[:10],
        last_day=day[:10],
        issued_at=day,
        total=decimal_text(-said.total_minor, said.exponent),
        due=decimal_text(0, said.exponent),
        of_invoice=said.invoice_number,
    )
