"""Post a transaction: balanced, once for each key, chained, in the database transaction of its cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from farebox.billing.journal.chain import FIRST, hash_of
from farebox.billing.journal.entries import Entry, Transaction, checked
from farebox.billing.journal.transactions import by_key
from farebox.control.schema import journal_entry, journal_transaction
from farebox.control.seal import seal_journal
from farebox.errors import BookkeepingError


def post(
    connection: Connection,
    entries: Iterable[Entry],
    *,
    key: str,
    kind: str,
    reference: str,
    at_ns: int,
    actor: str,
    detail: Mapping[str, Any] | None = None,
) -> Transaction:
    """Write a transaction, or return the one that was posted under this key.

    The caller has begun a writing transaction of `control.db`, so nobody else is posting.

    Raises:
        BookkeepingError: It does not balance, or something else was posted under the key.
    """
    kept = checked(entries)
    said = msgspec.json.encode(dict(detail or {}), order="sorted").decode()
    known = by_key(connection, key)
    if known is not None:
        if (known.kind, known.reference, known.entries) != (kind, reference, kept):
            raise BookkeepingError(f"something else was posted as {key!r}")
        return known
    number, prev_hash = _next(connection)
    columns = {"key": key, "kind": kind, "reference": reference, "at": at_ns, "actor": actor, "detail": said}
    digest = hash_of(prev_hash, number=number, entries=kept, **columns)  # pyright: ignore[reportArgumentType]
    connection.execute(
        insert(journal_transaction).values(number=number, prev_hash=prev_hash, hash=digest, **columns)
    )
    connection.execute(
        insert(journal_entry),
        [
            {
                "number": number,
                "position": position,
                "account": each.account,
                "party": each.party,
                "wallet_grant": each.grant,
                "currency": each.currency,
                "amount_minor": each.amount_minor,
            }
            for position, each in enumerate(kept)
        ],
    )
    seal_journal(connection, digest)
    return Transaction(
        number=number,
        key=key,
        kind=kind,
        reference=reference,
        at=at_ns,
        actor=actor,
        detail_json=said,
        entries=kept,
        prev_hash=prev_hash,
        hash=digest,
    )


def _next(connection: Connection) -> tuple[int, str]:
    """Return the next number, and the hash before it."""
    newest = select(journal_transaction.c.number, journal_transaction.c.hash)
    row = connection.execute(newest.order_by(journal_transaction.c.number.desc()).limit(1)).first()
    return (1, FIRST) if row is None else (row.number + 1, row.hash)
