"""Customers, and the keys, users, agents and tags that stand for them: of commands and of the home's file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from farebox.charges.identities import Identity
from farebox.charges.plan import Customer, canonical_json
from farebox.control.schema import customer as customer_table
from farebox.control.schema import identity as identity_table


class KeptCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """A customer, and who said so."""

    customer: Customer
    origin: str
    changed_at: int
    added_at: int
    """When it was set first, or again after it was removed."""


class KeptIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Something that stands for a customer, and who said so."""

    identity: Identity
    origin: str


def customers(connection: Connection, *, removed: bool = False) -> dict[str, KeptCustomer]:
    """Return every customer that is not removed, or those that are, by name."""
    gone = customer_table.c.removed_at
    rows = connection.execute(
        select(customer_table)
        .where(gone.is_not(None) if removed else gone.is_(None))
        .order_by(customer_table.c.id)
    )
    return {
        row.id: KeptCustomer(
            customer=msgspec.json.decode(row.definition, type=Customer),
            origin=row.origin,
            changed_at=row.changed_at,
            added_at=row.changed_at if row.added_at is None else row.added_at,
        )
        for row in rows
    }


def put(connection: Connection, said: Customer, origin: str, now_ns: int) -> None:
    """Set a customer; a removed one is back."""
    values = {
        "definition": canonical_json(said).decode(),
        "origin": origin,
        "changed_at": now_ns,
        "removed_at": None,
    }
    its = customer_table.c.id == said.id
    back = its & customer_table.c.removed_at.is_not(None)
    connection.execute(update(customer_table).where(back).values(added_at=now_ns))
    if connection.execute(update(customer_table).where(its).values(values)).rowcount == 0:
        connection.execute(insert(customer_table).values(id=said.id, added_at=now_ns, **values))


def remove(connection: Connection, name: str, now_ns: int) -> bool:
    """Mark a customer as removed; return whether it was there. What it was billed for stays."""
    there = (customer_table.c.id == name) & customer_table.c.removed_at.is_(None)
    return connection.execute(update(customer_table).where(there).values(removed_at=now_ns)).rowcount > 0


def identities(connection: Connection, customer: str | None = None) -> list[KeptIdentity]:
    """Return everything that stands for a customer, or for any, in the order of names and time."""
    table = identity_table
    asked = select(table).order_by(table.c.dimension, table.c.value, table.c.from_ns)
    if customer is not None:
        asked = asked.where(table.c.customer == customer)
    return [
        KeptIdentity(
            identity=Identity(
                customer=row.customer,
                dimension=row.dimension,
                value=row.value,
                from_ns=row.from_ns,
                until_ns=row.until_ns,
            ),
            origin=row.origin,
        )
        for row in connection.execute(asked)
    ]


def put_identity(connection: Connection, said: Identity, origin: str, now_ns: int) -> None:
    """Set what a name stands for from a moment on."""
    table = identity_table
    values = {"until_ns": said.until_ns, "customer": said.customer, "origin": origin, "changed_at": now_ns}
    there = (
        (table.c.dimension == said.dimension)
        & (table.c.value == said.value)
        & (table.c.from_ns == said.from_ns)
    )
    if connection.execute(update(table).where(there).values(values)).rowcount == 0:
        connection.execute(
            insert(table).values(dimension=said.dimension, value=said.value, from_ns=said.from_ns, **values)
        )


def remove_identity(connection: Connection, said: Identity) -> None:
    table = identity_table
    connection.execute(
        delete(table).where(
            (table.c.dimension == said.dimension)
            & (table.c.value == said.value)
            & (table.c.from_ns == said.from_ns)
        )
    )


def map_identity(
    connection: Connection, said: Identity, kept: Iterable[KeptIdentity], origin: str, now_ns: int
) -> None:
    """Set a name's customer for a time: what it stood for then ends where this begins, or begins after it.

    `kept` is what there is of it.
    """
    for each in kept:
        old = each.identity
        if old.from_ns >= said.until_ns or said.from_ns >= old.until_ns:
            continue
        remove_identity(connection, old)
        if old.from_ns < said.from_ns:
            put_identity(connection, msgspec.structs.replace(old, until_ns=said.from_ns), each.origin, now_ns)
        if old.until_ns > said.until_ns:
            put_identity(connection, msgspec.structs.replace(old, from_ns=said.until_ns), each.origin, now_ns)
    put_identity(connection, said, origin, now_ns)


def plain_customers(kept: Mapping[str, KeptCustomer]) -> dict[str, Customer]:
    return {name: each.customer for name, each in kept.items()}
