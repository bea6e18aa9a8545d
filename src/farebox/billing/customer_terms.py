"""Coupons and add-ons of one customer, beside what its plan says: read when an invoice is rated.

A coupon is a `Discount` as plans have it, with dates and a number of invoices that it is good for; an add-on
is a charge without usage, once on a date or every period. Neither is changed: it ends, another one begins.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, delete, insert, select, update

from farebox.charges.plan import AddOn, Discount, canonical_json
from farebox.clock import uuid7, uuid_text
from farebox.control.schema import add_on as add_on_table
from farebox.control.schema import coupon as coupon_table
from farebox.control.schema import invoice_use
from farebox.errors import UsageError

NAME_MAX = 200


class Coupon(msgspec.Struct, frozen=True, kw_only=True):
    """A discount for one customer."""

    id: str
    customer: str
    discount: Discount
    """`invoices` is how many invoices it is good for in all."""
    used_on: tuple[str, ...] = ()
    """The ids of the invoices that it is on by now."""
    created_at: int
    ended_at: int | None = None

    @property
    def uses(self) -> int:
        """On how many invoices it is by now."""
        return len(self.used_on)

    @property
    def when_billed(self) -> Coupon:
        """The coupon as it was before it was on any invoice, or ended."""
        return msgspec.structs.replace(self, used_on=(), ended_at=None)

    def is_in_force(self, first_day: date) -> bool:
        """Return whether it takes something off a period that begins on this day of the customer's."""
        said = self.discount
        begun = said.start is None or said.start <= first_day
        over = said.until is not None and first_day >= said.until
        used_up = said.invoices is not None and self.uses >= said.invoices
        return self.ended_at is None and begun and not over and not used_up


class CustomerAddOn(msgspec.Struct, frozen=True, kw_only=True):
    """A charge without usage for one customer."""

    id: str
    customer: str
    add_on: AddOn
    invoices_max: int | None
    """On how many invoices it is in all; None for every one."""
    used_on: tuple[str, ...] = ()
    """The ids of the invoices that it is on by now."""
    created_at: int
    ended_at: int | None = None

    @property
    def uses(self) -> int:
        """On how many invoices it is by now."""
        return len(self.used_on)

    @property
    def when_billed(self) -> CustomerAddOn:
        """The add-on as it was before it was on any invoice, or ended."""
        return msgspec.structs.replace(self, used_on=(), ended_at=None)

    def is_due(self, until: date) -> bool:
        """Return whether it belongs on the invoice of a period that ends before this day of the customer's.

        One whose date was in an earlier period, and that no invoice has had, is due as well.
        """
        begun = self.add_on.on is None or self.add_on.on < until
        used_up = self.invoices_max is not None and self.uses >= self.invoices_max
        return self.ended_at is None and begun and not used_up


def give_coupon(connection: Connection, customer: str, said: Discount, now_ns: int) -> Coupon:
    """Give a customer a discount.

    Raises:
        UsageError: Its amount, dates or number of invoices make no sense.
    """
    made = new_coupon(customer, said, now_ns)
    _insert(connection, coupon_table, made.id, customer, said, now_ns)
    return made


def new_coupon(customer: str, said: Discount, now_ns: int) -> Coupon:
    """Return a coupon that nobody has yet.

    Raises:
        UsageError: Its amount, dates or number of invoices make no sense.
    """
    _check_name(said.name)
    if said.value <= 0 or (said.kind == "percentage" and said.value > 100):
        raise UsageError("a discount is above zero, and at most 100 percent")
    if said.invoices is not None and said.invoices < 1:
        raise UsageError("a coupon is good for at least one invoice")
    if said.start is not None and said.until is not None and said.until <= said.start:
        raise UsageError("a coupon ends after it begins")
    return Coupon(id=uuid_text(uuid7(now_ns)), customer=customer, discount=said, created_at=now_ns)


def give_add_on(
    connection: Connection, customer: str, said: AddOn, now_ns: int, *, invoices_max: int | None = 1
) -> CustomerAddOn:
    """Charge a customer for something without usage: on one invoice, on some, or on each.

    Raises:
        UsageError: Its amount, quantity or number of invoices make no sense.
    """
    made = new_add_on(customer, said, now_ns, invoices_max=invoices_max)
    _insert(connection, add_on_table, made.id, customer, said, now_ns, invoices_max=invoices_max)
    return made


