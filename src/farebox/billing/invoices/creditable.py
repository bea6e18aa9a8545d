"""How much of an invoice's lines a credit note can take back, and what of a line that is."""

from __future__ import annotations

from sqlalchemy import Connection

from farebox.billing.documents.document import Invoice
from farebox.billing.invoices import store
from farebox.billing.invoices.store import StoredInvoice
from farebox.charges.amounts.allocation import allocate


def creditable(connection: Connection, stored: StoredInvoice) -> dict[str, int]:
    """Return how much of each line can still be credited, in minor units before tax.

    A line's part of the discounts is not, nor is what adjustments have given back of it since.
    """
    invoice = stored.invoice
    left = _paid_of_lines(invoice)
    for later in store.final_invoices(connection, customers=[invoice.customer]):
        for line in later.invoice.lines:
            if line.kind == "adjustment" and line.of_invoice == invoice.id and line.of_line in left:
                left[line.of_line] += min(line.amount_minor, 0)
    for note in store.credit_notes(connection, invoice=invoice.id):
        for each in note.lines:
            if each.of_line in left:
                left[each.of_line] -= each.amount_minor
    return {id: max(amount, 0) for id, amount in left.items()}


def _paid_of_lines(invoice: Invoice) -> dict[str, int]:
    """Return what the customer pays of each line that is above zero: without its part of the discounts."""
    billed = {
        line.id: line.amount_minor
        for line in invoice.lines
        if line.amount_minor > 0 and line.kind not in ("carried", "discount", "maximum", "progressive")
    }
    off = -sum(
        line.amount_minor for line in invoice.lines if line.amount_minor < 0 and line.kind != "carried"
    )
    if billed and off > 0:
        shares = allocate(min(off, sum(billed.values())), list(billed.values()))
        billed = {id: amount - share for (id, amount), share in zip(billed.items(), shares, strict=True)}
    return billed
