"""A checksum over names, tokens, budgets and stops: SQLite notices a damaged page, not a changed value in it.

Renewed by `farebox.control.publish.change`, compared at each opening and each time they are published.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec
from sqlalchemy import Connection, insert, select, update

from farebox.control.schema import budget, key_label, seal, stop, token

_SEALED = (key_label, token, budget, stop)
_LEFT_OUT = ("last_used_at",)
"""Written at any time, by whoever lets a token in."""


def renew(connection: Connection) -> None:
    """Seal what the tables hold now, as part of the transaction that changed them."""
    digest = _digest(connection)
    there = update(seal).where(seal.c.name == "published").values(sha256=digest)
    if connection.execute(there).rowcount == 0:
        connection.execute(insert(seal).values(name="published", sha256=digest))


def holds(connection: Connection) -> bool:
    """Return whether the tables are as they were sealed."""
    return connection.execute(select(seal.c.sha256)).scalar() == _digest(connection)


def _digest(connection: Connection) -> str:
    digest = sha256()
    for table in _SEALED:
        columns = [each for each in table.columns if each.name not in _LEFT_OUT]
        rows = connection.execute(select(*columns).order_by(*table.primary_key.columns))
        digest.update(msgspec.json.encode([tuple(row) for row in rows]))
    return digest.hexdigest()
