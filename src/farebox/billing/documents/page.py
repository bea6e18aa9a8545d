"""What stands on a document, as texts in their order: HTML, PDF and the e-mail's text lay out the same.

Nothing is computed here but the sum that a group of lines shows beside its name. Every text is one line of
visible characters (`plain_text`), and amounts are written from the document's integers (`amounts`).
"""

from __future__ import annotations

import msgspec

from farebox.billing.documents import dates
from farebox.billing.documents.amounts import amount_shown, counted, exact_shown, grouped
from farebox.billing.documents.document import CreditNote, Invoice, InvoiceLine, Tax
from farebox.config.configuration import BillingConfig
from farebox.plain_text import block, line

PRICE_IN_COLUMN_MAX = 14
"""A unit price longer than this, as of tiers, stands below the line's title."""

FOOTER_MAX = 300
"""Every page has the footer in a place of fixed height."""

DETAILS_MAX = 2_000
"""How many parts of lines the appendix lists; CSV and JSON have all."""


class Fact(msgspec.Struct, frozen=True):
    """A label and its text: `Issued`, `1 December 2026`."""

    label: str
    text: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the document."""

    line: str = ""
    """Its id in the document; of a credit note, the invoice's line."""
    title: str
    notes: list[str] = []
    quantity: str = ""
    unit: str = ""
    unit_price: str = ""
    amount: str


