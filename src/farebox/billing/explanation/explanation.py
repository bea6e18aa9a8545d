"""Explain an invoice line: its arithmetic, and the calls or outcomes that add up to its quantity."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from farebox.analytics.questions import Questions
from farebox.billing.documents.document import Invoice, InvoiceLine
from farebox.billing.explanation.line_usage import ExplainedCall, ExplainedOutcome, line_usage, of_line
from farebox.billing.invoices.store import StoredInvoice, final_invoices, stored_invoice
from farebox.billing.periods.terms import Segment, Terms, decode_terms
from farebox.billing.rating.period_usage import rates_within
from farebox.billing.rating.unit_prices import conversion_of, counted_unit_of
from farebox.billing.usage import AsOf
from farebox.charges.models import CostPlus, Graduated, Percentage, Standard
from farebox.charges.plan import Charge
from farebox.charges.rounding import decimal_of_units, exact_text
from farebox.errors import InvoiceNotFoundError

if TYPE_CHECKING:
    from sqlalchemy import Connection as ControlConnection

    from farebox.home import Home


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A line, down to its calls."""

    line: InvoiceLine
    arithmetic: list[str]
    """Sentences: quantity, price, amount, rounding."""
    calls: list[ExplainedCall]
    """Of an adjustment those that changed the quantity since the line was billed last, each by its change."""
    outcomes: list[ExplainedOutcome] = []
    """Of a line that is of outcomes, in place of calls."""
    counted: str | None = None
    """What calls or outcomes come to, in the unit of their own quantities: `counted_unit`."""
    counted_unit: str | None = None
    """Another one than the line's where its charge converts."""
    quantity: str | None
    """What calls or outcomes come to, in the line's unit."""
    adds_up: bool | None
    """Whether that is the line's quantity; None for lines without calls or outcomes."""


class NamedLine(NamedTuple):
    """A line of a final invoice."""

    invoice: Invoice
    terms: Terms
    """That it was rated by: those of the invoice, or of the one that it adjusts."""
    line: InvoiceLine
    billed_as_of: AsOf | None = None
    """Of an adjustment: the state of the record that the line was billed by last."""
    is_of_usage: bool = True
    """False where it only takes back what was billed before."""


def explained(home: Home, questions: Questions, named: NamedLine) -> Explanation:
    """Return the explanation of a line."""
    invoice, line = named.invoice, named.line
    asked = of_line(line, named.terms, invoice.customer) if named.is_of_usage else None
    found = None if asked is None else (asked.segment, asked.charge)
    arithmetic = _arithmetic(invoice, line, found)
    if asked is None or line.quantity is None:
        return Explanation(line=line, arithmetic=arithmetic, calls=[], quantity=None, adds_up=None)
    as_of = AsOf(invoice.as_of_seq, invoice.as_of_outcome)
    used = line_usage(home, questions, asked, as_of, named.billed_as_of)
    counted, unit = exact_text(used.counted), counted_unit_of(asked.charge)
    if asked.charge.conversion is not None and line.kind == "usage":
        arithmetic.insert(0, f"{counted} {unit} {conversion_of(asked.charge.conversion)} = {arithmetic[0]}")
        del arithmetic[1]
    return Explanation(
        line=line,
        arithmetic=arithmetic,
        calls=used.calls,
        outcomes=used.outcomes,
        counted=counted,
        counted_unit=unit,
        quantity=exact_text(used.quantity),
        adds_up=used.quantity == Fraction(line.quantity),
    )


def line_of(connection: ControlConnection, named: str) -> NamedLine:
    """Return the line named `INVOICE/LINE` of a final invoice, and what it was rated by.

    Raises:
        InvoiceNotFoundError: There is none.
    """
    number, _, id = named.rpartition("/")
    stored = stored_invoice(connection, number) if number else None
    line = None if stored is None else next((each for each in stored.invoice.lines if each.id == id), None)
    if stored is None or line is None:
        raise InvoiceNotFoundError(f"there is no line {named!r} of a final invoice")
    invoice, terms = stored.invoice, decode_terms(stored.terms)
    adjusted = stored_invoice(connection, line.of_invoice) if line.kind == "adjustment" else None
    if adjusted is None:
        return NamedLine(invoice, terms, line)
    before = final_invoices(connection, customers=[invoice.customer], voided=True)
    before = [each for each in before if _stood_before(each, invoice)]
    return NamedLine(
        invoice,
        decode_terms(adjusted.terms),
        line,
        billed_as_of=_billed_as_of(line, adjusted, before),
        is_of_usage=_stood_before(adjusted, invoice),
    )


def _stood_before(stored: StoredInvoice, invoice: Invoice) -> bool:
    """Tell whether an invoice was issued before another one, and not void when that was issued."""
    issued, moment = stored.invoice.issued_at or 0, invoice.issued_at or 0
    if stored.invoice.id == invoice.id or (issued, stored.invoice.number or "") > (
        moment,
        invoice.number or "",
    ):
        return False
    return stored.voided_at is None or stored.voided_at > moment


