"""`farebox invoices void` and `credit`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from farebox.billing.documents.document import Invoice
from farebox.billing.written_amounts import minor_of
from farebox.cli.exits import OK
from farebox.cli.invoices.invoice_list import CreditNoteAnswer, Named, answer, read_invoice
from farebox.cli.options import AsJson, Place
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import clean
from farebox.clock import now_ns
from farebox.errors import InvoiceNotFoundError, UsageError
from farebox.home import Home
from farebox.program import command
from farebox.server.api.billing.invoice_views import decimal_text

Reason = Annotated[str, Parameter(help="Why; it is kept with it.")]


def void(named: Named, /, *, reason: Reason, place: Place | None = None, as_json: AsJson = False) -> int:
    """Void a final invoice: it keeps its number and its bytes, and the next run bills its period again."""
    from farebox.billing.invoices import finalizing
    from farebox.billing.invoices.store import stored_invoice
    from farebox.control import audit
    from farebox.control.publish import change

    home = (place or Place()).state()
    with change(home) as connection:
        stored = stored_invoice(connection, named)
        if stored is None:
            raise _unknown(home, named)
        finalizing.void(connection, stored, reason=reason, now_ns=now_ns(), actor=audit.command_line())
    if as_json:
        print_json(answer(read_invoice(home, stored.invoice.id)))
        return OK
    print(f"{stored.invoice.number} is void. To bill its period again: {command('invoices run', home)}")
    return OK


def credit(
    named: Named,
    /,
    *,
    line: Annotated[
        list[str] | None,
        Parameter(help="LINE=AMOUNT before tax, as 3=4.00; may be repeated.", negative=""),
    ] = None,
    everything: Annotated[
        bool, Parameter(name="--all", negative="", help="Credit everything that is left.")
    ] = False,
    reason: Reason,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Issue a credit note: only a person does. Later adjustments of the same lines take it into account."""
    from farebox.billing.invoices import finalizing
    from farebox.billing.invoices.store import stored_invoice
    from farebox.control import audit
    from farebox.control.publish import change

    if bool(line) == everything:
        raise UsageError("say what is credited: --line 3=4.00, or --all")
    home = (place or Place()).state()
    with change(home) as connection:
        stored = stored_invoice(connection, named)
        if stored is None:
            raise _unknown(home, named)
        amounts = None if everything else read_amounts(line or [], stored.invoice)
        note = finalizing.credit(
            connection, stored, amounts, reason=reason, now_ns=now_ns(), actor=audit.command_line()
        )
    if as_json:
        print_json(CreditNoteAnswer(credit_note=note))
        return OK
    total = decimal_text(note.total_minor, note.exponent)
    print(f"{note.number}: {total} {note.currency} of {note.invoice_number} credited, tax included.")
    return OK


def read_amounts(said: list[str], invoice: Invoice) -> dict[str, int]:
    """Return minor units by line id.

    Raises:
        UsageError: One is not LINE=AMOUNT, or has more digits than the currency.
    """
    found: dict[str, int] = {}
    for each in said:
        id, equals, amount = each.partition("=")
        if not equals or id in found:
            raise UsageError(f"--line {clean(each)!r} is not LINE=AMOUNT in {invoice.currency}, as 3=4.00")
        found[id] = minor_of(amount, invoice.currency)
    return found


def _unknown(home: Home, named: str) -> InvoiceNotFoundError:
    return InvoiceNotFoundError(f"there is no final invoice {named!r}; see: {command('invoices list', home)}")