class RowGroup(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of one charge; a group of one line has no title of its own."""

    title: str = ""
    amount: str = ""
    rows: list[Row]


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the sum at the end."""

    label: str
    amount: str
    strong: bool = False


class DetailGroup(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of one line, in the appendix."""

    title: str
    unit: str
    rows: list[tuple[str, str, str]]
    """What the part is, its quantity, its exact amount."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document, ready to be laid out."""

    kind: str
    number: str
    banner: str = ""
    """`Draft` or `Void`, where it is not to be paid."""
    paper: str = "a4"
    seller: list[str]
    """The name first."""
    bill_to: list[str]
    facts: list[Fact]
    headline: Fact
    """What it comes to."""
    columns: tuple[str, str, str, str]
    groups: list[RowGroup]
    totals: list[Total]
    statements: list[str] = []
    terms: str = ""
    footer: str = ""
    details: list[DetailGroup] = []
    details_left_out: int = 0
    proof: list[str]
    """What the document can be checked by, in small type."""


def invoice_page(invoice: Invoice, billing: BillingConfig) -> Page:
    """Return what an invoice says."""
    floor = "≥ " if invoice.unpriced_calls else ""
    due = f"{line(invoice.currency)} {floor}{amount_shown(invoice.due_minor, invoice.exponent)}"
    details, left_out = _details(invoice.lines)
    facts = [
        Fact("Number", line(invoice.number) if invoice.number else "none yet"),
        Fact("Issued", _day(invoice.issued_at, invoice.timezone)),
        Fact("Due", _day(invoice.due_at, invoice.timezone)),
        Fact("Period", dates.period(invoice.from_ns, invoice.until_ns, invoice.timezone)),
        Fact("Time zone", line(invoice.timezone)),
    ]
    return Page(
        kind="Invoice",
        number=line(invoice.number or ""),
        banner={"draft": "Draft", "void": "Void", "final": ""}[invoice.status],
        paper=billing.paper,
        seller=_seller(billing),
        bill_to=_bill_to(invoice),
        facts=[fact for fact in facts if fact.text],
        headline=Fact("Amount due", due),
        columns=("Description", "Quantity", "Unit price", f"Amount ({line(invoice.currency)})"),
        groups=_groups(invoice),
        totals=_totals(invoice, floor),
        statements=[line(each, 1_000) for each in invoice.statements],
        terms=line(billing.payment_terms, 2_000),
        footer=line(billing.footer, FOOTER_MAX),
        details=details,
        details_left_out=left_out,
        proof=[
            f"Invoice {line(invoice.id, 80)} of ledger {line(invoice.home_id, 80)}, "
            f"as of entry {invoice.as_of_seq:,}, calculated by policy {invoice.calc_policy}",
            f"Head of the record: {line(invoice.head_hash, 128)}",
        ],
    )


def credit_note_page(note: CreditNote, billing: BillingConfig) -> Page:
    """Return what a credit note says."""
    currency = line(note.currency)
    total = amount_shown(note.total_minor, note.exponent)
    rows = [
        Row(
            line=line(each.of_line),
            title=line(each.title),
            notes=[f"Line {line(each.of_line)} of invoice {line(note.invoice_number)}"],
            amount=amount_shown(each.amount_minor, note.exponent),
        )
        for each in note.lines
    ]
    return Page(
        kind="Credit note",
        number=line(note.number),
        paper=billing.paper,
        seller=_seller(billing),
        bill_to=_bill_to(note),
        facts=[
            Fact("Number", line(note.number)),
            Fact("Issued", _day(note.issued_at, note.timezone)),
            Fact("For invoice", line(note.invoice_number)),
            Fact("Reason", line(note.reason, 1_000)),
        ],
        headline=Fact("Credited", f"{currency} {total}"),
        columns=("Description", "", "", f"Amount ({currency})"),
        groups=[RowGroup(rows=[row]) for row in rows],
        totals=[
            Total(label="Subtotal", amount=amount_shown(note.subtotal_minor, note.exponent)),
            *_taxes(note.taxes, note.exponent),
            Total(label="Total credited", amount=f"{currency} {total}", strong=True),
        ],
        footer=line(billing.footer, FOOTER_MAX),
        proof=[
            f"Credit note {line(note.id, 80)} of ledger {line(note.home_id, 80)}, "
            f"calculated by policy {note.calc_policy}",
            f"Head of the record: {line(note.head_hash, 128)}",
        ],
    )


def _groups(invoice: Invoice) -> list[RowGroup]:
    """Return the lines by their charge, charges in the order of their first line."""
    by_charge: dict[str, list[InvoiceLine]] = {}
    for each in invoice.lines:
        by_charge.setdefault(each.charge or f"\0{each.id}", []).append(each)
    groups: list[RowGroup] = []
    for charge, lines in by_charge.items():
        rows = [_row(each, invoice) for each in lines]
        if len(rows) == 1:
            groups.append(RowGroup(rows=rows))
            continue
        floor = "≥ " if any(each.unpriced_calls for each in lines) else ""
        total = amount_shown(sum(each.amount_minor for each in lines), invoice.exponent)
        groups.append(RowGroup(title=line(charge), amount=floor + total, rows=rows))
    return groups


def _row(each: InvoiceLine, invoice: Invoice) -> Row:
    said = _dims_text({name: value for name, value in each.dims.items() if value != each.title})
    notes = [said] if said else []
    price = line(each.unit_price or "")
    if len(price) > PRICE_IN_COLUMN_MAX:
        notes.append(f"Price: {price}")
        price = ""
    if each.kind == "adjustment" and each.of_invoice and not each.note.startswith("Adjusts "):
        of_line = f", line {line(each.of_line)}" if each.of_line else ""
        notes.append(f"Adjusts invoice {line(each.of_invoice)}{of_line}")
    if (each.from_ns, each.until_ns) != (invoice.from_ns, invoice.until_ns):
        notes.append(dates.period(each.from_ns, each.until_ns, invoice.timezone))
    if each.note:
        notes.append(line(each.note))
    if each.unpriced_calls:
        notes.append(f"At least: {counted(each.unpriced_calls, 'call')} not priced yet")
    if each.estimated_calls:
        notes.append(f"{counted(each.estimated_calls, 'call')} estimated")
    floor = "≥ " if each.unpriced_calls else ""
    return Row(
        line=line(each.id),
        title=line(each.title) or line(each.charge) or each.kind,
        notes=notes,
        quantity=line(grouped(each.quantity or ""), 60),
        unit=line(each.unit or "", 80) if each.quantity else "",
        unit_price=grouped(price),
        amount=floor + amount_shown(each.amount_minor, invoice.exponent),
    )


def _totals(invoice: Invoice, floor: str) -> list[Total]:
    shown = [Total(label="Subtotal", amount=floor + amount_shown(invoice.subtotal_minor, invoice.exponent))]
    if invoice.discount_minor:
        taken_off = amount_shown(-invoice.discount_minor, invoice.exponent)
        shown.append(Total(label="of which discounts", amount=taken_off))
    shown += _taxes(invoice.taxes, invoice.exponent)
    total = floor + amount_shown(invoice.total_minor, invoice.exponent)
    if invoice.taxes or invoice.credits:
        shown.append(Total(label="Total", amount=total))
    for credit in invoice.credits:
        shown.append(
            Total(label=line(credit.what), amount=amount_shown(-credit.amount_minor, invoice.exponent))
        )
    due = f"{line(invoice.currency)} {floor}{amount_shown(invoice.due_minor, invoice.exponent)}"
    shown.append(Total(label="Amount due", amount=due, strong=True))
    return shown


def _taxes(taxes: tuple[Tax, ...], exponent: int) -> list[Total]:
    return [
        Total(
            label=f"Tax {grouped(line(tax.percent))} % on {amount_shown(tax.base_minor, exponent)}",
            amount=amount_shown(tax.tax_minor, exponent),
        )
        for tax in taxes
    ]


def _details(lines: tuple[InvoiceLine, ...]) -> tuple[list[DetailGroup], int]:
    groups: list[DetailGroup] = []
    room = DETAILS_MAX
    for each in lines:
        if not each.details:
            continue
        rows = [
            (_dims_text(part.dims), line(grouped(part.quantity or ""), 60), line(exact_shown(part.exact), 60))
            for part in each.details[:room]
        ]
        room -= len(rows)
        if rows:
            title = line(each.title)
            groups.append(DetailGroup(title=title, unit=line(each.unit or "", 80), rows=rows))
    return groups, sum(len(each.details) for each in lines) - (DETAILS_MAX - room)


def _dims_text(dims: dict[str, str]) -> str:
    return " · ".join(f"{line(name, 60)} {line(value, 200) or '—'}" for name, value in dims.items())


def _seller(billing: BillingConfig) -> list[str]:
    seller = billing.seller
    tax_id = [f"Tax ID {line(seller.tax_id)}"] if seller.tax_id else []
    return [each for each in (line(seller.name), *block(seller.address), *tax_id, line(seller.email)) if each]


def _bill_to(document: Invoice | CreditNote) -> list[str]:
    to = document.bill_to
    tax_id = [f"Tax ID {line(to.tax_id)}"] if to.tax_id else []
    return [line(to.name) or line(document.customer), *block(to.address), *tax_id]


def _day(moment: int | None, zone: str) -> str:
    return "" if moment is None else dates.day(moment, zone)