def _billed_as_of(line: InvoiceLine, adjusted: StoredInvoice, before: Sequence[StoredInvoice]) -> AsOf:
    """Return the state of the record that a line of a past period was billed by last.

    What an invoice between did not change it was not billed by.
    """
    last = adjusted.invoice
    for stored in before:
        for other in stored.invoice.lines:
            is_same = (other.of_kind, other.subscription, other.charge, other.from_ns) == (
                line.of_kind, line.subscription, line.charge, line.from_ns,
            )  # fmt: skip
            if is_same and other.of_invoice == line.of_invoice and other.dims == line.dims:
                last = stored.invoice
    return AsOf(last.as_of_seq, last.as_of_outcome)


def _arithmetic(invoice: Invoice, line: InvoiceLine, found: tuple[Segment, Charge] | None) -> list[str]:
    rounded = f"{format(decimal_of_units(line.amount_minor, invoice.exponent), 'f')} {invoice.currency}"
    said: list[str] = []
    if line.kind == "adjustment":
        said.append(f"the question as of this invoice, less what was billed before, is {line.exact}")
        if line.credited:
            said.append(f"{line.credited} of the difference had been credited before")
    elif found is not None and line.kind == "usage" and line.quantity is not None:
        said += _steps(*found, line, invoice.currency)
    elif line.unit_price is not None:
        said.append(f"{line.unit_price}{f' for {line.note}' if line.note else ''} = {line.exact}")
    elif line.note:
        said.append(f"{line.title}: {line.note}")
    said.append(f"{line.exact}, rounded once, half away from zero: {rounded}")
    return said


def _steps(segment: Segment, charge: Charge, line: InvoiceLine, currency: str) -> list[str]:
    """Return how a quantity became an amount; where a formula is not the whole of it, the price in words."""
    quantity, exact = Fraction(line.quantity or 0), Fraction(line.exact)
    said = [f"{line.quantity} {line.unit or ''}".strip()]
    rates = rates_within(segment) if charge.meter == "cost" and currency != "USD" else []
    if len(rates) > 1:
        return [*said, f"at {line.unit_price}: {line.exact}"]
    if rates and rates[0][2] is not None:
        rate = Fraction(rates[0][2].rate)
        said.append(f"{line.quantity} × {exact_text(rate)} = {exact_text(quantity * rate)} {currency}")
        quantity *= rate
    if line.note.endswith(" included"):
        free = Fraction(line.note.removesuffix(" included"))
        quantity = max(quantity - free, Fraction(0))
        said.append(f"less {exact_text(free)} included: {exact_text(quantity)}")
    formula, amount = _formula(charge, quantity)
    return (
        [*said, *formula] if formula and amount == exact else [*said, f"at {line.unit_price}: {line.exact}"]
    )


def _formula(charge: Charge, quantity: Fraction) -> tuple[list[str], Fraction]:
    """Return the sentences of a simple price and what they come to; none for a price that is not simple."""
    match charge.model:
        case Standard(unit=unit, per=per):
            amount = quantity * Fraction(unit) / Fraction(per)
            parts = f" ÷ {per:f}" if per != 1 else ""
            return [f"{exact_text(quantity)} × {unit:f}{parts} = {exact_text(amount)}"], amount
        case CostPlus(unit_costs=None) as model:
            fixed = Fraction(model.fixed or 0)
            amount = quantity * model.factor + fixed
            more = f" + {model.fixed}" if fixed else ""
            return [
                f"{exact_text(quantity)} × {exact_text(model.factor)}{more} = {exact_text(amount)}"
            ], amount
        case Percentage(is_per_event=False, free_amount=None, rate_percent=percent):
            amount = quantity * Fraction(percent) / 100
            return [f"{exact_text(quantity)} × {percent:f} % = {exact_text(amount)}"], amount
        case Graduated(tiers=tiers, per=per):
            said: list[str] = []
            low, whole = Fraction(0), Fraction(0)
            for tier in tiers:
                high = quantity if tier.up_to is None else min(quantity, Fraction(tier.up_to))
                if high > low:
                    amount = tier.price(high - low, per) + Fraction(tier.flat)
                    parts = f" ÷ {per:f}" if per != 1 else ""
                    flat = f" + {tier.flat:f}" if tier.flat else ""
                    if tier.package_size is not None:
                        parts = f" per started {tier.package_size:f}"
                    said.append(
                        f"{exact_text(high - low)} × {tier.unit:f}{parts}{flat} = {exact_text(amount)}"
                    )
                    whole += amount
                low = max(low, high)
            return said, whole
        case _:
            return [], Fraction(0)
