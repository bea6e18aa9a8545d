"""What final invoices hold fast: a customer's currency and zone, and the days that were billed.

An invoice is never made again by other terms. What would move the periods of final invoices, or add to them
or take from them unseen, is refused with what can be done in its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, func, select

from farebox.charges.plan import Customer, Subscription
from farebox.charges.plan_reader.written_values import day_start_ns
from farebox.control.schema import add_on, coupon, invoice, invoice_void, journal_entry, wallet


class BilledTime(msgspec.Struct, frozen=True, kw_only=True):
    """How far customers have been billed, and who has money in a currency."""

    until_ns: dict[str, int] = {}
    """By customer: the end of the last period that has a final invoice."""
    with_money: frozenset[str] = frozenset()
    """Customers with an invoice, a wallet, a coupon or an add-on: all of them amounts in their currency."""

    in_wallet: frozenset[str] = frozenset()
    """Customers whose wallet is not at zero."""
    early_ns: dict[str, int] = {}
    """By customer: the end of the last threshold invoice, which its period takes off by where that begins."""

    @classmethod
    def of(cls, connection: Connection) -> BilledTime:
        asked = (
            select(invoice.c.customer, invoice.c.kind, func.max(invoice.c.until_ns).label("ends"))
            .select_from(invoice.join(invoice_void, invoice.c.id == invoice_void.c.invoice, isouter=True))
            .where(invoice_void.c.invoice.is_(None))
            .group_by(invoice.c.customer, invoice.c.kind)
        )
        ends = {(row.kind, row.customer): row.ends for row in connection.execute(asked)}
        having: set[str] = set()
        for table in (invoice, wallet, coupon, add_on):
            having |= set(connection.execute(select(table.c.customer).distinct()).scalars())
        not_zero = (
            select(journal_entry.c.party)
            .where(journal_entry.c.account == "wallet_liability")
            .group_by(journal_entry.c.party)
            .having(func.sum(journal_entry.c.amount_minor) != 0)
        )
        in_wallet = frozenset(connection.execute(not_zero).scalars())
        return cls(
            until_ns={name: at_ns for (kind, name), at_ns in ends.items() if kind == "period"},
            with_money=frozenset(having),
            in_wallet=in_wallet,
            early_ns={name: at_ns for (kind, name), at_ns in ends.items() if kind == "progressive"},
        )

    def wrong_customer(self, before: Customer, after: Customer) -> Iterable[tuple[str, str]]:
        """Yield what was found and what is expected, for each change that invoices do not allow."""
        if before.currency != after.currency and before.id in self.with_money:
            yield (
                f"currency {after.currency}",
                f"{before.currency}, which invoices, wallet, coupons or add-ons of {before.id} are in; "
                "another currency is another customer",
            )
        is_billed = before.id in self.until_ns or before.id in self.early_ns
        if before.timezone != after.timezone and is_billed:
            yield (
                f"timezone {after.timezone}",
                f"{before.timezone}, whose days {before.id} has been billed by; another zone is another "
                "customer",
            )

    def wrong_subscription(
        self, customer: Customer, before: Subscription | None, after: Subscription
    ) -> Iterable[tuple[str, str]]:
        """Yield what was found and what is expected, for each change of a time that has been billed."""
        billed = self.until_ns.get(customer.id)
        start_ns = day_start_ns(after.start, customer.timezone)
        same = before if before is not None and before.start == after.start else None
        if same is not None and start_ns < max(billed or start_ns, self.early_ns.get(customer.id, start_ns)):
            anchor = same.anchor or same.start
            if anchor != (after.anchor or after.start):
                yield (
                    f"anchor {after.anchor}",
                    f"{anchor}, by which it has been billed; end it and start another one",
                )
        if billed is None:
            return
        first = _day_from(customer, billed)
        if same is None:
            start = after.start if before is None else min(before.start, after.start)
            if day_start_ns(start, customer.timezone) < billed:
                yield f"start {after.start}", f"{first} or later: what is before has a final invoice"
            return
        if same.until != after.until:
            changed = min(each for each in (same.until, after.until) if each is not None)
            if day_start_ns(changed, customer.timezone) < billed:
                yield f"until {after.until}", f"{first} or later: what is before has a final invoice"

    def is_open(self, customer: Customer, said: Subscription, now_ns: int) -> bool:
        """Tell whether there is time of a subscription that no final invoice has billed yet."""
        start = day_start_ns(said.start, customer.timezone)
        end = now_ns if said.until is None else day_start_ns(said.until, customer.timezone)
        return max(start, self.until_ns.get(customer.id, start)) < min(end, now_ns)


class _Line(msgspec.Struct):
    kind: str
    amount_minor: int
    of_invoice: str = ""


class _Document(msgspec.Struct):
    """What of an invoice says what it carries."""

    lines: tuple[_Line, ...] = ()


def with_amounts_carried(connection: Connection, customers: Iterable[str]) -> list[str]:
    """Return those of some customers who have an amount that no invoice has taken from an earlier one yet."""
    found: list[str] = []
    for name in customers:
        asked = (
            select(invoice.c.id, invoice.c.document)
            .select_from(invoice.join(invoice_void, invoice.c.id == invoice_void.c.invoice, isouter=True))
            .where(invoice_void.c.invoice.is_(None), invoice.c.customer == name)
        )
        carried: set[str] = set()
        taken: set[str] = set()
        for row in connection.execute(asked):
            for line in msgspec.json.decode(row.document, type=_Document).lines:
                if line.kind == "carried" and line.of_invoice:
                    taken.add(line.of_invoice)
                elif line.kind == "carried":
                    carried.add(row.id)
        if carried - taken:
            found.append(name)
    return found


def _day_from(customer: Customer, moment_ns: int) -> date:
    """Return the first day of the customer's that begins at a moment or after it."""
    day = datetime.fromtimestamp(moment_ns // 10**9, UTC).astimezone(ZoneInfo(customer.timezone)).date()
    return day if day_start_ns(day, customer.timezone) >= moment_ns else day + timedelta(days=1)
