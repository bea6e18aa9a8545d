"""Events that are in a journal of the collector and not in the record yet: they are known, too."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

EVENTS_MAX = 1_000_000
"""Beyond it the oldest are forgotten: the ledger still appends each event once."""

Key = tuple[bytes, str]
"""An event: its id in 16 bytes, and its source."""


class Unapplied(NamedTuple):
    """Where an event is, and what it says."""

    writer: str
    seq: int
    digest: bytes


class UnappliedEvents:
    """Ids and contents, by the journal that holds them."""

    def __init__(self, events_max: int = EVENTS_MAX) -> None:
        self._events: dict[Key, Unapplied] = {}
        self._queues: dict[str, deque[tuple[int, Key]]] = {}
        self._events_max = events_max

    def __len__(self) -> int:
        return len(self._events)

    def get(self, key: Key) -> Unapplied | None:
        """Return an event, None where it is not among these."""
        return self._events.get(key)

    def add(self, writer: str, seq: int, key: Key, digest: bytes) -> None:
        """Remember an event that is the record `seq` of a writer."""
        self._events[key] = Unapplied(writer, seq, digest)
        self._queues.setdefault(writer, deque()).append((seq, key))
        if len(self._events) > self._events_max:
            oldest = next(queue for queue in self._queues.values() if queue)
            self._events.pop(oldest.popleft()[1], None)

    def forget_applied(self, next_seqs: Mapping[str, int]) -> None:
        """Forget what the record has: of each writer the records before a number."""
        for writer, next_seq in next_seqs.items():
            queue = self._queues.get(writer)
            while queue and queue[0][0] < next_seq:
                self._events.pop(queue.popleft()[1], None)
