"""Split the lines of a final invoice between its payees and the owner, by largest remainder.

A share is of the line's amount without tax, after the line's own discounts; a discount of the whole invoice
is borne by the owner. A payee's part of a negative line is negative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import msgspec
from sqlalchemy import Connection

from farebox.billing.documents.document import CreditNote, Invoice, InvoiceLine
from farebox.billing.journal.entries import Entry, merged
from farebox.billing.journal.posting import post
from farebox.billing.wallets.portions import ChargeOf
from farebox.charges.amounts.allocation import allocate, percentages
from farebox.charges.plan import Share
from farebox.charges.rounding import units_of


class LineShare(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a payee gets of one line, in minor units; a credit note's lines are below zero."""

    payee: str
    line: str
    title: str
    percent: str
    line_minor: int
    share_minor: int
    unpriced_calls: int = 0
    """More than zero: of a line that is at least what is here."""


def split(amount_minor: int, shares: Sequence[Share]) -> list[int]:
    """Return each payee's part of an amount; the owner's is what is left."""
    return percentages(amount_minor, [each.percent for each in shares])[:-1]


def line_shares(invoice: Invoice, charge_of: ChargeOf) -> list[LineShare]:
    """Return what the payees get of an invoice, line by line."""
    return [
        msgspec.structs.replace(
            _share(line, each, line.amount_minor, part), unpriced_calls=line.unpriced_calls
        )
        for line in invoice.lines
        if (charge := charge_of(line)) is not None
        for each, part in zip(charge.shares, split(line.amount_minor, charge.shares), strict=True)
    ]


def post_shares(
    connection: Connection,
    invoice: Invoice,
    charge_of: ChargeOf,
    *,
    at_ns: int,
    actor: str,
    taken_off: Sequence[tuple[Invoice, ChargeOf]] = (),
) -> None:
    """Post what a final invoice's lines bring their payees.

    `taken_off` are threshold invoices whose usage is on this one again: what they brought is taken back.
    """
    back = [
        msgspec.structs.replace(
            each,
            title=f"{each.title}, billed by {early.number}",
            line_minor=-each.line_minor,
            share_minor=-each.share_minor,
            unpriced_calls=0,
        )
        for early, of in taken_off
        for each in line_shares(early, of)
    ]
    _post(
        connection,
        invoice,
        [*line_shares(invoice, charge_of), *back],
        key=f"shares:{invoice.id}",
        kind="payee.share",
        at_ns=at_ns,
        actor=actor,
        document=invoice.number or invoice.id,
    )


def post_credited_shares(
    connection: Connection,
    invoice: Invoice,
    note: CreditNote,
    before: Mapping[str, int],
    charge_of: ChargeOf,
    *,
    at_ns: int,
    actor: str,
) -> None:
    """Post what a credit note takes from the payees: a line credited in parts is split as one.

    `before` is what earlier credit notes took off each line. A share is of the line before discounts of the
    whole invoice, and a credit is of what is left after them: credited in full, nothing of the share is left.
    """
    lines = {each.id: each for each in invoice.lines}
    parts = _credited_parts(invoice)
    found: list[LineShare] = []
    now: dict[str, int] = {}
    for each in note.lines:
        now[each.of_line] = now.get(each.of_line, 0) + each.amount_minor
    for id, amount in now.items():
        charge = charge_of(lines[id])
        if charge is None or not charge.shares:
            continue
        part = parts.get(id, Fraction(1))
        was = split(units_of(before.get(id, 0) * part, 0), charge.shares)
        is_now = split(units_of((before.get(id, 0) + amount) * part, 0), charge.shares)
        found += [
            _share(lines[id], share, -amount, old - new)
            for share, old, new in zip(charge.shares, was, is_now, strict=True)
        ]
    _post(
        connection,
        invoice,
        found,
        key=f"shares:{note.id}",
        kind="payee.credit",
        at_ns=at_ns,
        actor=actor,
        document=note.number,
    )


def _credited_parts(invoice: Invoice) -> dict[str, Fraction]:
    """Return, for each line above zero, what a cent that is credited of it is of what its shares were of.

    That is the line without what is below zero of its charge, which has negative shares of its own. With a
    discount of the whole invoice less is paid of a line, and a cent of that is more of it.
    """
    above = {line.id: line.amount_minor for line in invoice.lines if line.amount_minor > 0}
    of_charge: dict[tuple[str, str], list[InvoiceLine]] = {}
    discount = 0
    for line in invoice.lines:
        if line.charge:
            of_charge.setdefault((line.subscription, line.charge), []).append(line)
        elif line.kind == "discount":
            discount -= line.amount_minor
    for lines in of_charge.values():
        own = [line.id for line in lines if line.id in above]
        off = min(
            -sum(line.amount_minor for line in lines if line.amount_minor < 0), sum(above[id] for id in own)
        )
        if own:
            parts = allocate(off, [above[id] for id in own])
            above |= {id: above[id] - part for id, part in zip(own, parts, strict=True)}
    bases = {id: amount for id, amount in above.items() if amount > 0}
    if not bases or discount >= sum(bases.values()):
        return {}
    parts = allocate(discount, list(bases.values()))
    return {
        id: Fraction(amount, amount - part)
        for (id, amount), part in zip(bases.items(), parts, strict=True)
        if amount > part
    }


def _share(line: InvoiceLine, share: Share, line_minor: int, share_minor: int) -> LineShare:
    return LineShare(
        payee=share.payee,
        line=line.id,
        title=line.title,
        percent=str(share.percent),
        line_minor=line_minor,
        share_minor=share_minor,
    )


def _post(
    connection: Connection,
    invoice: Invoice,
    found: Sequence[LineShare],
    *,
    key: str,
    kind: str,
    at_ns: int,
    actor: str,
    document: str,
) -> None:
    entries = merged(
        entry
        for each in found
        for entry in (
            Entry(
                account="revenue",
                party=invoice.customer,
                currency=invoice.currency,
                amount_minor=each.share_minor,
            ),
            Entry(
                account="partner_payable",
                party=each.payee,
                currency=invoice.currency,
                amount_minor=-each.share_minor,
            ),
        )
    )
    if entries:
        post(
            connection,
            entries,
            key=key,
            kind=kind,
            reference=invoice.id,
            at_ns=at_ns,
            actor=actor,
            detail={
                "document": document,
                "customer": invoice.customer,
                "shares": [msgspec.to_builtins(each) for each in found],
            },
        )
