"""An invoice without what the provider charges: the amounts of its lines are the same, to the last digit.

A line on cost counts dollars of cost, and says at which markup: that is between the seller and the provider.
"""

from __future__ import annotations

from msgspec.structs import replace

from farebox.billing.documents.document import UNIT_OF_COST, Invoice, InvoiceLine


def customer_copy(invoice: Invoice) -> Invoice:
    """Return an invoice as its customer sees it in the portal."""
    return replace(invoice, lines=tuple(map(_line, invoice.lines)))


def _line(line: InvoiceLine) -> InvoiceLine:
    if UNIT_OF_COST not in (line.unit or "") and not (line.unit_price or "").startswith("cost"):
        return line
    return replace(
        line,
        quantity=None,
        unit=None,
        unit_price=None,
        price_ids=(),
        details=tuple(replace(part, quantity=None) for part in line.details),
    )
