"""What final invoices, voids and credit notes post, in the transaction that makes them final.

invoice       receivable ← revenue + tax; provider cost ← accrued cost
credit note   revenue + tax ← receivable; what exceeds the amount due goes back to the wallet
void          everything that was posted about the invoice, taken back: payments and shares, too
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from farebox.billing.documents.document import CreditNote, Invoice
from farebox.billing.journal.entries import Account, Entry, Transaction, merged
from farebox.billing.journal.posting import post
from farebox.billing.journal.transactions import by_key, of_party, of_reference
from farebox.money import PicoUsd

_PICO_PER_CENT = 10**10


def post_invoice(
    connection: Connection,
    invoice: Invoice,
    *,
    at_ns: int,
    actor: str,
    costs: Mapping[str, PicoUsd] | None = None,
) -> Transaction | None:
    """Post what an invoice charges, and what is new of `costs`: of charged usage, by period, as far as known.

    None where it charges nothing. What is carried to or from another invoice stays what the customer owes,
    and is no revenue.
    """
    taxes = sum(each.tax_minor for each in invoice.taxes)
    carried = sum(each.amount_minor for each in invoice.lines if each.kind == "carried")
    revenue = invoice.subtotal_minor - carried
    posted = _posted_costs(connection, invoice.customer) if costs else {}
    more = {period: cost - posted.get(period, 0) for period, cost in (costs or {}).items()}
    cents = sum(_cents(posted.get(each, 0) + new) - _cents(posted.get(each, 0)) for each, new in more.items())
    owed = invoice.customer
    entries = [
        _entry(invoice, "customer_receivable", revenue + taxes, owed),
        _entry(invoice, "revenue", -revenue, owed),
        _entry(invoice, "tax_payable", -taxes, owed),
        Entry(account="provider_cost", party=owed, currency="USD", amount_minor=cents),
        Entry(account="cogs_accrued", party=owed, currency="USD", amount_minor=-cents),
    ]
    if not any(each.amount_minor for each in entries):
        return None
    return post(
        connection,
        entries,
        key=f"invoice:{invoice.id}",
        kind="invoice.final",
        reference=invoice.id,
        at_ns=at_ns,
        actor=actor,
        detail={
            "number": invoice.number,
            "taxes": {each.percent: each.tax_minor for each in invoice.taxes},
            "cost_pico": {period: new for period, new in more.items() if new},
        },
    )


def _posted_costs(connection: Connection, customer: str) -> dict[str, PicoUsd]:
    """Return what invoices that stand have posted of a customer's costs, by period."""
    issued = of_party(connection, customer, "invoice.final")
    void = {each.reference for each in of_party(connection, customer, "invoice.void")} if issued else ()
    found: dict[str, PicoUsd] = {}
    for each in issued:
        if each.reference not in void:
            for period, cost in each.detail.get("cost_pico", {}).items():
                found[period] = found.get(period, 0) + cost
    return found


def post_credit_note(
    connection: Connection, invoice: Invoice, note: CreditNote, *, at_ns: int, actor: str
) -> Transaction:
    """Post what a credit note takes back of a final invoice."""
    taxes = sum(each.tax_minor for each in note.taxes)
    return post(
        connection,
        [
            _entry(invoice, "revenue", note.subtotal_minor, invoice.customer),
            _entry(invoice, "tax_payable", taxes, invoice.customer),
            _entry(invoice, "customer_receivable", -note.total_minor, invoice.customer),
        ],
        key=f"credit_note:{note.id}",
        kind="invoice.credit",
        reference=invoice.id,
        at_ns=at_ns,
        actor=actor,
        detail={
            "credit_note": note.id,
            "number": note.number,
            "total_minor": note.total_minor,
            "lines": [[each.of_line, each.amount_minor] for each in note.lines],
        },
    )


def post_void(
    connection: Connection, invoice: Invoice, *, at_ns: int, actor: str, reason: str
) -> Transaction | None:
    """Take back everything that was posted about an invoice; None where nothing was."""
    key = f"void:{invoice.id}"
    known = by_key(connection, key)
    if known is not None:
        return known
    posted = [entry for each in of_reference(connection, invoice.id) for entry in each.entries]
    back = [each.reversed() for each in merged(posted)]
    if not back:
        return None
    return post(
        connection,
        back,
        key=key,
        kind="invoice.void",
        reference=invoice.id,
        at_ns=at_ns,
        actor=actor,
        detail={"number": invoice.number, "reason": reason},
    )


def credited_minor(connection: Connection, invoice: Invoice) -> int:
    """Return what credit notes have taken back of an invoice, tax included."""
    return sum(each.detail["total_minor"] for each in _credit_notes(connection, invoice))


def credited_lines(connection: Connection, invoice: Invoice) -> dict[str, int]:
    """Return what credit notes have taken back of each line, before tax."""
    found: dict[str, int] = {}
    for each in _credit_notes(connection, invoice):
        for line, amount in each.detail["lines"]:
            found[line] = found.get(line, 0) + amount
    return found


def _credit_notes(connection: Connection, invoice: Invoice) -> list[Transaction]:
    return [each for each in of_reference(connection, invoice.id) if each.kind == "invoice.credit"]


def _entry(invoice: Invoice, account: Account, amount_minor: int, party: str) -> Entry:
    return Entry(account=account, party=party, currency=invoice.currency, amount_minor=amount_minor)


def _cents(cost: PicoUsd) -> int:
    """Return the nearest cent, half away from zero."""
    sign = -1 if cost < 0 else 1
    return sign * ((abs(cost) + _PICO_PER_CENT // 2) // _PICO_PER_CENT)
