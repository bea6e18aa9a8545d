"""How much of an invoice's lines a credit note can take back, and what of a line that is."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection

from farebox.billing.documents.document import Invoice, InvoiceLine
from farebox.billing.invoices import store
from farebox.billing.invoices.adjustments import RERATED, begin_alike, key_of
from farebox.billing.invoices.store import StoredInvoice
from farebox.charges.amounts.allocation import allocate

_Line = tuple[str, ...]
"""What is one line of a period, whichever documents bill it."""


def creditable(connection: Connection, stored: StoredInvoice) -> dict[str, int]:
    """Return how much of each line can still be credited, in minor units before tax.

    A line's part of the discounts is not, nor is what adjustments have given back of it since: of a line that
    several invoices billed they have given back what was billed first.
    """
    invoice = stored.invoice
    left = _paid_of_lines(invoice)
    finals = [each.invoice for each in store.final_invoices(connection, customers=[invoice.customer])]
    for billed in _lines_over_all(finals).values():
        for of, line, gone in billed.given_back():
            if of == invoice.id:
                left[line] -= gone
    for note in store.credit_notes(connection, invoice=invoice.id):
        for each in note.lines:
            if each.of_line in left:
                left[each.of_line] -= each.amount_minor
    return {id: max(amount, 0) for id, amount in left.items()}


class _Billed(msgspec.Struct):
    """One line of a period over all its documents."""

    parts: list[tuple[str, str, int]] = []
    """Invoice, line, and what was paid of it: by the period's invoice, by later ones, by those before it."""
    back: int = 0
    """What adjustments gave back."""

    def given_back(self) -> Iterable[tuple[str, str, int]]:
        """Yield how much of each part was given back."""
        back = self.back
        for of, line, paid in self.parts:
            gone = min(paid, back)
            back -= gone
            yield of, line, gone


def _lines_over_all(finals: list[Invoice]) -> dict[_Line, _Billed]:
    found: dict[_Line, _Billed] = {}
    closed_by = {
        line.of_invoice: each for each in finals for line in each.lines if line.kind == "progressive"
    }
    for each in sorted(finals, key=lambda one: one.id in closed_by):
        paid = _paid_of_lines(each)
        for line in each.lines:
            of = _line_of(each, line, closed_by.get(each.id))
            if line.kind == "adjustment" and line.amount_minor < 0:
                found.setdefault(of, _Billed()).back -= line.amount_minor
            elif line.id in paid:
                found.setdefault(of, _Billed()).parts.append((each.id, line.id, paid[line.id]))
    return found


def _line_of(invoice: Invoice, line: InvoiceLine, closed_by: Invoice | None) -> _Line:
    """Return which line of which period one is about.

    `closed_by` is the invoice of the period, which took off what a threshold invoice billed.
    """
    if line.kind == "adjustment":
        return (line.of_invoice, line.of_line) if line.of_line else (line.of_invoice, *key_of(line))
    if closed_by is not None:
        for other in closed_by.lines:
            if other.kind in RERATED and begin_alike(key_of(other), key_of(line)):
                return closed_by.id, other.id
    return invoice.id, line.id


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
