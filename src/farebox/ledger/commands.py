"""Send a request to the ledger's one writer: as a short journal, applied like any other.

So it works whether or not a ledger process runs, survives every crash, and is done exactly once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from farebox.errors import LedgerError
from farebox.home import Home
from farebox.journal.writer import JournalWriter
from farebox.ledger.database import open_reader

_SEGMENT_BYTES = 4 << 20
_LOOK_EVERY_S = 0.02


def submit(home: Home, kind: str, requests: Iterable[tuple[int, bytes]]) -> str:
    """Store records (type, payload) for the ledger and return the writer they are under.

    They are on disk when this returns.

    Raises:
        LedgerError: Not all of them could be stored; those that were are applied all the same.
    """
    writer = JournalWriter(home.journal, kind=kind, segment_bytes=_SEGMENT_BYTES)
    stored = 0
    try:
        for record_type, payload in requests:
            stored = writer.append(record_type, payload)
    finally:
        writer.close()
    if writer.health.durable < stored or writer.health.state == "lost":
        raise LedgerError(f"the request could not be stored whole in {home.journal}; is the disk full?")
    return writer.writer_id


def await_applied(home: Home, writer: str, timeout_s: float) -> bool:
    """Wait until a running ledger process has applied what `writer` stored; tell whether it has."""
    deadline = time.monotonic() + timeout_s
    while not is_applied(home, writer):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True


def is_applied(home: Home, writer: str) -> bool:
    """Tell whether everything `writer` stored is in the ledger."""
    connection = open_reader(home)
    if connection is None:
        return False
    try:
        row = connection.execute("SELECT finished FROM applied WHERE writer = ?", (writer,)).fetchone()
    finally:
        connection.close()
    return row is not None and bool(row[0])
