"""A document as CSV: a row for every line, part of a line, tax, credit and total, for spreadsheets.

Amounts are plain decimals, texts are whole and inert: none of them is taken for a formula.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO

from farebox.billing.documents.amounts import amount_text
from farebox.billing.documents.document import CreditNote, Invoice, InvoiceLine, Tax
from farebox.clock import iso
from farebox.spreadsheets import inert

COLUMNS = (
    "document", "number", "status", "customer", "row", "line", "kind", "charge", "title", "dimensions",
    "from", "until", "quantity", "unit", "unit_price", "exact_amount", "amount", "currency", "tax_percent",
    "unpriced_calls", "estimated_calls", "plan", "plan_version", "of_invoice", "of_line", "note",
)  # fmt: skip
"""`row` is line, detail, tax, credit, subtotal, total or due. `exact_amount` is what a line comes to before
it is rounded, `numerator/denominator` where no decimal is exact. A detail is a part of the line above it, for
information. `unpriced_calls` of a total means that it is "at least"."""

_Cells = dict[str, str]


def csv_file(document: Invoice | CreditNote) -> str:
    """Return the document as CSV with a head line."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    rows = _invoice_rows(document) if isinstance(document, Invoice) else _credit_note_rows(document)
    shared = {
        "document": "invoice" if isinstance(document, Invoice) else "credit note",
        "number": document.number or "",
        "status": document.status if isinstance(document, Invoice) else "final",
        "customer": document.customer,
        "currency": document.currency,
    }
    for row in rows:
        cells = {**shared, **row}
        writer.writerow([inert(_storable(cells.get(column, ""))) for column in COLUMNS])
    return out.getvalue()


def _storable(text: str) -> str:
    """Return text that a CSV file can hold: without NUL, which ends a text in many readers."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _invoice_rows(invoice: Invoice) -> Iterator[_Cells]:
    for line in invoice.lines:
        yield _line(line, invoice.exponent)
        for part in line.details:
            yield {
                "row": "detail", "line": line.id, "dimensions": _dimensions(part.dims),
                "quantity": part.quantity or "", "unit": line.unit or "", "exact_amount": part.exact,
            }  # fmt: skip
    floor = {"unpriced_calls": str(invoice.unpriced_calls or "")}
    yield {
        "row": "subtotal", "amount": amount_text(invoice.subtotal_minor, invoice.exponent), **floor,
    }  # fmt: skip
    yield from _taxes(invoice.taxes, invoice.exponent)
    yield {"row": "total", "amount": amount_text(invoice.total_minor, invoice.exponent), **floor}
    for credit in invoice.credits:
        yield {
            "row": "credit",
            "title": credit.what,
            "amount": amount_text(-credit.amount_minor, invoice.exponent),
        }
    yield {"row": "due", "amount": amount_text(invoice.due_minor, invoice.exponent), **floor}


def _line(line: InvoiceLine, exponent: int) -> _Cells:
    return {
        "row": "line", "line": line.id, "kind": line.kind, "charge": line.charge, "title": line.title,
        "dimensions": _dimensions(line.dims), "from": iso(line.from_ns), "until": iso(line.until_ns),
        "quantity": line.quantity or "", "unit": line.unit or "", "unit_price": line.unit_price or "",
        "exact_amount": line.exact, "amount": amount_text(line.amount_minor, exponent),
        "tax_percent": line.tax_percent or "", "unpriced_calls": str(line.unpriced_calls),
        "estimated_calls": str(line.estimated_calls), "plan": line.plan,
        "plan_version": str(line.plan_version) if line.plan else "", "of_invoice": line.of_invoice,
        "of_line": line.of_line, "note": line.note,
    }  # fmt: skip


def _credit_note_rows(note: CreditNote) -> Iterator[_Cells]:
    for line in note.lines:
        yield {
            "row": "line", "title": line.title, "amount": amount_text(line.amount_minor, note.exponent),
            "tax_percent": line.tax_percent or "", "of_invoice": note.invoice_number, "of_line": line.of_line,
            "note": note.reason,
        }  # fmt: skip
    yield {"row": "subtotal", "amount": amount_text(note.subtotal_minor, note.exponent)}
    yield from _taxes(note.taxes, note.exponent)
    yield {"row": "total", "amount": amount_text(note.total_minor, note.exponent)}


def _taxes(taxes: tuple[Tax, ...], exponent: int) -> Iterator[_Cells]:
    for tax in taxes:
        yield {"row": "tax", "tax_percent": tax.percent, "amount": amount_text(tax.tax_minor, exponent)}


def _dimensions(dims: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in dims.items())
