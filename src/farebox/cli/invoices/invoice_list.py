"""`farebox invoices list`, `show` and `export`; where no seller is named, they say so."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from cyclopts import Parameter

from farebox.billing.documents import dates
from farebox.billing.documents.amounts import grouped
from farebox.billing.documents.document import CreditNote, Invoice, InvoiceLine
from farebox.cli.exits import OK, say
from farebox.cli.options import AsJson, Place
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import BOLD, DIM, Column, clean, paint, table
from farebox.errors import InvoiceNotFoundError
from farebox.home import Home
from farebox.program import command
from farebox.server.api.billing.invoice_views import (
    Invoices,
    InvoiceShown,
    decimal_text,
    due_text,
    invoice_view,
    invoices_view,
)

if TYPE_CHECKING:
    from farebox.config import Config

_LACKING_SHOWN = 40
"""Characters that are named at most."""

Named = Annotated[str, Parameter(help="The invoice's number, its id, or the beginning of its id.")]
Document = Annotated[str, Parameter(help="The number or id of an invoice or credit note.")]
Customer = Annotated[str | None, Parameter(help="Only this customer's.")]


class InvoicesAnswer(Invoices, kw_only=True):
    """`farebox invoices list --json`."""

    schema: str = "farebox.invoices/1"


class InvoiceAnswer(InvoiceShown, kw_only=True):
    """`farebox invoices show INVOICE --json`, and of `finalize` and `void`."""

    schema: str = "farebox.invoice/1"


class CreditNoteAnswer(msgspec.Struct, kw_only=True):
    """`farebox invoices credit INVOICE --json` and `farebox invoices show CREDIT_NOTE --json`."""

    schema: str = "farebox.credit-note/1"
    credit_note: CreditNote


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
        Column("first day"),
        Column("last day", drop=2),
        Column("total", right=True),
        Column("due", right=True, drop=1),
    ]
    rows = [
        [
            each.number or each.id[:12],
            each.status,
            clean(each.customer),
            each.first_day,
            each.last_day,
            f"{'≥ ' if each.unpriced_calls else ''}{grouped(each.total)} {each.currency}",
            f"{'≥ ' if each.unpriced_calls else ''}{grouped(each.due)}",
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


def show(named: Document, /, *, place: Place | None = None, as_json: AsJson = False) -> int:
    """Show one invoice or credit note with its lines, taxes and payments."""
    home = (place or Place()).state_to_read()
    note = _credit_note(home, named)
    if note is not None:
        if as_json:
            print_json(CreditNoteAnswer(credit_note=note))
        else:
            print(rendered_note(note))
        return OK
    found = read_invoice(home, named)
    if as_json:
        print_json(answer(found))
        return OK
    print(rendered_invoice(found.invoice))
    if found.void_reason is not None:
        print(f"Void since {(found.voided_at or '')[:10]}: {clean(found.void_reason)}")
    for note in found.credit_notes:
        total = decimal_text(note.total_minor, note.exponent)
        print(f"{note.number} credits {total} {note.currency}: {clean(note.reason)}")
    if found.due != due_text(found.invoice):
        print(f"due now: {grouped(found.due)} {found.invoice.currency}")
    return OK


def export(
    named: Document,
    /,
    *,
    form: Annotated[
        Literal["json", "html", "csv", "pdf", "eml"], Parameter(name="--format", help="What to write.")
    ] = "pdf",
    output: Annotated[
        Path | None,
        Parameter(
            name=("--output", "-o"), help="Where to; `-` is standard output.", allow_leading_hyphen=True
        ),
    ] = None,
    place: Place | None = None,
) -> int:
    """Write a document as a file, from its stored bytes: nothing is computed anew."""
    from farebox.billing.documents import rendered

    chosen = place or Place()
    home = chosen.state_to_read()
    document = _document(home, named)
    config = chosen.configuration(home)
    made = rendered(document, form, config.billing)
    if form not in ("json", "csv"):
        say_without_seller(home, config)
    if made.lacking:
        shown = f"{made.lacking[:_LACKING_SHOWN]}{'…' if len(made.lacking) > _LACKING_SHOWN else ''}"
        say(
            f"no font at hand has {clean(shown)}: in the PDF a box is in place of each; put a font that has "
            "them in a folder, and write `billing: {fonts: FOLDER}` in farebox.yaml"
        )
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
        due=found.due,
        void_reason=found.void_reason,
        voided_at=found.voided_at,
        credit_notes=found.credit_notes,
    )


def say_without_seller(home: Home, config: Config) -> None:
    """Say how the invoices get a sender, where they have none."""
    if not config.billing.seller.name:
        say(
            "invoices do not say yet who sends them; write into "
            f"{home.config.name}: billing: {{seller: {{name: …, address: …, tax_id: …, email: …}}}}"
        )


def rendered_invoice(said: Invoice) -> str:
    """Return an invoice as the terminal shows it: days are the customer's, notes stand below the lines."""
    name = f"{said.number} ({said.status})" if said.number else f"Draft {said.id[:12]}"
    least = "≥ " if said.unpriced_calls else ""
    head = f"{paint(name, BOLD)} for {clean(said.bill_to.name)}, {_period(said, said.from_ns, said.until_ns)}"
    if said.issued_at is not None:
        head += f", issued {dates.day(said.issued_at, said.timezone)}"
    if said.due_at is not None:
        head += f", due {dates.day(said.due_at, said.timezone)}"
    columns = [
        Column("line", right=True),
        Column("what", width_min=20, width_max=_TEXT_MAX),
        Column("quantity", right=True, drop=2),
        Column("unit price", drop=1, width_min=10, width_max=_TEXT_MAX),
        Column("amount", right=True),
    ]
    rows = [
        [
            line.id,
            clean(line.title),
            f"{grouped(line.quantity)} {clean(line.unit or '')}".strip() if line.quantity is not None else "",
            clean(line.unit_price or ""),
            _amount(line, said.exponent),
        ]
        for line in said.lines
    ]
    totals = [f"subtotal {least}{_shown(said.subtotal_minor, said)}"]
    totals += [f"tax {each.percent} % {_shown(each.tax_minor, said)}" for each in said.taxes]
    totals.append(f"total {least}{_shown(said.total_minor, said)} {said.currency}")
    totals += [f"paid by {clean(each.what)} {_shown(each.amount_minor, said)}" for each in said.credits]
    totals.append(f"due {least}{_shown(said.due_minor, said)} {said.currency}")
    proof = f"record as of row {said.as_of_seq}, hash {said.head_hash[:16] or 'none'}"
    return "\n".join(
        [
            head,
            table(columns, rows),
            *_notes(said),
            "; ".join(totals),
            *map(clean, said.statements),
            paint(proof, DIM),
        ]
    )


