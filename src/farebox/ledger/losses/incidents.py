"""Marks beside the calls, chained like them, and the checkpoints over both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from farebox.journal.reader import Gap
from farebox.ledger.database import Connection
from farebox.ledger.proof.chain import GENESIS, link
from farebox.ledger.proof.chain_ends import write_end
from farebox.ledger.proof.signed_checkpoint import Sign, write_signature

CHECKPOINT_ROWS = 10_000
CHECKPOINT_NS = 60_000_000_000


class Incidents:
    """Writes marks and checkpoints within the caller's transaction."""

    def __init__(self, connection: Connection, clock: Callable[[], int], sign: Sign | None = None) -> None:
        self._connection = connection
        self._sign = sign
        self._clock = clock
        self._id = 0
        self._hash = GENESIS
        self._checkpoint_seq = 0
        self._checkpoint_ns = 0

    def load(self) -> None:
        """Read the state from the file."""
        execute = self._connection.execute
        mark = execute("SELECT id, hash FROM mark ORDER BY id DESC LIMIT 1").fetchone()
        self._id, self._hash = mark or (0, GENESIS)
        found = execute("SELECT seq, recorded_at FROM checkpoint ORDER BY seq DESC LIMIT 1").fetchone()
        self._checkpoint_seq, self._checkpoint_ns = found or (0, self._clock())

    def write(self, writer: str, kind: str, detail: dict[str, Any]) -> None:
        """Append a mark."""
        text = msgspec.json.encode(detail).decode()
        values = (self._id + 1, self._clock(), writer, kind, text)
        self._hash = link(self._hash, values)
        self._id += 1
        self._connection.execute("INSERT INTO mark VALUES (?, ?, ?, ?, ?, ?)", (*values, self._hash))
        write_end(self._connection, "mark", self._id, self._hash)

    def has_event(self, detail: Mapping[str, Any]) -> bool:
        """Tell whether a mark with this identity is there: senders report a loss until it is acknowledged."""
        if "event_id" not in detail or "source" not in detail:
            return False
        statement = (
            "SELECT 1 FROM mark WHERE kind IN ('lost', 'sampled') "
            "AND detail ->> '$.event_id' = ? AND detail ->> '$.source' = ?"
        )
        found = self._connection.execute(statement, (detail["event_id"], detail["source"]))
        return found.fetchone() is not None

    def gaps(self, writer: str, gaps: Iterable[Gap]) -> None:
        """Mark damaged places of a journal."""
        for gap in gaps:
            detail = {"segment": gap.segment, "start": gap.start, "end": gap.end, "records": gap.records}
            self.write(writer, gap.kind, detail)

    def undecodable(self, writer: str, why: str, **where: int | str) -> None:
        """Mark a record that cannot be decoded."""
        self.write(writer, "undecodable", {**where, "why": why})

    def checkpoint(self, seq: int, head: bytes) -> None:
        """Write a checkpoint at the chain's head."""
        now = self._clock()
        self._connection.execute(
            "INSERT INTO checkpoint VALUES (?, ?, ?, ?, ?)", (seq, head, self._id, self._hash, now)
        )
        if self._sign is not None:
            write_signature(self._connection, self._sign, seq, now)
        self._checkpoint_seq, self._checkpoint_ns = seq, now

    def has_many_since_checkpoint(self, seq: int) -> bool:
        """Tell whether enough calls have come since the last checkpoint for a new one."""
        return seq - self._checkpoint_seq >= CHECKPOINT_ROWS

    def is_checkpoint_old(self, seq: int) -> bool:
        """Tell whether the last checkpoint is a minute old and there is something new."""
        return seq > self._checkpoint_seq and self._clock() - self._checkpoint_ns >= CHECKPOINT_NS
