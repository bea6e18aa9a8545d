"""Invoices and credit notes for tests: what is asked of a line, the rest as it has to be."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from farebox.billing.documents.document import BillTo, CreditNote, CreditNoteLine, Invoice, InvoiceLine, Tax
from farebox.billing.wallets.portions import ChargeOf
from farebox.charges.models import Standard
from farebox.charges.plan import Charge, Meter, Share
from farebox.charges.rounding import units_of

DAY = 86_400 * 10**9
START = 1_793_491_200 * 10**9  # 2026-11-01 UTC
END = START + 30 * DAY
LATER = END + 2 * DAY
"""When the invoices of these tests are final."""


def line(
    id: str, amount: int, *, charge: str = "", tax: str | None = None, kind: str = "usage"
) -> InvoiceLine:
    return InvoiceLine(
        id=id,
        kind=kind,  # pyright: ignore[reportArgumentType]
        title=charge or kind,
        charge=charge,
        from_ns=START,
        until_ns=END,
        exact=str(amount),
        amount_minor=amount,
        tax_percent=tax,
    )


def taxes_of(lines: tuple[InvoiceLine, ...] | tuple[CreditNoteLine, ...]) -> tuple[Tax, ...]:
    bases: dict[str, int] = {}
    for each in lines:
        if each.tax_percent is not None:
            bases[each.tax_percent] = bases.get(each.tax_percent, 0) + each.amount_minor
    return tuple(
        Tax(percent=percent, base_minor=base, tax_minor=units_of(base * Fraction(percent) / 100, 0))
        for percent, base in bases.items()
    )


def invoice(
    id: str, *lines: InvoiceLine, customer: str = "acme", currency: str = "USD", paid: int = 0
) -> Invoice:
    subtotal = sum(each.amount_minor for each in lines)
    taxes = taxes_of(lines)
    total = subtotal + sum(each.tax_minor for each in taxes)
    return Invoice(
        id=id,
        series="INV",
        number=f"INV-{id}",
        status="final",
        customer=customer,
        bill_to=BillTo(name=customer),
        currency=currency,
        exponent=2,
        from_ns=START,
        until_ns=END,
        timezone="UTC",
        as_of_seq=1,
        as_of_outcome=0,
        head_hash="",
        home_id="",
        lines=lines,
        subtotal_minor=subtotal,
        taxes=taxes,
        total_minor=total,
        due_minor=total - paid,
    )


def credit_note(id: str, of: Invoice, **amounts: int) -> CreditNote:
    """Return a note over lines of an invoice: `credit_note("c", invoice, L1=500)`."""
    by_id = {each.id: each for each in of.lines}
    lines = tuple(
        CreditNoteLine(
            of_line=name, title=by_id[name].title, amount_minor=amount, tax_percent=by_id[name].tax_percent
        )
        for name, amount in amounts.items()
    )
    taxes = taxes_of(lines)
    subtotal = sum(each.amount_minor for each in lines)
    return CreditNote(
        id=id,
        series="CN",
        number=f"CN-{id}",
        invoice=of.id,
        invoice_number=of.number or "",
        customer=of.customer,
        bill_to=of.bill_to,
        currency=of.currency,
        exponent=of.exponent,
        timezone=of.timezone,
        issued_at=LATER,
        home_id="",
        head_hash="",
        reason="test",
        lines=lines,
        subtotal_minor=subtotal,
        taxes=taxes,
        total_minor=subtotal + sum(each.tax_minor for each in taxes),
    )


def charge(name: str, meter: Meter = "calls", **shares: str) -> Charge:
    """Return a charge; `charge("chat", ada="30")` shares it with a payee."""
    return Charge(
        name=name,
        meter=meter,
        model=Standard(unit=Decimal(1)),
        shares=tuple(Share(payee=payee, percent=Decimal(percent)) for payee, percent in shares.items()),
    )


def charges(*found: Charge) -> ChargeOf:
    by_name: Mapping[str, Charge] = {each.name: each for each in found}
    return lambda line: by_name.get(line.charge)


NO_CHARGES = charges()
