"""Follow the record: copy its new rows into the replica, the cursor in the same transaction."""

from __future__ import annotations

from typing import NamedTuple

from farebox.analytics import schema
from farebox.analytics.replica import DamagedReplicaError, Replica
from farebox.ledger.feed import CLASS_COLUMNS, ROW_COLUMNS, Batch, Feed

BATCH_ROWS = 30_000
"""Larger batches are hardly faster and need more memory."""

_SEQ, _EVENT_ID, _REVERSES = (ROW_COLUMNS.index(name) for name in ("seq", "event_id", "reverses"))
_MODEL, _REQUEST_MODEL = CLASS_COLUMNS.index("model"), CLASS_COLUMNS.index("request_model")
_MODEL_PAIRS = (
    "INSERT INTO model_pair SELECT * FROM "
    "(SELECT unnest($1::VARCHAR[]) AS model, unnest($2::VARCHAR[]) AS request_model) "
    "EXCEPT SELECT model, request_model FROM model_pair"
)
_ADVANCE = (
    "UPDATE cursor SET seq = $1, event_id = $2, first_event_id = coalesce(first_event_id, $3), erasure = $4"
)


class Progress(NamedTuple):
    """How far the replica is behind the record."""

    seq: int
    last_seq: int

    @property
    def done(self) -> bool:
        return self.seq >= self.last_seq


class Replicator:
    """Copies rows from one record into one replica."""

    def __init__(self, feed: Feed, replica: Replica) -> None:
        self._feed = feed
        self._replica = replica
        self._pairs: set[tuple[str | None, str | None]] = set()
        cursor = replica.cursor()
        if cursor.seq and (
            feed.event_id(cursor.seq) != cursor.event_id or feed.event_id(1) != cursor.first_event_id
        ):
            raise DamagedReplicaError("it belongs to another record")
        self._erasure = cursor.erasure if cursor.seq else feed.last_erasure()
        self.seq = cursor.seq
        """The newest row in the replica."""

    def has_erased_values(self) -> bool:
        """Tell whether personal values were erased from the record since the first row was copied."""
        return self._feed.last_erasure() != self._erasure

    def step(self, limit: int = BATCH_ROWS) -> Progress:
        """Copy one batch and say how far it is."""
        batch = self._feed.after(self.seq, limit, with_details=True)
        if batch.rows:
            self._append(batch)
        last = self.seq if len(batch.rows) < limit else max(self._feed.last_seq(), self.seq)
        return Progress(self.seq, last)

    def _append(self, batch: Batch) -> None:
        rows = batch.rows
        reversals = [(row[_REVERSES], row[_SEQ]) for row in rows if row[_REVERSES] is not None]
        pairs = {(each[_MODEL], each[_REQUEST_MODEL]) for each in batch.classes.values()} - self._pairs
        with self._replica.transaction() as execute:
            execute(*schema.insertion(batch))
            if reversals:
                execute(schema.REVERSE, [list(column) for column in zip(*reversals, strict=True)])
            if pairs:
                execute(_MODEL_PAIRS, [list(column) for column in zip(*pairs, strict=True)])
            execute(_ADVANCE, [rows[-1][_SEQ], rows[-1][_EVENT_ID], rows[0][_EVENT_ID], self._erasure])
        self.seq = batch.last_seq
        self._pairs |= pairs
