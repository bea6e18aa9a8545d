"""Invoices and credit notes as people read them, with what can be done about each and what happens next.

What stands on them is laid out by `billing.documents.page`, as in the PDF. Amounts are text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from farebox.billing.documents import dates
from farebox.billing.documents.amounts import grouped
from farebox.billing.documents.page import Page, credit_note_page, invoice_page
from farebox.billing.invoices import store
from farebox.billing.invoices.creditable import creditable
from farebox.server.api.billing.invoice_views import CreditNoteBrief, decimal_text, due_text, note_brief

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from farebox.billing.documents.document import CreditNote, Invoice
    from farebox.billing.invoices.drafting import Draft
    from farebox.billing.invoices.store import StoredInvoice
    from farebox.config.configuration import BillingConfig

Text = str
"""Decimal text."""

GRACE_HOURS = 48
"""Of a customer without a plan."""
_HOUR_NS = 3_600 * 10**9

RECOMPUTED = "Each run computes it anew from the record; nothing of it is fixed yet."
GRACE_OVER = "Its grace period is over: the next run makes the invoice final, or says why not."
ADJUSTED = "It stays as it is: what the record learns of its period adjusts the next invoice."
CREDITED = "It stays as it is: later adjustments of the same lines give back that much less."


class DocumentShown(msgspec.Struct, kw_only=True):
    """`/api/v1/documents/{id}`: an invoice or a credit note, and what happens next."""

    id: str
    kind: str
    """`invoice` or `credit_note`."""
    status: str
    """`draft`, `final` or `void`; of what is not stored `running`, or `ended` where the period has."""
    number: str | None
    customer: str
    currency: str
    unpriced_calls: int
    """More than zero: the amounts are "at least"."""
    page: Page
    due: Text | None
    """What is left to pay of an invoice by now."""
    next: list[str]
    """What happens next, a sentence each."""
    creditable: dict[str, Text]
    """How much of each line a credit note can still give back, before tax; lines without any are left out."""
    credit_notes: list[CreditNoteBrief]
    invoice: str | None
    """The number of the invoice that a credit note is of."""


class PreviewedDocuments(msgspec.Struct, kw_only=True):
    """`/api/v1/documents/preview`: what a customer's running periods, and ended ones, come to by now."""

    documents: list[DocumentShown]
    unconsumed: list[str]
    """Usage that nothing charges, a sentence each."""


class TermEffect(msgspec.Struct, kw_only=True):
    """What a coupon or an add-on makes of one invoice."""

    period: str
    """The days that it is of."""
    status: str
    """`running`, or `ended` where the period has."""
    currency: str
    before: Text
    """What is to be paid of it by now."""
    after: Text


class TermPreview(msgspec.Struct, kw_only=True):
    """`/api/v1/coupons/preview`, `/api/v1/add-ons/preview`: what changes on the next invoices."""

    invoices: list[TermEffect]


def term_preview(before: Sequence[Draft], after: Sequence[Draft], now_ns: int) -> TermPreview:
    """Compare what a customer's periods come to, without and with a coupon or an add-on."""
    known = {_period(each): each.invoice.due_minor for each in before}
    return TermPreview(
        invoices=[
            TermEffect(
                period=dates.period(said.from_ns, said.until_ns, said.timezone),
                status="running" if said.until_ns > now_ns else "ended",
                currency=said.currency,
                before=decimal_text(known.get(_period(each), 0), said.exponent),
                after=decimal_text(said.due_minor, said.exponent),
            )
            for each in after
            for said in [each.invoice]
        ]
    )


def _period(draft: Draft) -> tuple[str, int, int]:
    said = draft.invoice
    return said.kind, said.from_ns, said.until_ns


def document_view(
    connection: Connection, named: str, billing: BillingConfig, now_ns: int
) -> DocumentShown | None:
    """Return the invoice or credit note with this number or id; None without one."""
    note = store.credit_note(connection, named)
    if note is not None:
        return _note(note[0], billing)
    stored = store.stored_invoice(connection, named)
    if stored is not None:
        return _final(connection, stored, billing)
    draft = store.draft(connection, named)
    if draft is None:
        return None
    return _invoice(draft, billing, _next_of_draft(draft, grace_hours(connection, draft.customer), now_ns))


