"""Who is on which version of which plan, from which day until which: what invoices and meters ask for.

for each in subscribed(connection, since_ns, until_ns):
    each.customer, each.terms, each.from_ns, each.until_ns
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from farebox.charges.identities import NEVER
from farebox.charges.plan import Customer, Plan, Subscription, canonical_json, effective_plan
from farebox.charges.plan_reader.written_values import day_start_ns
from farebox.control import plans
from farebox.control.schema import customer as customer_table
from farebox.control.schema import subscription as subscription_table


class KeptSubscription(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription, and who said so."""

    subscription: Subscription
    origin: str
    created_at: int

    @property
    def key(self) -> str:
        """What the home's file knows it by: `acme/pro/2026-11-01`."""
        said = self.subscription
        return f"{said.customer}/{said.plan}/{said.start}"


class Subscribed(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's subscription with its plan, and the time it is for."""

    customer: Customer
    subscription: Subscription
    plan: Plan
    """The pinned version, as it was stored."""
    from_ns: int
    until_ns: int
    """Half-open, from midnight to midnight of the customer's zone; without an end `NEVER`."""

    @property
    def terms(self) -> Plan:
        """The plan with this subscription's own terms in it: what is charged."""
        return effective_plan(self.plan, self.subscription.overrides)


def subscribed(
    connection: Connection,
    since_ns: int,
    until_ns: int,
    customers: Collection[str] | None = None,
) -> list[Subscribed]:
    """Return the subscriptions in force at any moment of a time, with their customers and pinned versions.

    In the order of customers and starts. Customers that were removed since are there for as long as they were
    subscribed.
    """
    known = {
        row.id: msgspec.json.decode(row.definition, type=Customer)
        for row in connection.execute(select(customer_table))
    }
    pinned = {each.key: each.plan for each in plans.versions(connection)}
    found: list[Subscribed] = []
    for each in subscriptions(connection):
        said = each.subscription
        customer = known[said.customer]
        if customers is not None and customer.id not in customers:
            continue
        start = day_start_ns(said.start, customer.timezone)
        end = NEVER if said.until is None else day_start_ns(said.until, customer.timezone)
        if start < until_ns and since_ns < end:
            found.append(
                Subscribed(
                    customer=customer,
                    subscription=said,
                    plan=pinned[said.plan, said.version],
                    from_ns=start,
                    until_ns=end,
                )
            )
    return found


def subscriptions(connection: Connection, customer: str | None = None) -> list[KeptSubscription]:
    """Return a customer's subscriptions, or all, ended ones too, in the order of customers and starts."""
    asked = select(subscription_table).where(subscription_table.c.removed_at.is_(None))
    if customer is not None:
        asked = asked.where(subscription_table.c.customer == customer)
    found = [_kept(row) for row in connection.execute(asked)]
    found.sort(key=lambda each: (each.subscription.customer, each.subscription.start, each.subscription.id))
    return found


def put(connection: Connection, said: Subscription, origin: str, now_ns: int) -> None:
    """Set a subscription by its id; its version is frozen from now on."""
    values: dict[str, Any] = {
        "customer": said.customer,
        "plan": said.plan,
        "version": said.version,
        "definition": canonical_json(said).decode(),
        "origin": origin,
        "changed_at": now_ns,
        "removed_at": None,
    }
    plans.mark_used(connection, (said.plan, said.version), now_ns)
    there = update(subscription_table).where(subscription_table.c.id == said.id).values(values)
    if connection.execute(there).rowcount == 0:
        connection.execute(insert(subscription_table).values(id=said.id, created_at=now_ns, **values))


def remove(connection: Connection, id: str, now_ns: int) -> None:
    """Mark a subscription as if it had never been: for one that the home's file no longer says."""
    there = subscription_table.c.id == id
    connection.execute(update(subscription_table).where(there).values(removed_at=now_ns))


def removed(connection: Connection) -> dict[str, KeptSubscription]:
    """Return what was removed, by key: of those written again, the id and the pinned version are the same."""
    rows = connection.execute(
        select(subscription_table)
        .where(subscription_table.c.removed_at.is_not(None))
        .order_by(subscription_table.c.changed_at)
    )
    kept = [_kept(row) for row in rows]
    return {each.key: each for each in kept}


def _kept(row: Any) -> KeptSubscription:
    return KeptSubscription(
        subscription=msgspec.json.decode(row.definition, type=Subscription),
        origin=row.origin,
        created_at=row.created_at,
    )
