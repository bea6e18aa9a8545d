"""Take erased values out of what is declared no longer: revoked tokens, removed customers."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, delete, exists, or_, select, update

from farebox.control.audit.mentions import Personal
from farebox.control.schema import (
    add_on,
    coupon,
    credit_note,
    customer,
    identity,
    invoice,
    journal_entry,
    subscription,
    token,
    wallet,
)


def forget_revoked_tokens(connection: Connection, personal: Personal) -> None:
    """Forget whose calls a revoked token made, where it names a value."""
    for row in connection.execute(select(token).where(token.c.revoked_at.is_not(None))).all():
        if personal.is_in(msgspec.json.decode(row.binding)):
            connection.execute(update(token).where(token.c.id == row.id).values(binding="{}"))


def forget_removed_customer(connection: Connection, name: str) -> None:
    """Remove what was declared of a customer that was removed and that no book has."""
    is_removed = exists().where(customer.c.id == name, customer.c.removed_at.is_not(None))
    in_books = or_(
        exists().where(invoice.c.customer == name),
        exists().where(credit_note.c.customer == name),
        exists().where(journal_entry.c.party == name),
    )
    if not connection.execute(select(is_removed & ~in_books)).scalar():
        return
    for table in (identity, subscription, coupon, add_on, wallet):
        connection.execute(delete(table).where(table.c.customer == name))
    connection.execute(delete(customer).where(customer.c.id == name))
