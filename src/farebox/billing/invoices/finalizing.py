"""Make invoices final, void them, credit them: one `control.db` transaction each.

In it the number is taken, the bytes are frozen, the wallet pays, the journal is posted, the audit written and
the message enqueued: all of it or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace
from sqlalchemy import Connection

from farebox.billing import settlement
from farebox.billing.documents.document import (
    CreditNote,
    CreditNoteLine,
    Invoice,
    InvoiceLine,
    Tax,
    digest,
)
from farebox.billing.invoices import store
from farebox.billing.invoices.creditable import creditable
from farebox.billing.invoices.drafting import Draft
from farebox.billing.invoices.store import StoredInvoice
from farebox.billing.invoices.totals import taxes_of, with_credits
from farebox.billing.periods.terms import Terms, decode_terms, encode_terms
from farebox.charges.plan import Charge
from farebox.charges.rounding import decimal_of_units
from farebox.clock import iso, uuid7, uuid_text
from farebox.control import audit
from farebox.control.outbox.envelope import envelope
from farebox.control.outbox.messages import enqueue
from farebox.errors import InvoiceError
from farebox.signing_key import Signed

CREDIT_SERIES = "CN"
DUE_DAYS = 14
_DAY_NS = 86_400 * 10**9
REASON_MAX = 1_000

_TAKEN = frozenset(("carried", "progressive", "proration"))
"""Kinds of lines that bring what an earlier invoice carried, or take off what it billed: while they stand, so
must that invoice."""


def finalize(
    connection: Connection,
    said: Draft,
    *,
    now_ns: int,
    actor: str,
    gap: str | None = None,
    accept_gap: bool = False,
    accept_unpriced: bool = False,
    due_days: int = DUE_DAYS,
    sign: Callable[[str], Signed] | None = None,
) -> StoredInvoice:
    """Freeze a draft under the next number of its series and return it; of one that is final already, that.

    `sign` signs it, with the state of the record that it is of. `gap` says in words what the record is
    known to lack of the period.

    Raises:
        InvoiceError: The period has a gap or unpriced calls that were not accepted.
    """
    known = store.stored_invoice(connection, said.invoice.id)
    if known is not None:
        return known
    invoice, statements = said.invoice, list(said.invoice.statements)
    if gap is not None:
        if not accept_gap:
            raise InvoiceError(
                f"the record lacks something of {invoice.customer}'s period: {gap}. Look at it with "
                "`farebox verify`; --accept-gap bills what is there and says so on the invoice"
            )
        statements.append(f"The record of this period has a known gap ({gap}): usage may be missing.")
    unpriced = invoice.newly_unpriced
    if unpriced.number and not accept_unpriced:
        raise InvoiceError(
            f"{unpriced.words()} of {invoice.customer} "
            f"{'has' if unpriced.number == 1 else 'have'} no price, so amounts are too low. "
            "Set a price (`farebox prices set`) and rate them (`farebox rerate --apply`); --accept-unpriced "
            "bills what is known, and the rest becomes an adjustment"
        )
    if store.documents_of(connection, invoice.customer) != said.based_on:
        raise InvoiceError(f"documents of {invoice.customer} were issued in the meantime: run it again")
    number = store.next_number(connection, invoice.series)
    terms = encode_terms(said.terms)
    invoice = replace(
        invoice,
        number=f"{invoice.series}-{number:06d}",
        status="final",
        issued_at=now_ns,
        due_at=now_ns + due_days * _DAY_NS,
        statements=tuple(statements),
        terms_sha256=digest(terms),
    )
    charge_of = charge_finder(said.terms, _earlier_terms(connection, invoice))
    invoice = with_credits(invoice, settlement.pay(connection, invoice, charge_of, at_ns=now_ns, actor=actor))
    checksum = store.append_invoice(connection, invoice, number, said.attempt, terms, sign)
    settlement.finalized(
        connection,
        invoice,
        charge_of,
        at_ns=now_ns,
        actor=actor,
        costs=said.costs,
        used=said.used,
        taken_off=_taken_off(connection, invoice),
    )
    detail = {**_told(invoice), "sha256": checksum, "gap_accepted": gap is not None and accept_gap}
    audit.note(connection, now_ns, actor, "invoice.finalize", invoice.id, detail)
    _tell(connection, "invoice.finalized", invoice.id, {**_told(invoice), "sha256": checksum}, now_ns)
    stored = store.stored_invoice(connection, invoice.id)
    assert stored is not None  # noqa: S101 - appended above
    return stored


def _taken_off(connection: Connection, invoice: Invoice) -> list[tuple[Invoice, settlement.ChargeOf]]:
    """Return the threshold invoices that this one takes off, each with what finds its charges."""
    ids = {line.of_invoice for line in invoice.lines if line.kind == "progressive"}
    early = [store.stored_invoice(connection, id) for id in sorted(ids)] if ids else []
    return [(each.invoice, charge_finder(decode_terms(each.terms))) for each in early if each is not None]


def with_expected_payments(connection: Connection, drafts: Sequence[Draft], now_ns: int) -> list[Draft]:
    """Return drafts of one customer with what its wallet would pay, were they made final now in order."""
    paid = settlement.expected(
        connection,
        [
            (each.invoice, charge_finder(each.terms, _earlier_terms(connection, each.invoice)))
            for each in drafts
        ],
        at_ns=now_ns,
    )
    return [
        replace(each, invoice=with_credits(each.invoice, credits))
        for each, credits in zip(drafts, paid, strict=True)
    ]


def void(connection: Connection, stored: StoredInvoice, *, reason: str, now_ns: int, actor: str) -> None:
    """Void a final invoice: it keeps its number and its bytes, and its period may be invoiced again.

    Raises:
        InvoiceError: It is void already, or credit notes were issued for it.
    """
    invoice = stored.invoice
    _check_reason(reason)
    if invoice.status == "void":
        raise InvoiceError(f"{invoice.number} is void already")
    if store.credit_notes(connection, invoice=invoice.id):
        raise InvoiceError(f"{invoice.number} has credit notes: credit what is left of it instead")
    for later in store.final_invoices(connection, customers=[invoice.customer]):
        if any(line.of_invoice == invoice.id and line.kind in _TAKEN for line in later.invoice.lines):
            raise InvoiceError(
                f"{later.invoice.number} takes account of what {invoice.number} billed: void that one first"
            )
    store.append_void(connection, invoice.id, now_ns, actor, reason)
    settlement.voided(connection, invoice, at_ns=now_ns, actor=actor, reason=reason)
    audit.note(connection, now_ns, actor, "invoice.void", invoice.id, {**_told(invoice), "reason": reason})
    _tell(connection, "invoice.voided", invoice.id, {**_told(invoice), "reason": reason}, now_ns)


def credit(
    connection: Connection,
    stored: StoredInvoice,
    amounts: Mapping[str, int] | None,
    *,
    reason: str,
    now_ns: int,
    actor: str,
) -> CreditNote:
    """Issue a credit note: amounts in minor units by line id, before tax; None for all that is left.

    Raises:
        InvoiceError: A line is not there, or would be credited for more than was billed of it.
    """
    invoice = stored.invoice
    _check_reason(reason)
    if invoice.status != "final":
        raise InvoiceError(f"{invoice.number} is void: there is nothing to credit")
    left = creditable(connection, stored)
    chosen = dict(amounts) if amounts is not None else {line: most for line, most in left.items() if most}
    if not chosen:
        raise InvoiceError(f"nothing of {invoice.number} is left to credit")
    for line, amount in chosen.items():
        if line not in left:
            raise InvoiceError(
                f"{invoice.number} has no line {line} that can be credited; there are {', '.join(left)}"
            )
        if not 0 < amount <= left[line]:
            raise InvoiceError(
                f"line {line} of {invoice.number} can be credited for more than 0 and at most "
                f"{_decimal(left[line], invoice.exponent)} {invoice.currency}, not "
                f"{_decimal(amount, invoice.exponent)}"
            )
    lines = {line.id: line for line in invoice.lines}
    number = store.next_number(connection, CREDIT_SERIES)
    noted = tuple(
        CreditNoteLine(
            of_line=id,
            title=lines[id].title,
            amount_minor=amount,
            tax_percent=lines[id].tax_percent,
        )
        for id, amount in sorted(chosen.items(), key=lambda each: int(each[0]))
    )
    taxes = _credited_taxes(invoice, noted, store.credit_notes(connection, invoice=invoice.id))
    subtotal = sum(each.amount_minor for each in noted)
    note = CreditNote(
        id=uuid_text(uuid7(now_ns)),
        series=CREDIT_SERIES,
        number=f"{CREDIT_SERIES}-{number:06d}",
        invoice=invoice.id,
        invoice_number=invoice.number or "",
        customer=invoice.customer,
        bill_to=invoice.bill_to,
        currency=invoice.currency,
        exponent=invoice.exponent,
        timezone=invoice.timezone,
        issued_at=now_ns,
        home_id=invoice.home_id,
        head_hash=invoice.head_hash,
        reason=reason,
        lines=noted,
        subtotal_minor=subtotal,
        taxes=taxes,
        total_minor=subtotal + sum(each.tax_minor for each in taxes),
    )
    checksum = store.append_credit_note(connection, note, number)
    charge_of = charge_finder(decode_terms(stored.terms), _earlier_terms(connection, invoice))
    settlement.credited(connection, invoice, note, charge_of, at_ns=now_ns, actor=actor)
    detail = {
        "number": note.number,
        "invoice": invoice.number,
        "customer": note.customer,
        "currency": note.currency,
        "total": _decimal(note.total_minor, note.exponent),
        "reason": reason,
        "sha256": checksum,
    }
    audit.note(connection, now_ns, actor, "credit_note.issue", note.id, detail)
    _tell(connection, "credit_note.issued", note.id, detail, now_ns)
    return note


def _credited_taxes(
    invoice: Invoice, noted: Sequence[CreditNoteLine], before: Sequence[CreditNote]
) -> tuple[Tax, ...]:
    """Return a note's taxes: what all notes together take back of the invoice's, less what earlier ones did.

    So an invoice that is credited in parts gives back the tax that was billed and no more.
    """
    gone: dict[str, int] = {}
    for note in before:
        for tax in note.taxes:
            gone[tax.percent] = gone.get(tax.percent, 0) + tax.tax_minor
    billed = {tax.percent: tax.tax_minor for tax in invoice.taxes}
    earlier = [(line.tax_percent, line.amount_minor) for note in before for line in note.lines]
    together = {tax.percent: tax.tax_minor for tax in taxes_of([*earlier, *_amounts(noted)])}
    found: list[Tax] = []
    for tax in taxes_of(_amounts(noted)):
        most = max(billed.get(tax.percent, 0), 0)
        now = min(together[tax.percent], most) - gone.get(tax.percent, 0)
        found.append(replace(tax, tax_minor=max(now, 0)))
    return tuple(found)


def _amounts(noted: Sequence[CreditNoteLine]) -> list[tuple[str | None, int]]:
    return [(each.tax_percent, each.amount_minor) for each in noted]


def charge_finder(terms: Terms, earlier: Mapping[str, Terms] | None = None) -> settlement.ChargeOf:
    """Return what finds the charge that a line was rated with.

    `earlier` are the terms of the invoices that adjustment lines are about, by their ids.
    """
    own = _charges(terms)
    of_earlier = {id: _charges(each) for id, each in (earlier or {}).items()}

    def charge_of(line: InvoiceLine) -> Charge | None:
        charges = of_earlier.get(line.of_invoice, own) if line.kind == "adjustment" else own
        return charges.get((line.subscription, line.charge)) if line.charge else None

    return charge_of


def _charges(terms: Terms) -> dict[tuple[str, str], Charge]:
    return {
        (segment.subscription, charge.name): charge
        for segment in terms.segments
        for charge in segment.plan.charges
    }


def _earlier_terms(connection: Connection, invoice: Invoice) -> dict[str, Terms]:
    ids = {line.of_invoice for line in invoice.lines if line.kind == "adjustment"}
    stored = [store.stored_invoice(connection, id) for id in sorted(ids)]
    return {each.invoice.id: decode_terms(each.terms) for each in stored if each is not None}


def _told(invoice: Invoice) -> dict[str, object]:
    return {
        "id": invoice.id,
        "number": invoice.number,
        "customer": invoice.customer,
        "currency": invoice.currency,
        "total": _decimal(invoice.total_minor, invoice.exponent),
        "due": _decimal(invoice.due_minor, invoice.exponent),
        "period_start": iso(invoice.from_ns),
        "period_end": iso(invoice.until_ns),
    }


def _tell(connection: Connection, kind: str, subject: str, data: Mapping[str, object], now_ns: int) -> None:
    key = f"{kind}:{subject}"
    enqueue(connection, envelope(kind, data, now_ns, cause=kind, dedupe_key=key))


def _check_reason(reason: str) -> None:
    if not 0 < len(reason.strip()) <= REASON_MAX:
        raise InvoiceError(f"a reason of 1 to {REASON_MAX} characters is kept with it: --reason TEXT")


def _decimal(amount_minor: int, exponent: int) -> str:
    return format(decimal_of_units(amount_minor, exponent), "f")
