"""Judge events and write them down: each one once, whoever sends it again.

Known events are those of the record, and those that a collector's journal holds and the ledger has not
applied yet. Nothing here waits for a disk: `take` says which position of the journal has to be durable before
a sender is told anything.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from farebox.clock import now_ns
from farebox.errors import FareboxError, JournalError
from farebox.ingest.bodies import Items
from farebox.ingest.event_reading import EventReader, ReadEvent, id_of
from farebox.ingest.trust import Sender
from farebox.ingest.unapplied_events import Key, UnappliedEvents
from farebox.ingest.verdicts import Verdict
from farebox.recording.invalid_event import EventInvalidError

WRITER = "collector"
"""The kind of writer that collectors' journals are of."""
_log = logging.getLogger("farebox.ingest")


class Journal(Protocol):
    """Where records go: `farebox.journal.writer.JournalWriter`."""

    writer_id: str

    def append(self, record_type: int, payload: bytes) -> int: ...


class Record(Protocol):
    """What the record knows: `farebox.ledger.calls.LedgerReader`."""

    def known_events(self, event_ids: Sequence[bytes]) -> dict[Key, bytes | None]: ...
    def applied(self, kind: str) -> Mapping[str, int]: ...


class Taken(NamedTuple):
    """What became of a body's events, once `position` is durable."""

    verdicts: list[Verdict]
    position: int
    """Of the last record that any verdict speaks of; 0 where none does."""


class Collector:
    """One home's. Bodies are judged one after the other."""

    def __init__(
        self,
        reader: EventReader,
        record: Record,
        journal: Journal,
        earlier: Iterable[tuple[str, int, Key, bytes]] = (),
        clock: Callable[[], int] = now_ns,
    ) -> None:
        """`earlier`: what journals of collectors before this one hold: writer, record, event, digest."""
        self._reader = reader
        self._record = record
        self._journal = journal
        self._clock = clock
        self._lock = threading.Lock()
        self._unapplied = UnappliedEvents()
        self._last_seq = 0
        for writer, seq, key, digest in earlier:
            self._unapplied.add(writer, seq, key, digest)

    def take(self, items: Items, sender: Sender) -> Taken:
        """Judge the events of a body and write down what is new.

        A duplicate of a record that is not durable yet is one only once it is: `position` covers it.

        Raises:
            JournalError: There is no room. What was written down before stays, and is a duplicate next time.
        """
        now = self._clock()
        read: list[ReadEvent | Verdict] = []
        for text in items.texts:
            try:
                read.append(self._reader.read(text, sender, now, items.flat))
            except EventInvalidError as error:
                read.append(
                    Verdict(id=id_of(text), status="invalid", field=error.field or None, reason=error.reason)
                )
            except Exception:  # a bug of ours: sent again and again, this event would hold up all others
                _log.exception("unexpected failure with an event")
                reason = "it cannot be recorded; the log of this collector says why"
                read.append(Verdict(id=id_of(text), status="invalid", reason=reason))
        with self._lock:
            known = self._known([each for each in read if isinstance(each, ReadEvent)])
            return self._judge(read, known)

    def _known(self, events: Sequence[ReadEvent]) -> dict[Key, bytes | None]:
        """Return which events the record has, and the digests of their contents where it has them."""
        try:
            # First: what is forgotten here is in the record by now, and found there below.
            self._unapplied.forget_applied(self._record.applied(WRITER))
            unseen = [each.key[0] for each in events if self._unapplied.get(each.key) is None]
            return self._record.known_events(unseen) if unseen else {}
        except FareboxError as error:
            # The ledger appends an event once, whatever is accepted here.
            _log.warning("the record cannot be asked for known events: %s", error)
            return {}

    def _judge(self, read: Sequence[ReadEvent | Verdict], known: Mapping[Key, bytes | None]) -> Taken:
        verdicts: list[Verdict] = []
        position = 0
        for each in read:
            verdict, seq = self._place(each, known) if isinstance(each, ReadEvent) else (each, 0)
            position = max(position, seq)
            verdicts.append(verdict)
        return Taken(verdicts, position)

    def _place(self, event: ReadEvent, known: Mapping[Key, bytes | None]) -> tuple[Verdict, int]:
        """Return what becomes of an event, and the position in our journal that this depends on."""
        unapplied = self._unapplied.get(event.key)
        if unapplied is not None:
            is_ours = unapplied.writer == self._journal.writer_id
            before, seq = unapplied.digest, unapplied.seq if is_ours else 0
        elif event.key in known:
            before, seq = known[event.key] or event.digest, 0
        else:
            seq = self._journal.append(event.record_type, event.record)
            if seq <= self._last_seq:
                raise JournalError("there is no room for a record, neither on the disk nor in memory")
            self._last_seq = seq
            self._unapplied.add(self._journal.writer_id, seq, event.key, event.digest)
            return Verdict(id=event.id, status="accepted"), seq
        if before == event.digest:
            return Verdict(id=event.id, status="duplicate"), seq
        because = "this id was used for other content"
        return Verdict(id=event.id, status="conflict", field="id", reason=because), seq
