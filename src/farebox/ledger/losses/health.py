"""How far the ledger is behind the journals, and which records are lost."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from farebox.home import Home
from farebox.ingest.spool import waiting_bytes
from farebox.journal.folders import Position, pending_bytes
from farebox.journal.segments import is_alive, is_held
from farebox.ledger.database import Connection

_MARKS = (
    "SELECT iif(kind = 'lost' AND detail ->> '$.source' IS NOT NULL, 'refused', kind) AS what, count(*), "
    "sum(coalesce(json_extract(detail, '$.records'), 0)), "
    "sum(coalesce(json_extract(detail, '$.exchanges'), 0)) FROM mark GROUP BY what"
)
"""A loss that a sender reported names its source; a writer of this machine's does not."""


class LedgerHealth(msgspec.Struct, kw_only=True):
    """The ledger's condition at one moment."""

    running: bool = False
    """A process holds the ledger's lock."""
    last_seq: int = 0
    last_recorded_at_ns: int | None = None
    journal_bytes_pending: int = 0
    """Stored by writers, or in the spool, and not applied yet; 0 exactly when there is nothing."""
    writers: int = 0
    unreadable_writers: int = 0
    """Writers whose journal cannot be read now: it is kept, and what it holds is not in the sums yet."""
    in_flight: int = 0
    """Exchanges that have begun and not ended."""
    gaps: int = 0
    """Damaged places in journals, each with its byte range among the marks."""
    gap_records: int = 0
    torn_tails: int = 0
    """Writers that died in the middle of a record; no call that ended for its client is missing."""
    lost_records: int = 0
    lost_exchanges: int = 0
    """Records a writer could not keep, and how many of them were the end of an exchange."""
    refused_records: int = 0
    refused_exchanges: int = 0
    """How many of those the full spool of a remote sender refused."""
    undecodable: int = 0

    @property
    def complete(self) -> bool:
        """Nothing is known to be missing."""
        return not (self.gaps or self.lost_records or self.undecodable)


class Known(NamedTuple):
    """What the ledger's file says."""

    health: LedgerHealth
    applied: dict[str, tuple[Position, bool]]


def read(connection: Connection) -> Known | None:
    """Return what the ledger's file says."""
    health = LedgerHealth()
    last = connection.execute(
        "SELECT last_seq, recorded_at FROM block ORDER BY first_seq DESC LIMIT 1"
    ).fetchone()
    if last:
        health.last_seq, health.last_recorded_at_ns = last
    health.in_flight = connection.execute("SELECT count(*) FROM pending").fetchone()[0]
    for kind, count, records, exchanges in connection.execute(_MARKS):
        if kind in ("gap", "missing"):
            health.gaps += count
            health.gap_records += records
        elif kind == "torn_tail":
            health.torn_tails = count
        elif kind == "lost":
            health.lost_records += records
            health.lost_exchanges += exchanges
        elif kind == "refused":
            health.lost_records += records
            health.lost_exchanges += exchanges
            health.refused_records, health.refused_exchanges = records, exchanges
        elif kind == "undecodable":
            health.undecodable += count
        elif kind == "recovered":  # what is left out again is marked again
            health.undecodable -= records
    applied: dict[str, tuple[Position, bool]] = {}
    for row in connection.execute("SELECT writer, segment, offset, seq, finished FROM applied"):
        applied[row[0]] = Position(*row[1:4]), bool(row[4])
    return Known(health, applied)


def refused_by(connection: Connection) -> dict[str, tuple[int, int]]:
    """Return of each sender how many records its full spool refused, and how many were ends of calls."""
    found = connection.execute(
        "SELECT detail ->> '$.source' AS sender, sum(json_extract(detail, '$.records')), "
        "sum(json_extract(detail, '$.exchanges')) FROM mark "
        "WHERE kind = 'lost' AND sender IS NOT NULL GROUP BY sender ORDER BY sender"
    )
    return {sender: (records, exchanges) for sender, records, exchanges in found}


def look(home: Home, known: Known | None) -> LedgerHealth:
    """Return the ledger's condition: what its file knows, and what the journals have beyond it."""
    health = known.health if known else LedgerHealth()
    applied: dict[str, tuple[Position, bool]] = known.applied if known else {}
    health.running = is_locked(home)
    health.journal_bytes_pending += waiting_bytes(home)
    try:
        folders = [folder for folder in home.journal.iterdir() if not folder.name.startswith(".")]
    except OSError:
        folders = []
    for folder in folders:
        position, finished = applied.get(folder.name, (Position(), False))
        if not finished:
            health.writers += 1
            try:
                is_alive(folder)
                health.journal_bytes_pending += pending_bytes(folder, position)
            except OSError:
                health.unreadable_writers += 1
    return health


def is_locked(home: Home) -> bool:
    """Tell whether a process holds the ledger's lock."""
    try:
        return is_held(home.ledger_lock)
    except OSError:
        return False
