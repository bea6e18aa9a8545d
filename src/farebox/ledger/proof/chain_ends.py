"""The newest row of each chain beside the calls, written down once more: rows that are cut from the end of
a table leave a chain that is whole in itself.
"""

from __future__ import annotations

from farebox.ledger.database import Connection, schema_version
from farebox.ledger.proof.chain import GENESIS

_WRITE = "INSERT OR REPLACE INTO chain_end VALUES (?, ?, ?)"
_READ = "SELECT last_id, hash FROM chain_end WHERE chain = ?"


def write_end(connection: Connection, chain: str, last_id: int, last_hash: bytes) -> None:
    """Note the newest row of a chain, in the transaction that appended it."""
    connection.execute(_WRITE, (chain, last_id, last_hash))


def missing_rows(connection: Connection, chain: str, last_id: int, last_hash: bytes) -> str | None:
    """Return what is wrong with the end of a chain whose newest row is `last_id`; None where nothing is."""
    if schema_version(connection) < 2:
        return None  # a ledger that no writer of this version has opened yet
    noted, noted_hash = connection.execute(_READ, (chain,)).fetchone() or (0, GENESIS)
    if noted > last_id:
        return f"{chain} {last_id + 1} to {noted} are missing"
    if noted < last_id:
        return f"{chain} {noted + 1} to {last_id} were never appended"
    return None if noted_hash == last_hash else f"{chain} {last_id} is not the one that was appended last"
