"""The statement of a payee: what invoices, credit notes and voids of a month brought, and what is owed."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from farebox.billing.journal.entries import Transaction
from farebox.billing.journal.transactions import between
from farebox.charges.currencies import exponent_of
from farebox.clock import iso
from farebox.control.schema import journal_entry as entry
from farebox.control.schema import journal_transaction as transaction
from farebox.control.schema import payee as payee_table
from farebox.errors import UsageError
from farebox.time_expressions import day_start, moment_of, zone_named


class Payee(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with shares: `id` is what plans call it, the rest is for its statements."""

    id: str
    name: str = ""
    email: str = ""
    address: str = ""


class StatementLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one line of a document brought."""

    at: str
    """When the document became final: RFC 3339, UTC."""
    document: str
    """The number of the invoice or credit note."""
    customer: str
    line: str
    title: str
    percent: str
    line_minor: int
    share_minor: int
    unpriced_calls: int = 0
    """More than zero: the share is at least what is here; what is missing comes with an adjustment."""


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A payee's shares of a half-open span in one currency, in minor units."""

    payee: Payee
    currency: str
    exponent: int
    from_ns: int
    until_ns: int
    opening_minor: int
    """What was owed before."""
    lines: tuple[StatementLine, ...]
    total_minor: int
    """The sum of the lines."""
    closing_minor: int

    @property
    def unpriced_calls(self) -> int:
        """Calls without a price in the lines: more than zero makes the totals "at least"."""
        return sum(each.unpriced_calls for each in self.lines)


def payees(connection: Connection) -> list[Payee]:
    """Return everybody who has a share or a name, by id."""
    named = {
        row.id: Payee(id=row.id, name=row.name, email=row.email, address=row.address)
        for row in connection.execute(select(payee_table))
    }
    paid = select(entry.c.party).where(entry.c.account == "partner_payable").distinct()
    ids = sorted({*named, *connection.scalars(paid)})
    return [named.get(id, Payee(id=id)) for id in ids]


def owed(connection: Connection, payee: str, until_ns: int | None = None) -> dict[str, int]:
    """Return what a payee is owed by currency, of all transactions or of those before a moment."""
    asked = (
        select(entry.c.currency, func.sum(entry.c.amount_minor).label("total"))
        .where(entry.c.account == "partner_payable", entry.c.party == payee)
        .group_by(entry.c.currency)
        .order_by(entry.c.currency)
    )
    if until_ns is not None:
        asked = asked.join(transaction, transaction.c.number == entry.c.number).where(
            transaction.c.at < until_ns
        )
    return {row.currency: -int(row.total) for row in connection.execute(asked)}


def latest_share(connection: Connection, payee: str) -> int | None:
    """Return when the latest document that concerns a payee became final."""
    asked = (
        select(func.max(transaction.c.at))
        .join(entry, transaction.c.number == entry.c.number)
        .where(entry.c.account == "partner_payable", entry.c.party == payee)
    )
    return connection.execute(asked).scalar()


def statements(connection: Connection, payee: Payee, from_ns: int, until_ns: int) -> list[Statement]:
    """Return a payee's statements of a span, one for each currency that there is anything in."""
    opening = owed(connection, payee.id, from_ns)
    lines: dict[str, list[StatementLine]] = {currency: [] for currency in opening}
    for each in between(connection, "partner_payable", payee.id, from_ns, until_ns):
        currency = next(
            leg.currency for leg in each.entries if leg.party == payee.id and leg.account == "partner_payable"
        )
        shares = each.detail.get("shares")
        found = (
            [_void(each, payee.id)]
            if shares is None
            else [_line(each, share) for share in shares if share["payee"] == payee.id]
        )
        lines.setdefault(currency, []).extend(found)
    return [
        _statement(payee, currency, from_ns, until_ns, opening.get(currency, 0), found)
        for currency, found in sorted(lines.items())
        if found or opening.get(currency)
    ]


def month_span(month: str | None, zone: str, now_ns: int) -> tuple[int, int]:
    """Return the first instants of a month, as `2026-11`, and of the next one; None is the last whole month.

    Raises:
        UsageError: It is no month, or there is no such zone.
    """
    if month is None:
        return moment_of("prev-month", zone, now_ns), moment_of("month", zone, now_ns)
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", month):
        raise UsageError(f"{month!r} is not a month; write it as 2026-11")
    first = date.fromisoformat(f"{month}-01")
    after = (first + timedelta(days=31)).replace(day=1)
    return day_start(first, zone_named(zone)), day_start(after, zone_named(zone))


def put(connection: Connection, said: Payee, now_ns: int) -> None:
    """Keep who a payee is, for its statements."""
    values = {"name": said.name, "email": said.email, "address": said.address, "changed_at": now_ns}
    there = update(payee_table).where(payee_table.c.id == said.id).values(values)
    if connection.execute(there).rowcount == 0:
        connection.execute(insert(payee_table).values(id=said.id, **values))


def _line(posted: Transaction, share: dict[str, Any]) -> StatementLine:
    said = posted.detail
    return StatementLine(
        at=iso(posted.at),
        document=said["document"],
        customer=said["customer"],
        line=share["line"],
        title=share["title"],
        percent=share["percent"],
        line_minor=share["line_minor"],
        share_minor=share["share_minor"],
        unpriced_calls=share.get("unpriced_calls", 0),
    )


def _void(posted: Transaction, payee: str) -> StatementLine:
    """Return the line of a void, which takes back the whole invoice at once."""
    number = posted.detail.get("number") or posted.reference
    customers = [leg.party for leg in posted.entries if leg.account == "revenue"]
    own = [leg for leg in posted.entries if leg.account == "partner_payable" and leg.party == payee]
    return StatementLine(
        at=iso(posted.at),
        document=number,
        customer=customers[0] if customers else "",
        line="",
        title=f"Void of {number}",
        percent="",
        line_minor=0,
        share_minor=-sum(leg.amount_minor for leg in own),
    )


def _statement(
    payee: Payee, currency: str, from_ns: int, until_ns: int, opening: int, lines: list[StatementLine]
) -> Statement:
    total = sum(each.share_minor for each in lines)
    return Statement(
        payee=payee,
        currency=currency,
        exponent=exponent_of(currency),
        from_ns=from_ns,
        until_ns=until_ns,
        opening_minor=opening,
        lines=tuple(lines),
        total_minor=total,
        closing_minor=opening + total,
    )
