"""What the record learned about a period after its invoice was final, as lines of the next one.

Pure. Of each line of a past invoice: (the question now) − (as billed, earlier adjustments included), by that
invoice's own terms. What a credit note gave back of a line before is taken off what an adjustment gives back
of it later, and given up again where the line grows again: nobody gets the same money twice, and a goodwill
credit is never billed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import msgspec
from msgspec.structs import replace

from farebox.billing.invoices.document import Invoice, InvoiceLine
from farebox.charges.rounding import exact_text, units_of

Key = tuple[str, ...]

RERATED = frozenset(("base", "usage", "minimum", "maximum", "discount", "proration"))
"""Kinds of lines that rating makes; others are facts of their own."""


class _Line(msgspec.Struct):
    """One line of a past period over all its invoices. Amounts are exact, before tax."""

    shown: InvoiceLine
    billed: Fraction = Fraction(0)
    """By the invoice and by adjustments."""
    billed_minor: int = 0
    absorbed: Fraction = Fraction(0)
    """What would have been given back by adjustments, had a credit note not done so before."""
    credited: Fraction = Fraction(0)
    """By credit notes."""


class PastPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """A past period of a customer: its final invoice, and what later documents say about it."""

    invoice: Invoice
    adjusted_by: tuple[InvoiceLine, ...] = ()
    """Adjustment lines of later invoices that are about this period, in the order they were issued."""
    credited: tuple[tuple[InvoiceLine, int], ...] = ()
    """Lines of this period, on whichever invoice, with what a credit note gave back of each."""


def adjustments(past: PastPeriod, now: Sequence[InvoiceLine]) -> list[InvoiceLine]:
    """Return what is to be billed or given back for a past period, rated anew as `now`."""
    exponent, invoice = past.invoice.exponent, past.invoice
    lines = _billed(past)
    found: list[InvoiceLine] = []
    rated = {key_of(line): line for line in now if line.kind in RERATED}
    for key in [*lines, *(key for key in rated if key not in lines)]:
        line = lines.get(key) or _Line(replace(rated[key], id=""))
        wanted = Fraction(rated[key].exact) if key in rated else Fraction(0)
        change = wanted - (line.billed + line.absorbed)
        if change == 0:
            continue
        absorbed = _absorbed(change, line)
        amount = change - absorbed
        billed_minor = units_of(line.billed + amount, exponent) - line.billed_minor
        if not line.absorbed and not absorbed and key in rated:
            billed_minor = rated[key].amount_minor - line.billed_minor
        source = rated.get(key, line.shown)
        found.append(
            InvoiceLine(
                id="",
                kind="adjustment",
                title=source.title,
                charge=source.charge,
                dims=source.dims,
                from_ns=source.from_ns,
                until_ns=source.until_ns,
                quantity=_quantity_change(rated.get(key), past, key),
                unit=source.unit,
                unit_price=source.unit_price,
                price_ids=source.price_ids,
                subscription=source.subscription,
                plan=source.plan,
                plan_version=source.plan_version,
                exact=exact_text(amount),
                amount_minor=billed_minor,
                tax_percent=source.tax_percent,
                unpriced_calls=source.unpriced_calls if key in rated else 0,
                estimated_calls=source.estimated_calls if key in rated else 0,
                of_invoice=invoice.id,
                of_line=line.shown.id,
                of_kind=source.kind,
                credited=exact_text(-absorbed) if absorbed else None,
                note=_note(invoice, absorbed),
            )
        )
    return found


def key_of(line: InvoiceLine) -> Key:
    """Return what makes two lines of one period the same line."""
    return (
        line.of_kind or line.kind,
        line.subscription,
        line.charge,
        str(line.from_ns),
        str(line.until_ns),
        line.title if not line.charge else "",
        line.tax_percent or "",
        *(text for name in sorted(line.dims) for text in (name, line.dims[name])),
    )


def _billed(past: PastPeriod) -> dict[Key, _Line]:
    lines: dict[Key, _Line] = {}
    for each in (*(line for line in past.invoice.lines if line.kind in RERATED), *past.adjusted_by):
        line = lines.setdefault(key_of(each), _Line(each if each.kind in RERATED else replace(each, id="")))
        line.billed += Fraction(each.exact)
        line.billed_minor += each.amount_minor
        line.absorbed -= Fraction(each.credited or 0)
    for each, amount_minor in past.credited:
        line = lines.get(key_of(each))
        if line is not None:
            line.credited += Fraction(amount_minor, 10**past.invoice.exponent)
    return lines


def _absorbed(change: Fraction, line: _Line) -> Fraction:
    """Return how much of a change credit notes have seen to: below zero of one that gives back."""
    used = -line.absorbed
    if change < 0:
        return -min(-change, max(line.credited - used, Fraction(0)))
    return min(change, max(used, Fraction(0)))


def _quantity_change(now: InvoiceLine | None, past: PastPeriod, key: Key) -> str | None:
    billed: Iterable[InvoiceLine] = (
        line for line in (*past.invoice.lines, *past.adjusted_by) if key_of(line) == key
    )
    before = [Fraction(line.quantity) for line in billed if line.quantity is not None]
    after = now.quantity if now is not None else None
    if after is None and not before:
        return None
    return exact_text(Fraction(after or 0) - sum(before, Fraction(0)))


def _note(invoice: Invoice, absorbed: Fraction) -> str:
    said = f"Adjusts {invoice.number}."
    if absorbed < 0:
        return f"{said} Of it {exact_text(-absorbed)} had been credited before."
    return f"{said} {exact_text(absorbed)} of it stays credited." if absorbed else said
