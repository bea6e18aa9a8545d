"""`farebox invoices list`, `show` and `export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from farebox.billing.invoices.document import CreditNote, Invoice, InvoiceLine
from farebox.cli.exits import OK
from farebox.cli.options import AsJson, Place
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import BOLD, DIM, Column, clean, paint, table
from farebox.errors import InvoiceNotFoundError
from farebox.home import Home
from farebox.program import command
from farebox.server.api.invoices import (
    Invoices,
    InvoiceShown,
    decimal_text,
    invoice_view,
    invoices_view,
)

Named = Annotated[str, Parameter(help="The invoice's number, its id, or the beginning of its id.")]
Customer = Annotated[str | None, Parameter(help="Only this customer's.")]


class InvoicesAnswer(Invoices, kw_only=True):
    """`farebox invoices list --json`."""

    schema: str = "farebox.invoices/1"


class InvoiceAnswer(InvoiceShown, kw_only=True):
    """`farebox invoices show INVOICE --json`, and of `finalize` and `void`."""

    schema: str = "farebox.invoice/1"


def list_invoices(
    *,
    customer: Customer = None,
    status: Annotated[
        Literal["draft", "final", "void"] | None, Parameter(help="Only invoices of this status.")
    ] = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """List drafts, final and void invoices, and credit notes."""
    found = _listed((place or Place()).state_to_read(), customer, status)
    if as_json:
        print_json(InvoicesAnswer(invoices=found.invoices, credit_notes=found.credit_notes))
        return OK
    if not found.invoices:
        print("There is no invoice yet. To see what a customer owes so far, and to bill what has ended:")
        print(f"  {command('invoices preview CUSTOMER')}")
        print(f"  {command('invoices run')}")
        return OK
    columns = [
        Column("invoice"),
        Column("status"),
        Column("customer", width_min=8),
        Column("from"),
        Column("until", drop=2),
        Column("total", right=True),
        Column("due", right=True, drop=1),
    ]
    rows = [
        [
            each.number or each.id[:12],
            each.status,
            clean(each.customer),
            each.period_start[:10],
            each.period_end[:10],
            f"{'≥ ' if each.unpriced_calls else ''}{each.total} {each.currency}",
            each.due,
        ]
        for each in found.invoices
    ]
    print(table(columns, rows))
    for note in found.credit_notes:
        print(
            f"{note.number}: {note.total} {note.currency} of {note.invoice} credited to "
            f"{clean(note.customer)}: {clean(note.reason)}"
        )
    return OK


def show(named: Named, /, *, place: Place | None = None, as_json: AsJson = False) -> int:
    """Show one invoice with its lines, taxes and payments."""
    found = read_invoice((place or Place()).state_to_read(), named)
    if as_json:
        print_json(answer(found))
        return OK
    print(rendered_invoice(found.invoice))
    if found.void_reason is not None:
        print(f"Void since {(found.voided_at or '')[:10]}: {clean(found.void_reason)}")
    for note in found.credit_notes:
        total = decimal_text(note.total_minor, note.exponent)
        print(f"{note.number} credits {total} {note.currency}: {clean(note.reason)}")
    return OK


def export(
    named: Annotated[str, Parameter(help="The number or id of an invoice or credit note.")],
    /,
    *,
    form: Annotated[
        Literal["json", "html", "csv", "pdf", "eml"], Parameter(name="--format", help="What to write.")
    ] = "pdf",
    output: Annotated[
        Path | None, Parameter(name=("--output", "-o"), help="Where to; `-` is standard output.")
    ] = None,
    place: Place | None = None,
) -> int:
    """Write a document as a file, from its stored bytes: nothing is computed anew."""
    from farebox.billing.documents import rendered

    chosen = place or Place()
    home = chosen.state_to_read()
    document = _document(home, named)
    made = rendered(document, form, chosen.configuration(home).billing)
    if output is not None and str(output) == "-":
        sys.stdout.buffer.write(made.content)
        return OK
    path = output or Path(made.name)
    path.write_bytes(made.content)
    print(f"{path}: {len(made.content):,} bytes")
    return OK


def read_invoice(home: Home, named: str) -> InvoiceShown:
    """Return an invoice, final or draft.

    Raises:
        InvoiceNotFoundError: There is none.
    """
    from farebox.control.database import open_control

    found = None
    if home.control.exists():
        with open_control(home).reading() as connection:
            found = invoice_view(connection, named)
    if found is None:
        raise InvoiceNotFoundError(f"there is no invoice {named!r}; see: {command('invoices list')}")
    return found


def answer(found: InvoiceShown) -> InvoiceAnswer:
    """Return an invoice as `--json` prints it."""
    return InvoiceAnswer(
        invoice=found.invoice,
        sha256=found.sha256,
        void_reason=found.void_reason,
        voided_at=found.voided_at,
        credit_notes=found.credit_notes,
    )


def rendered_invoice(said: Invoice) -> str:
    """Return an invoice as the terminal shows it."""
    from farebox.clock import iso

    name = said.number or f"Draft {said.id[:12]}"
    least = "≥ " if said.unpriced_calls else ""
    head = (
        f"{paint(name, BOLD)} ({said.status}) for {clean(said.bill_to.name)}, "
        f"{iso(said.from_ns)[:16]}Z to {iso(said.until_ns)[:16]}Z, {said.timezone}"
    )
    columns = [
        Column("line", right=True),
        Column("what", width_min=20),
        Column("quantity", right=True, drop=2),
        Column("unit price", drop=1, width_min=10),
        Column("amount", right=True),
    ]
    rows = [
        [
            line.id,
            clean(line.title) + (f" ({clean(line.note)})" if line.note else ""),
            f"{line.quantity} {line.unit or ''}".strip() if line.quantity is not None else "",
            clean(line.unit_price or ""),
            _amount(line, said.exponent),
        ]
        for line in said.lines
    ]
    totals = [f"subtotal {decimal_text(said.subtotal_minor, said.exponent)}"]
    totals += [f"tax {each.percent} % {decimal_text(each.tax_minor, said.exponent)}" for each in said.taxes]
    totals.append(f"total {least}{decimal_text(said.total_minor, said.exponent)} {said.currency}")
    totals += [
        f"paid by {clean(each.what)} {decimal_text(each.amount_minor, said.exponent)}"
        for each in said.credits
    ]
    totals.append(f"due {least}{decimal_text(said.due_minor, said.exponent)} {said.currency}")
    proof = f"record as of row {said.as_of_seq}, hash {said.head_hash[:16] or 'none'}"
    return "\n".join(
        [head, table(columns, rows), "; ".join(totals), *map(clean, said.statements), paint(proof, DIM)]
    )


def _amount(line: InvoiceLine, exponent: int) -> str:
    return ("≥ " if line.unpriced_calls else "") + decimal_text(line.amount_minor, exponent)


def _listed(home: Home, customer: str | None, status: str | None) -> Invoices:
    from farebox.control.database import open_control

    if not home.control.exists():
        return Invoices(invoices=[], credit_notes=[])
    with open_control(home).reading() as connection:
        return invoices_view(connection, customer=customer, status=status)


def _document(home: Home, named: str) -> Invoice | CreditNote:
    from farebox.billing.invoices import store
    from farebox.control.database import open_control

    if home.control.exists():
        with open_control(home).reading() as connection:
            note = store.credit_note(connection, named)
        if note is not None:
            return note[0]
    return read_invoice(home, named).invoice