def rendered_note(said: CreditNote) -> str:
    """Return a credit note as the terminal shows it."""
    head = (
        f"{paint(said.number, BOLD)} for {clean(said.bill_to.name)}, of {said.invoice_number}, "
        f"issued {dates.day(said.issued_at, said.timezone)}: {clean(said.reason)}"
    )
    columns = [
        Column(f"line of {said.invoice_number}", right=True),
        Column("what", width_min=20, width_max=_TEXT_MAX),
        Column("credited", right=True),
    ]
    rows = [[each.of_line, clean(each.title), _shown(each.amount_minor, said)] for each in said.lines]
    totals = [f"subtotal {_shown(said.subtotal_minor, said)}"]
    totals += [f"tax {each.percent} % {_shown(each.tax_minor, said)}" for each in said.taxes]
    totals.append(f"credited {_shown(said.total_minor, said)} {said.currency}")
    return "\n".join([head, table(columns, rows), "; ".join(totals)])


_TEXT_MAX = 400
"""Of an invoice's own words: a terminal that is narrow shortens them, nothing else does."""


def _notes(said: Invoice) -> list[str]:
    """Return what belongs to a line and is too long for its cell: notes, and periods of their own."""
    found: list[str] = []
    for line in said.lines:
        words = [clean(line.note)] if line.note else []
        if (line.from_ns, line.until_ns) != (said.from_ns, said.until_ns):
            words.insert(0, dates.period(line.from_ns, line.until_ns, said.timezone))
        if words:
            found.append(f"  line {line.id}: {'; '.join(words)}")
    return found


def _period(said: Invoice, from_ns: int, until_ns: int) -> str:
    return f"{dates.period(from_ns, until_ns, said.timezone)} ({said.timezone})"


def _shown(amount_minor: int, said: Invoice | CreditNote) -> str:
    return grouped(decimal_text(amount_minor, said.exponent))


def _amount(line: InvoiceLine, exponent: int) -> str:
    return ("≥ " if line.unpriced_calls else "") + grouped(decimal_text(line.amount_minor, exponent))


def _listed(home: Home, customer: str | None, status: str | None) -> Invoices:
    from farebox.control.database import open_control

    if not home.control.exists():
        return Invoices(invoices=[], credit_notes=[])
    with open_control(home).reading() as connection:
        return invoices_view(connection, customer=customer, status=status)


def _document(home: Home, named: str) -> Invoice | CreditNote:
    return _credit_note(home, named) or read_invoice(home, named).invoice


def _credit_note(home: Home, named: str) -> CreditNote | None:
    from farebox.billing.invoices import store
    from farebox.control.database import open_control

    if not home.control.exists():
        return None
    with open_control(home).reading() as connection:
        note = store.credit_note(connection, named)
    return None if note is None else note[0]
