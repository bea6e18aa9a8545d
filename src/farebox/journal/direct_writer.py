"""Append records from somebody else's process: one `write(2)` a record, no thread, no preallocated room.

For programs that make ten calls or a million and must not notice. A segment grows with what is in it. What
the disk refuses waits in a bounded memory and is stored with the next record, or counted as lost. A child of
a fork must not use its parent's writer: to a process that did not make it, it does nothing.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections import deque
from pathlib import Path

from farebox.clock import now_ns
from farebox.errors import JournalError
from farebox.journal import records
from farebox.journal.files import Files, GrowingFiles
from farebox.journal.format import PAYLOAD_BYTES_MAX, RECORD_HEAD_BYTES, encode_record
from farebox.journal.health import JournalHealth, Losses
from farebox.journal.segments import Segment, SegmentFolder
from farebox.journal.tally import Tally
from farebox.journal.wake import Waker

SEGMENT_BYTES = 8 << 20
MEMORY_BYTES_MAX = 4 << 20
_LOOK_NS = 1_000_000_000
"""How often it is looked whether the folder is still there."""
_WAKE_NS = 50_000_000
"""The ledger is woken this often at most: it also looks by itself."""
BEGINNINGS = frozenset((records.INTENT, records.PARTIAL))
"""Records that say less than the one that will end what they belong to."""


class DirectWriter:
    """One process's own journal folder, locked for its life."""

    def __init__(
        self,
        home_journal: Path,
        *,
        source: str,
        kind: str = "sdk",
        power: bool = False,
        wakes: bool = True,
        files: Files | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        memory_bytes_max: int = MEMORY_BYTES_MAX,
    ) -> None:
        """Make the folder; the first segment is made with the first record.

        `source` is what the records call their writer: the same for every process of a program. `power`:
        `append` returns when the end of a call survives a power cut. `wakes`: a ledger reads this folder, and
        is told when there is something.

        Raises:
            JournalError: The folder cannot be made.
        """
        self.source = source
        self.power = power
        self.writer_id = f"{kind}-{now_ns() // 1_000_000:012x}{secrets.token_hex(4)}"
        self._folder = SegmentFolder(
            home_journal, self.writer_id, files or GrowingFiles(power), segment_bytes, durable=power
        )
        self.folder = self._folder.path
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._busy = False
        """A record is being stored. Storing allocates memory, which can make Python collect garbage, which
        can end a forgotten stream, whose end is a record of the same thread."""
        self._interrupting: deque[tuple[int, bytes]] = deque()
        """Records that came in the middle of another one."""
        self._waker = Waker(home_journal) if wakes else None
        self._woken_ns = 0
        self._looked_ns = time.monotonic_ns()
        self._next_seq = 1
        self._segment: Segment | None = None
        self._unbegun: Segment | None = None
        """A segment that was made and has no header yet, because the disk was full between the two."""
        self._memory_bytes_max = memory_bytes_max
        self._waiting: deque[tuple[int, bytes]] = deque()
        """Type and payload of what the disk refused so far; they have their numbers already."""
        self._waiting_bytes = 0
        self._waiting_ends = 0
        """How many of them say how something ended."""
        self._waiting_since_ns = 0
        self._losses = Losses()
        self._health = JournalHealth()
        self._closed = False

    @property
    def last_seq(self) -> int:
        """The position of the newest record that is in a file."""
        return self._next_seq - 1

    @property
    def has_waiting(self) -> bool:
        """Whether records wait in memory, or are lost and no record says so yet."""
        return bool(self._waiting or self._losses)

    @property
    def is_ours(self) -> bool:
        """Whether this process made it, and not the one it was forked from."""
        return self._pid == os.getpid()

    def append(self, record_type: int, payload: bytes) -> int:
        """Store a record and return its position; 0 where this process may not write. Never raises.

        A record that could not be kept (over 1 MiB, or no room on the disk and none in memory) is counted
        in `health`.
        """
        if self._pid != os.getpid() or self._closed:
            return 0
        with self._lock:
            if self._busy:
                self._interrupting.append((record_type, payload))
                return self._next_seq
            self._busy = True
            try:
                seq = self._append(record_type, payload)
                while self._interrupting:
                    self._append(*self._interrupting.popleft())
            finally:
                self._busy = False
            return seq

    def flush(self) -> bool:
        """Return once everything accepted so far survives a power cut; False where something does not."""
        if self._pid != os.getpid() or self._closed:
            return True
        with self._lock:
            self._store_interrupting()
            self._store_waiting()
            synced = self._sync()
            if self._waker is not None:
                self._waker.wake()
            return synced and not self._waiting and not self._losses

    def store_waiting(self) -> None:
        """Store what waits in memory, as far as there is room by now: else it waits for the next record."""
        if self.has_waiting and self._pid == os.getpid() and not self._closed:
            with self._lock:
                self._store_waiting()

    @property
    def health(self) -> JournalHealth:
        """The writer's condition now."""
        health = self._health.copy()
        health.records = self._next_seq - 1
        health.waiting_records, health.waiting_bytes = len(self._waiting), self._waiting_bytes
        if self._losses:
            health.state = "lost"
        elif self._waiting:
            health.state = "degraded"
        return health

    def close(self) -> None:
        """Store what waits, as far as there is room, note what is lost, and release the folder."""
        if self._closed or self._pid != os.getpid():
            return
        with self._lock:
            self._store_interrupting()
            self._store_waiting()
            self._closed = True
            if self.power:
                self._sync()
            self._note()
            for segment in (self._segment, self._unbegun):
                if segment is not None:
                    segment.close()
            self._folder.unlock()
            if self._waker is not None:
                self._waker.wake()
                self._waker.close()

    def leave_to_parent(self) -> None:
        """In a child of a fork: close what was inherited, and change nothing.

        An open lock would keep the parent's folder alive after the parent's death.
        """
        if self._pid == os.getpid():
            return
        for segment in (self._segment, self._unbegun):
            with contextlib.suppress(OSError):
                if segment is not None:
                    segment.drop()
        with contextlib.suppress(OSError):
            self._folder.unlock()
        with contextlib.suppress(OSError):
            if self._waker is not None:
                self._waker.close()

    # -- under the lock --

    def _append(self, record_type: int, payload: bytes) -> int:
        now = time.monotonic_ns()
        if now - self._looked_ns > _LOOK_NS:
            self._looked_ns = now
            self._leave_removed()
        if len(payload) > PAYLOAD_BYTES_MAX:
            self._lose(record_type, len(payload))
            return self._next_seq - 1
        if self._waiting or self._losses.records:
            self._store_waiting()
        seq = self._next_seq
        if self._waiting or not self._store(seq, record_type, payload):
            return self._wait(record_type, payload)
        self._next_seq = seq + 1
        if record_type not in BEGINNINGS:
            if self.power:
                self._sync()
            if self._waker is not None and now - self._woken_ns > _WAKE_NS:
                self._woken_ns = now
                self._waker.wake()
        return seq

    def _store_interrupting(self) -> None:
        while self._interrupting:
            self._append(*self._interrupting.popleft())

    def _store(self, seq: int, record_type: int, payload: bytes) -> bool:
        """Store one record; False where the disk refuses it."""
        size = RECORD_HEAD_BYTES + len(payload)
        try:
            segment = self._segment
            if segment is None or segment.offset + size > segment.capacity:
                segment = self._next_segment(seq)
            # What a write left half done is overwritten by the next one, which begins at the same place.
            segment.store_at(segment.offset, encode_record(segment.seed, seq, record_type, payload))
            segment.offset += size + 7 & -8
        except (OSError, JournalError) as error:
            self._health.reason = str(error)
            return False
        return True

    def _next_segment(self, first_seq: int) -> Segment:
        # One that has no header yet is begun again: else a full disk would get an empty file a record.
        full, segment = self._segment, self._unbegun or self._folder.make()
        self._unbegun = segment
        segment.begin(first_seq)
        self._unbegun = None
        if full is not None:
            if self.power:
                full.sync()
            full.close()
        self._segment = segment
        return segment

    def _leave_removed(self) -> None:
        """Go on in a new folder where somebody removed this one."""
        with contextlib.suppress(OSError):
            if self._segment is not None and self._segment.is_removed():
                self._segment.drop()
                self._segment = None
            if self._unbegun is not None and self._unbegun.is_removed():
                self._unbegun.drop()
                self._unbegun = None

    def _wait(self, record_type: int, payload: bytes) -> int:
        if self._waiting_bytes + len(payload) > self._memory_bytes_max:
            self._lose(record_type, len(payload))
            return self._next_seq - 1
        self._waiting_since_ns = self._waiting_since_ns or now_ns()
        self._waiting.append((record_type, payload))
        self._waiting_bytes += len(payload)
        self._waiting_ends += record_type not in BEGINNINGS
        self._note()
        return self._next_seq + len(self._waiting) - 1

    def _lose(self, record_type: int, size: int) -> None:
        is_exchange = record_type not in BEGINNINGS
        self._losses.add(size, is_exchange=is_exchange)
        self._health.lose(size, is_exchange=is_exchange)
        self._note()

    def _store_waiting(self) -> None:
        while self._waiting:
            record_type, payload = self._waiting[0]
            if not self._store(self._next_seq, record_type, payload):
                return
            self._next_seq += 1
            self._waiting.popleft()
            self._waiting_bytes -= len(payload)
            self._waiting_ends -= record_type not in BEGINNINGS
        self._waiting_since_ns = 0
        if self._losses:
            mark = records.Mark(at_ns=now_ns(), kind="lost", detail=self._losses.detail())
            if self._store(self._next_seq, records.MARK, records.encode(mark)):
                self._next_seq += 1
                self._losses = Losses()
        self._health.reason = None
        self._note()

    def _sync(self) -> bool:
        try:
            if self._segment is not None:
                self._segment.sync()
        except OSError as error:
            self._health.sync_failures += 1
            self._health.reason = str(error)
            return False
        self._health.durable = self._next_seq - 1
        return True

    def _note(self) -> None:
        """Note beside the segments how far they go and what is missing, for readers after our end."""
        missing = bool(self._waiting or self._losses)
        self._folder.note(
            Tally(
                self._next_seq - 1,
                len(self._waiting),
                self._waiting_ends,
                self._waiting_bytes,
                self._losses.records,
                self._losses.exchanges,
                self._losses.bytes,
                self._losses.from_ns or self._waiting_since_ns,
                now_ns() if missing else 0,
            )
        )
