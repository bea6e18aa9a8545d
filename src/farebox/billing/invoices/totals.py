"""Totals of an invoice: sums of rounded lines, tax per rate, what is carried, what pays, what is due.

Pure. The order is `CALC_POLICY` 1; the lines come with their discounts, minimums and maximums applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction

from msgspec.structs import replace

from farebox.billing.documents.document import (
    Credit,
    Invoice,
    InvoiceLine,
    Tax,
)
from farebox.charges.amounts import taxes
from farebox.charges.rounding import exact_text


def with_totals(said: Invoice, lines: Sequence[InvoiceLine]) -> Invoice:
    """Return the invoice with these lines, numbered from 1, and its totals; nothing is paid yet.

    A total below zero is not billed: a line of kind `carried` moves it to the next invoice.
    """
    taxed = taxes_of((line.tax_percent, line.amount_minor) for line in lines)
    total = sum(line.amount_minor for line in lines) + sum(tax.tax_minor for tax in taxed)
    if total < 0:
        lines = [*lines, _carried(said, -total)]
    numbered = tuple(replace(line, id=str(place)) for place, line in enumerate(lines, 1))
    subtotal = sum(line.amount_minor for line in numbered)
    total = max(total, 0)
    return replace(
        said,
        lines=numbered,
        subtotal_minor=subtotal,
        discount_minor=-sum(line.amount_minor for line in numbered if line.kind == "discount"),
        taxes=taxed,
        total_minor=total,
        credits=(),
        due_minor=total,
    )


def with_credits(said: Invoice, credits: Sequence[Credit]) -> Invoice:
    """Return the invoice with more of it paid.

    Raises:
        ValueError: More is paid than is due.
    """
    paid = sum(credit.amount_minor for credit in credits)
    if paid > said.due_minor or any(credit.amount_minor <= 0 for credit in credits):
        raise ValueError(f"{paid} cannot pay what is due, {said.due_minor}")
    return replace(said, credits=(*said.credits, *credits), due_minor=said.due_minor - paid)


def taxes_of(amounts: Iterable[tuple[str | None, int]]) -> tuple[Tax, ...]:
    """Return the tax of each rate on the sum of the rounded amounts that bear it, the lowest rate first."""
    found = taxes.taxes_of((Decimal(percent or 0), amount) for percent, amount in amounts)
    return tuple(
        Tax(percent=str(each.percent), base_minor=each.base_minor, tax_minor=each.tax_minor) for each in found
    )


def carried_in(said: Invoice) -> InvoiceLine | None:
    """Return the line that brings what an invoice carried to the next one; None where it carried nothing."""
    for line in said.lines:
        if line.kind == "carried" and line.amount_minor > 0:
            return replace(
                line,
                id="",
                title=f"Carried from {said.number}",
                amount_minor=-line.amount_minor,
                exact=exact_text(-Fraction(line.exact)),
                of_invoice=said.id,
                of_line=line.id,
                note="",
            )
    return None


def _carried(said: Invoice, amount_minor: int) -> InvoiceLine:
    return InvoiceLine(
        id="",
        kind="carried",
        title="Carried to the next invoice",
        from_ns=said.from_ns,
        until_ns=said.until_ns,
        exact=exact_text(Fraction(amount_minor, 10**said.exponent)),
        amount_minor=amount_minor,
        note="An invoice is never below zero.",
    )