def stored_document(connection: Connection, named: str) -> Invoice | CreditNote | None:
    """Return the invoice, draft or credit note with this number or id; None without one."""
    note = store.credit_note(connection, named)
    if note is not None:
        return note[0]
    stored = store.stored_invoice(connection, named)
    return store.draft(connection, named) if stored is None else stored.invoice


def previewed_document(draft: Draft, billing: BillingConfig, now_ns: int) -> DocumentShown:
    """Return what a period comes to by now. None of it is stored."""
    said, hours = draft.invoice, draft.terms.grace_hours
    end = dates.day(said.until_ns, said.timezone)
    runs = said.until_ns > now_ns
    if runs:
        words = [f"The period runs until {end}: this is what it comes to by now, and none of it is stored."]
    else:
        words = [f"The period ended on {end} and has no invoice yet."]
    if now_ns < said.until_ns + hours * _HOUR_NS:
        words.append(_final_after(said, hours))
    else:
        words.append(GRACE_OVER)
    shown = _invoice(said, billing, words)
    shown.status = "running" if runs else "ended"
    return shown


def grace_hours(connection: Connection, customer: str) -> int:
    """Return how long after its end a customer's period is recomputed, by the plans that they are on."""
    from farebox.control.billing_terms import Kept

    kept = Kept.of(connection)
    plans = {each.key: each.plan for each in kept.versions}
    on = [
        plans[key]
        for each in kept.subscriptions
        if each.subscription.customer == customer
        and (key := (each.subscription.plan, each.subscription.version)) in plans
    ]
    return max((each.grace_hours for each in on), default=GRACE_HOURS)


def _final(connection: Connection, stored: StoredInvoice, billing: BillingConfig) -> DocumentShown:
    said = stored.invoice
    notes = store.credit_notes(connection, invoice=said.id)
    due = due_text(said, sum(each.total_minor for each in notes))
    shown = _invoice(said, billing, _next_of_final(stored, due))
    shown.due = due
    shown.credit_notes = [note_brief(each) for each in notes]
    if said.status == "final":
        shown.creditable = {
            line: decimal_text(minor, said.exponent)
            for line, minor in creditable(connection, stored).items()
            if minor
        }
    return shown


def _invoice(said: Invoice, billing: BillingConfig, next_words: list[str]) -> DocumentShown:
    return DocumentShown(
        id=said.id,
        kind="invoice",
        status=said.status,
        number=said.number,
        customer=said.customer,
        currency=said.currency,
        unpriced_calls=said.unpriced_calls,
        page=invoice_page(said, billing),
        due=due_text(said),
        next=next_words,
        creditable={},
        credit_notes=[],
        invoice=None,
    )


def _note(said: CreditNote, billing: BillingConfig) -> DocumentShown:
    return DocumentShown(
        id=said.id,
        kind="credit_note",
        status="final",
        number=said.number,
        customer=said.customer,
        currency=said.currency,
        unpriced_calls=0,
        page=credit_note_page(said, billing),
        due=None,
        next=[CREDITED],
        creditable={},
        credit_notes=[],
        invoice=said.invoice_number,
    )


def _next_of_draft(said: Invoice, hours: int, now_ns: int) -> list[str]:
    if now_ns < said.until_ns + hours * _HOUR_NS:
        return [RECOMPUTED, _final_after(said, hours)]
    return [RECOMPUTED, GRACE_OVER]


def _final_after(said: Invoice, hours: int) -> str:
    moment = dates.moment(said.until_ns + hours * _HOUR_NS, said.timezone)
    return f"The first run after {moment} ({hours} hours after the period's end) makes the invoice final."


def _next_of_final(stored: StoredInvoice, due: Text) -> list[str]:
    said = stored.invoice
    if said.status == "void":
        since = dates.day(stored.voided_at or 0, said.timezone)
        return [
            f"Void since {since}: {stored.void_reason}",
            "It keeps its number and nothing of it is due; the next run bills its period again.",
        ]
    if _is_zero(due):
        return ["Nothing is left to pay.", ADJUSTED]
    by = "" if said.due_at is None else f" by {dates.day(said.due_at, said.timezone)}"
    return [f"{grouped(due)} {said.currency} is left to pay{by}.", ADJUSTED]


def _is_zero(text: Text) -> bool:
    return not text.strip("-0.")
