"""What is in a wallet: the sum of its transactions, whole and by grant."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from farebox.billing.wallets.grant import Grant, Standing, in_burn_order
from farebox.control.id_beginnings import begins_with
from farebox.control.schema import journal_entry as entry
from farebox.control.schema import wallet, wallet_grant
from farebox.errors import UsageError


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's wallet at a moment, in minor units of its currency."""

    customer: str
    currency: str
    balance_minor: int
    """The sum of all its transactions; below zero only with an overdraft."""
    usable_minor: int
    """What is in force now, less what is overdrawn."""
    overdrawn_minor: int
    overdraft_minor: int
    """How far below zero it may go."""
    low_minor: int | None
    top_up_minor: int | None
    low_since: int | None
    grants: tuple[Standing, ...]
    """In the order in which they are used."""


def balance(connection: Connection, customer: str, at_ns: int) -> Balance | None:
    """Return a customer's wallet, None where there is none yet."""
    row = connection.execute(select(wallet).where(wallet.c.customer == customer)).first()
    return None if row is None else _balance(connection, row, at_ns)


def balances(connection: Connection, at_ns: int) -> list[Balance]:
    """Return every wallet, by customer."""
    rows = connection.execute(select(wallet).order_by(wallet.c.customer)).all()
    return [_balance(connection, row, at_ns) for row in rows]


def standings(connection: Connection, customer: str) -> list[Standing]:
    """Return a customer's grants in the order in which they are used."""
    rows = connection.execute(select(wallet_grant).where(wallet_grant.c.customer == customer)).all()
    left, expired = _sums(connection, customer)
    return in_burn_order(
        [
            Standing(grant=grant_of(row), left_minor=left[row.id], expired_minor=expired[row.id])
            for row in rows
        ]
    )


def grant(connection: Connection, prefix: str) -> Grant:
    """Return the grant whose id begins with `prefix`.

    Raises:
        UsageError: None does, or several do.
    """
    begins = begins_with(wallet_grant.c.id, prefix)
    rows = connection.execute(select(wallet_grant).where(begins).limit(2)).all()
    if len(rows) != 1:
        raise UsageError(f"{'several grants have' if rows else 'no grant has'} an id with {prefix!r}")
    return grant_of(rows[0])


def currency_of(connection: Connection, customer: str) -> str:
    """Return the currency of a wallet that there is, and lock it where the database locks rows."""
    locked = select(wallet.c.currency).where(wallet.c.customer == customer).with_for_update()
    return connection.execute(locked).scalar_one()


def overdrawn(connection: Connection, customer: str) -> int:
    """Return how far a wallet is below zero."""
    asked = select(func.sum(entry.c.amount_minor)).where(
        entry.c.party == customer, entry.c.account == "wallet_liability", entry.c.wallet_grant == ""
    )
    return int(connection.execute(asked).scalar() or 0)


def grant_of(row: Any) -> Grant:
    """Return a row of `wallet_grant` as what it is."""
    return Grant(
        id=row.id,
        customer=row.customer,
        kind=row.kind,
        amount_minor=row.amount_minor,
        priority=row.priority,
        effective_at=row.effective_at,
        expires_at=row.expires_at,
        charges=msgspec.json.decode(row.charges, type=tuple[str, ...]),
        meters=msgspec.json.decode(row.meters, type=tuple[str, ...]),
        note=row.note,
        created_at=row.created_at,
    )


def _balance(connection: Connection, row: Any, at_ns: int) -> Balance:
    found = standings(connection, row.customer)
    below = overdrawn(connection, row.customer)
    usable = sum(each.left_minor for each in found if each.grant.is_in_force(at_ns))
    return Balance(
        customer=row.customer,
        currency=row.currency,
        balance_minor=sum(each.left_minor for each in found) - below,
        usable_minor=usable - below,
        overdrawn_minor=below,
        overdraft_minor=row.overdraft_minor,
        low_minor=row.low_minor,
        top_up_minor=row.top_up_minor,
        low_since=row.low_since,
        grants=tuple(found),
    )


def _sums(connection: Connection, customer: str) -> tuple[dict[str, int], dict[str, int]]:
    """Return what is left and what expired of each grant: its entries of the customer, and of nobody."""
    of_customer = select(wallet_grant.c.id).where(wallet_grant.c.customer == customer)
    asked = (
        select(entry.c.wallet_grant, entry.c.party, func.sum(entry.c.amount_minor).label("total"))
        .where(entry.c.wallet_grant.in_(of_customer))
        .group_by(entry.c.wallet_grant, entry.c.party)
    )
    left, expired = defaultdict[str, int](int), defaultdict[str, int](int)
    for row in connection.execute(asked):
        (left if row.party else expired)[row.wallet_grant] -= int(row.total)
    return left, expired