def new_add_on(customer: str, said: AddOn, now_ns: int, *, invoices_max: int | None) -> CustomerAddOn:
    """Return an add-on that nobody has yet.

    Raises:
        UsageError: Its amount, quantity or number of invoices make no sense.
    """
    _check_name(said.name)
    if said.amount < 0 or said.quantity <= 0:
        raise UsageError("an add-on has an amount of zero or more, and a quantity above zero")
    if invoices_max is not None and invoices_max < 1:
        raise UsageError("an add-on is on at least one invoice")
    id = uuid_text(uuid7(now_ns))
    return CustomerAddOn(id=id, customer=customer, add_on=said, invoices_max=invoices_max, created_at=now_ns)


def coupons(connection: Connection, customer: str | None = None) -> list[Coupon]:
    """Return the coupons of one customer or of all, in the order in which they were given."""
    rows, used_on = _rows(connection, coupon_table, customer)
    return [
        Coupon(
            id=row.id,
            customer=row.customer,
            discount=msgspec.json.decode(row.definition, type=Discount),
            used_on=used_on[row.id],
            created_at=row.created_at,
            ended_at=row.ended_at,
        )
        for row in rows
    ]


def add_ons(connection: Connection, customer: str | None = None) -> list[CustomerAddOn]:
    """Return the add-ons of one customer or of all, in the order in which they were given."""
    rows, used_on = _rows(connection, add_on_table, customer)
    return [
        CustomerAddOn(
            id=row.id,
            customer=row.customer,
            add_on=msgspec.json.decode(row.definition, type=AddOn),
            invoices_max=row.invoices_max,
            used_on=used_on[row.id],
            created_at=row.created_at,
            ended_at=row.ended_at,
        )
        for row in rows
    ]


def end(
    connection: Connection, prefix: str, now_ns: int, of: type[Coupon | CustomerAddOn]
) -> Coupon | CustomerAddOn:
    """End a coupon or an add-on: invoices from now on do without it; return what it was.

    Raises:
        UsageError: None has an id that begins so, several have, or it has ended.
    """
    listed: Sequence[Coupon | CustomerAddOn] = coupons(connection) if of is Coupon else add_ons(connection)
    what = "coupon" if of is Coupon else "add-on"
    found = [each for each in listed if each.id.startswith(prefix.lower())]
    if len(found) != 1:
        raise UsageError(f"{f'several {what}s have' if found else f'no {what} has'} an id with {prefix!r}")
    if found[0].ended_at is not None:
        raise UsageError(f"{found[0].id} has ended")
    table = coupon_table if of is Coupon else add_on_table
    connection.execute(update(table).where(table.c.id == found[0].id).values(ended_at=now_ns))
    return found[0]


def mark_used(connection: Connection, invoice: str, used: Sequence[str], now_ns: int) -> None:
    """Note that coupons and add-ons are on a final invoice; noted again, it is the same use."""
    known = set(connection.scalars(select(invoice_use.c.used).where(invoice_use.c.invoice == invoice)))
    for each in dict.fromkeys(used):
        if each not in known:
            connection.execute(insert(invoice_use).values(used=each, invoice=invoice, at=now_ns))


def unmark_used(connection: Connection, invoice: str) -> None:
    """Forget the uses on an invoice that is void."""
    connection.execute(delete(invoice_use).where(invoice_use.c.invoice == invoice))


def _insert(
    connection: Connection,
    table: Table,
    id: str,
    customer: str,
    said: msgspec.Struct,
    now_ns: int,
    **more: Any,
) -> None:
    values = {"id": id, "customer": customer, "definition": canonical_json(said).decode(), **more}
    connection.execute(insert(table).values(created_at=now_ns, **values))


def _rows(
    connection: Connection, table: Table, customer: str | None
) -> tuple[Sequence[Any], Mapping[str, tuple[str, ...]]]:
    """Return rows in the order in which they were made, and the invoices that each is on."""
    asked = select(table).order_by(table.c.created_at, table.c.id)
    uses = select(invoice_use.c.used, invoice_use.c.invoice).join(table, table.c.id == invoice_use.c.used)
    if customer is not None:
        asked = asked.where(table.c.customer == customer)
        uses = uses.where(table.c.customer == customer)
    on: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for row in connection.execute(uses.order_by(invoice_use.c.at, invoice_use.c.invoice)):
        on[row.used] += (row.invoice,)
    return connection.execute(asked).all(), on


def _check_name(name: str) -> None:
    if not 0 < len(name) <= NAME_MAX:
        raise UsageError(f"a name has 1 to {NAME_MAX} characters")
