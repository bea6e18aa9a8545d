"""How far the record is that an invoice is a question of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from farebox.home import Home


class RecordPosition(msgspec.Struct, frozen=True, kw_only=True):
    """One state of the record, from one snapshot of its file."""

    seq: int = 0
    """The newest call's row."""
    outcome: int = 0
    """The newest outcome's row."""
    head_hash: str = ""
    """Of the chain at `seq`, hexadecimal."""
    home_id: str = ""
    """Which record it is: the beginning of its first block's hash."""


def record_position(home: Home) -> RecordPosition:
    """Return how far the record is now; all zero where there is none.

    Raises:
        LedgerError: It cannot be read.
    """
    import apsw

    from farebox.ledger.database import ledger_error, open_reader

    connection = open_reader(home)
    if connection is None:
        return RecordPosition()
    try:
        with connection:
            first = connection.execute("SELECT hash FROM block ORDER BY first_seq LIMIT 1").fetchone()
            last = connection.execute(
                "SELECT last_seq, hash FROM block ORDER BY first_seq DESC LIMIT 1"
            ).fetchone()
            (outcome,) = connection.execute("SELECT coalesce(max(id), 0) FROM outcome").fetchone()
    except apsw.Error as error:
        raise ledger_error(home, error) from error
    finally:
        connection.close()
    if first is None:
        return RecordPosition(outcome=outcome)
    return RecordPosition(
        seq=last[0],
        outcome=outcome,
        head_hash=bytes(last[1]).hex(),
        home_id=bytes(first[0]).hex()[:32],
    )
