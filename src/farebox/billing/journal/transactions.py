"""Read the journal: transactions with their entries, and sums of accounts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select

from farebox.billing.journal.entries import Account, Entry, Transaction
from farebox.control.schema import journal_entry as entry
from farebox.control.schema import journal_transaction as transaction

LISTED = 50


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """What an account comes to in one currency: debits above zero."""

    account: Account
    currency: str
    amount_minor: int


def by_key(connection: Connection, key: str) -> Transaction | None:
    """Return what was posted under a key, None where nothing was."""
    return next(iter(_read(connection, transaction.c.key == key)), None)


def of_reference(connection: Connection, *references: str) -> list[Transaction]:
    """Return everything that was posted about an invoice, a credit note or a grant, in order."""
    return list(_read(connection, transaction.c.reference.in_(references)))


def of_party(connection: Connection, party: str, kind: str) -> list[Transaction]:
    """Return the transactions of a kind that have an entry of a party, in order."""
    legs = select(entry.c.number).where(entry.c.party == party)
    return list(_read(connection, transaction.c.kind == kind, transaction.c.number.in_(legs)))


def posted(
    connection: Connection, from_ns: int | None, until_ns: int | None, *, party: str | None = None
) -> Iterator[Transaction]:
    """Yield what was posted in a half-open span, in order; with an entry of a party, whole."""
    which: list[ColumnElement[bool]] = []
    if from_ns is not None:
        which.append(transaction.c.at >= from_ns)
    if until_ns is not None:
        which.append(transaction.c.at < until_ns)
    if party is not None:
        which.append(transaction.c.number.in_(select(entry.c.number).where(entry.c.party == party)))
    yield from _read(connection, *which)


def all_transactions(connection: Connection) -> Iterator[Transaction]:
    """Yield the whole journal in order."""
    yield from _read(connection)


def newest(
    connection: Connection,
    *,
    party: str | None = None,
    accounts: Sequence[Account] = (),
    kind: str | None = None,
    limit: int = LISTED,
    before: int | None = None,
) -> list[Transaction]:
    """Return the newest transactions first: with an entry of a party on one of these accounts, of a kind,
    with a lower number than this one.
    """
    chosen = select(transaction.c.number)
    if before is not None:
        chosen = chosen.where(transaction.c.number < before)
    if kind is not None:
        chosen = chosen.where(transaction.c.kind == kind)
    legs = select(entry.c.number)
    if party is not None:
        legs = legs.where(entry.c.party == party)
    if accounts:
        legs = legs.where(entry.c.account.in_(accounts))
    if party is not None or accounts:
        chosen = chosen.where(transaction.c.number.in_(legs))
    numbers: Sequence[int] = connection.scalars(
        chosen.order_by(transaction.c.number.desc()).limit(limit)
    ).all()
    return list(_read(connection, transaction.c.number.in_(numbers)))[::-1]


def between(
    connection: Connection, account: Account, party: str, from_ns: int, until_ns: int
) -> list[Transaction]:
    """Return the transactions with an entry of a party on an account, in a half-open span, in order."""
    legs = select(entry.c.number).where(entry.c.account == account, entry.c.party == party)
    return list(
        _read(
            connection,
            transaction.c.number.in_(legs),
            transaction.c.at >= from_ns,
            transaction.c.at < until_ns,
        )
    )


def balances(connection: Connection, *, party: str | None = None) -> list[Balance]:
    """Return what each account comes to, in all or for one party."""
    asked = select(entry.c.account, entry.c.currency, func.sum(entry.c.amount_minor).label("total"))
    if party is not None:
        asked = asked.where(entry.c.party == party)
    rows = connection.execute(asked.group_by(entry.c.account, entry.c.currency))
    return [
        Balance(account=row.account, currency=row.currency, amount_minor=int(row.total))
        for row in sorted(rows, key=lambda row: (row.currency, row.account))
    ]


def _read(connection: Connection, *which: ColumnElement[bool]) -> Iterator[Transaction]:
    asked = select(transaction, entry).join(entry, entry.c.number == transaction.c.number).where(*which)
    # Both tables have a `number`: the transaction's columns come first.
    columns = [transaction, *(each for each in entry.columns if each.name not in ("number", "position"))]
    rows = connection.execute(
        asked.with_only_columns(*columns).order_by(transaction.c.number, entry.c.position)
    )
    for _, legs in groupby(rows, key=lambda row: row.number):
        yield _transaction(list(legs))


def _transaction(rows: list[Any]) -> Transaction:
    head = rows[0]
    return Transaction(
        number=head.number,
        key=head.key,
        kind=head.kind,
        reference=head.reference,
        at=head.at,
        actor=head.actor,
        detail_json=head.detail,
        prev_hash=head.prev_hash,
        hash=head.hash,
        entries=tuple(
            Entry(
                account=row.account,
                amount_minor=row.amount_minor,
                currency=row.currency,
                party=row.party,
                grant=row.wallet_grant,
            )
            for row in rows
        ),
    )
