"""A checksum over what decides: SQLite notices a damaged page, not a changed value in it.

Renewed by `farebox.control.publish.change`, compared at each opening and each time it is published. Of the
journal of money, which is chained, the last transaction's hash is sealed: so its end cannot be cut off.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

import msgspec
from sqlalchemy import Connection, TextClause, insert, select, text, update

from farebox.control.schema import (
    add_on,
    budget,
    coupon,
    credit_note,
    customer,
    identity,
    invoice,
    invoice_use,
    invoice_void,
    journal_transaction,
    key_label,
    number_series,
    payee,
    plan_version,
    seal,
    stop,
    subscription,
    token,
    wallet,
)

_SEALED = (
    *(key_label, token, budget, stop, customer, plan_version, subscription, identity),
    *(wallet, payee, coupon, add_on, invoice_use),
    *(number_series, invoice, invoice_void, credit_note),
)
_LEFT_OUT = ("last_used_at", "low_since", "document", "terms")
"""Written at any time: by whoever lets a token in, by whoever pays from a wallet. Documents have checksums
of their own, which are sealed, and hold those of the terms."""

_PUBLISHED, _JOURNAL = "published", "journal"


def renew(connection: Connection) -> None:
    """Seal what the tables hold now, as part of the transaction that changed them."""
    _put(connection, _PUBLISHED, _digest(connection))
    head = _journal_head(connection)
    if head is not None:
        _put(connection, _JOURNAL, head)


def seal_journal(connection: Connection, head: str) -> None:
    """Seal the hash of the transaction that was posted last, with the posting itself."""
    _put(connection, _JOURNAL, head)


def holds(connection: Connection) -> bool:
    """Return whether the tables are as they were sealed."""
    sealed = {row.name: row.sha256 for row in connection.execute(select(seal))}
    return sealed.get(_PUBLISHED) == _digest(connection) and journal_holds(connection)


def journal_holds(connection: Connection) -> bool:
    """Return whether the journal ends where it was sealed."""
    sealed = connection.execute(select(seal.c.sha256).where(seal.c.name == _JOURNAL)).scalar()
    return sealed == _journal_head(connection)


def _put(connection: Connection, name: str, digest: str) -> None:
    there = update(seal).where(seal.c.name == name).values(sha256=digest)
    if connection.execute(there).rowcount == 0:
        connection.execute(insert(seal).values(name=name, sha256=digest))


def _journal_head(connection: Connection) -> str | None:
    newest = select(journal_transaction.c.hash).order_by(journal_transaction.c.number.desc())
    return connection.execute(newest.limit(1)).scalar()


def _digest(connection: Connection) -> str:
    digest = sha256()
    for statement in _statements():
        rows = connection.execute(statement)
        digest.update(msgspec.json.encode([tuple(row) for row in rows]))
    return digest.hexdigest()


@lru_cache
def _statements() -> tuple[TextClause, ...]:
    """Return what reads each table, as text: each opening and each change asks all of them."""
    found: list[TextClause] = []
    for table in _SEALED:
        columns = [each for each in table.columns if each.name not in _LEFT_OUT]
        found.append(text(str(select(*columns).order_by(*table.primary_key.columns))))
    return tuple(found)
