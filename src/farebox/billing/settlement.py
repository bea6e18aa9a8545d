"""The one way into journal, wallets and payees for what happens to an invoice.

Each function runs in the `control.db` transaction that finalizes, voids or credits it:

    credits = pay(connection, draft, charge_of, …)         # before its number and bytes are made
    finalized(connection, invoice, charge_of, …)           # the invoice as it is stored, credits included
    voided(connection, invoice, …) / credited(connection, invoice, note, charge_of, …)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from farebox.billing.customer_terms import mark_used, unmark_used
from farebox.billing.documents.document import CreditNote, Invoice
from farebox.billing.journal.documents import (
    credited_lines,
    credited_minor,
    post_credit_note,
    post_invoice,
    post_void,
)
from farebox.billing.payees.shares import post_credited_shares, post_shares
from farebox.billing.wallets.payment import came_back, expected, pay, refund
from farebox.billing.wallets.portions import ChargeOf
from farebox.money import PicoUsd

__all__ = ["ChargeOf", "credited", "expected", "finalized", "pay", "voided"]


def finalized(
    connection: Connection,
    invoice: Invoice,
    charge_of: ChargeOf,
    *,
    at_ns: int,
    actor: str,
    costs: Mapping[str, PicoUsd] | None = None,
    used: Sequence[str] = (),
    taken_off: Sequence[tuple[Invoice, ChargeOf]] = (),
) -> None:
    """Post a final invoice and the shares of its lines; `used` are the ids of its coupons and add-ons, and
    `taken_off` the threshold invoices whose usage is on it again; `costs` are what charged usage has cost the
    provider by now, by period."""
    post_invoice(connection, invoice, at_ns=at_ns, actor=actor, costs=costs)
    post_shares(connection, invoice, charge_of, at_ns=at_ns, actor=actor, taken_off=taken_off)
    mark_used(connection, invoice.id, used, at_ns)


def voided(connection: Connection, invoice: Invoice, *, at_ns: int, actor: str, reason: str) -> None:
    """Take back what a final invoice posted; its payments go back to the wallet, its coupons may be used
    again."""
    post_void(connection, invoice, at_ns=at_ns, actor=actor, reason=reason)
    came_back(connection, invoice.customer, at_ns=at_ns, actor=actor)
    unmark_used(connection, invoice.id)


def credited(
    connection: Connection,
    invoice: Invoice,
    note: CreditNote,
    charge_of: ChargeOf,
    *,
    at_ns: int,
    actor: str,
) -> int:
    """Post a credit note; return what of it goes back to the wallet: what exceeds the amount that was due."""
    before, lines = credited_minor(connection, invoice), credited_lines(connection, invoice)
    post_credit_note(connection, invoice, note, at_ns=at_ns, actor=actor)
    post_credited_shares(connection, invoice, note, lines, charge_of, at_ns=at_ns, actor=actor)
    owed = max(0, invoice.due_minor - before)
    back = max(0, note.total_minor - owed)
    if not back:
        return 0
    return refund(connection, invoice, back, key=f"refund:{note.id}", at_ns=at_ns, actor=actor)
