"""Append records from one process without ever waiting for the disk.

`append` seals a record and copies it into a preallocated segment. One background thread makes
segments ahead of time, syncs what has been stored as a group (5 ms after the first unsynced record, at
256 KiB, or at once when somebody waits for it; 50 ms and 1 MiB where nobody ever waits), and deals with
disks that fail, stall or fill up: records then wait in memory, and what does not fit there is
counted exactly. The thread sleeps without a time-out while there is nothing to do.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue

from farebox.clock import now_ns
from farebox.journal import records
from farebox.journal.files import DiskFiles, Files
from farebox.journal.format import (
    HEADER_BYTES,
    PAYLOAD_BYTES_MAX,
    RECORD_HEAD_BYTES,
    encode_record,
    stored_seq,
    stored_type,
)
from farebox.journal.health import JournalHealth, Losses
from farebox.journal.segments import Segment, SegmentFolder
from farebox.journal.tally import Tally
from farebox.journal.wake import Waker

SEGMENT_BYTES = 64 << 20
SYNC_AFTER_S = 0.005
"""For `durability: power`, where the end of a response waits for the disk."""
SYNC_AFTER_RELAXED_S = 0.05
"""Where nothing waits: a power cut may lose this much of the last moment."""
SYNC_AFTER_BYTES = 256 << 10
SYNC_AFTER_RELAXED_BYTES = 1 << 20
MEMORY_BYTES_MAX = 64 << 20
RETRY_FIRST_S, RETRY_LAST_S = 0.1, 5.0
_DRAIN_RECORDS = 128
_EARLY_SHARE, _URGENT_SHARE = 0.125, 0.5
_KEEP_MAPPED_BYTES = 512 << 10
_CLOCK_JUMP_NS = 2_000_000_000

Callback = Callable[[], None]


class JournalWriter:
    """One process's own journal folder, locked for its life."""

    def __init__(
        self,
        home_journal: Path,
        *,
        kind: str = "proxy",
        files: Files | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        memory_bytes_max: int = MEMORY_BYTES_MAX,
        sync_after_s: float = SYNC_AFTER_S,
        sync_after_bytes: int = SYNC_AFTER_BYTES,
    ) -> None:
        """Make the folder and its first segment.

        Unsynced records wait for others, `sync_after_s` seconds or until they are `sync_after_bytes`,
        unless somebody waits for them.

        Raises:
            JournalError: The folder cannot be made. A full disk is not an error once there is
                one: records wait in memory until there is room, and `health` says so.
        """
        self.writer_id = f"{kind}-{now_ns() // 1_000_000:012x}{secrets.token_hex(2)}"
        self.source = self.writer_id.replace("-", ":", 1)
        """What records and ledger rows call this writer: `proxy:0193…`."""
        self._folder = SegmentFolder(home_journal, self.writer_id, files or DiskFiles(), segment_bytes)
        self.folder = self._folder.path
        self._payload_bytes_max = min(PAYLOAD_BYTES_MAX, segment_bytes - HEADER_BYTES - RECORD_HEAD_BYTES - 8)
        self._memory_bytes_max = memory_bytes_max
        self._sync_after_s = sync_after_s
        self._sync_after_bytes = sync_after_bytes

        self._waker = Waker(home_journal)
        self._lock = threading.Lock()
        self._signals: SimpleQueue[bool] = SimpleQueue()
        """True asks for a sync now, False for one soon."""
        self._signalled = False
        self._closing = False
        self._closed = False

        self._next_seq = 1
        self._stored_seq = 0
        self._durable: int = 0
        self._callbacks: list[tuple[int, Callback]] = []

        self._open: Segment | None = None
        """Where `append` stores; None while records have to wait in memory."""
        self._current: Segment | None = None
        """What is being filled, by `append` or from memory."""
        self._prepared: Segment | None = None
        self._full: list[Segment] = []
        """Filled, but perhaps not synced yet."""
        self._unsynced: list[bytes] = []
        self._unsynced_bytes = 0
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._waiting_exchanges = 0
        self._waiting_since_ns = 0
        self._tally = Tally()

        self._health = JournalHealth()
        self._losses = Losses()
        self._no_room: str | None = None
        self._sync_trouble: str | None = None
        self._syncing_since = 0.0
        self._prepare_at = 0.0
        self._sync_at = 0.0
        self._retry_s = RETRY_FIRST_S
        self._clock_offset_ns = now_ns() - time.monotonic_ns()

        self._prepare()
        self._thread = threading.Thread(target=self._run, name="farebox-journal", daemon=True)
        self._thread.start()

    # -- the request path --

    def append(self, record_type: int, payload: bytes) -> int:
        """Store a record and return its position. Never blocks on a disk, never raises.

        A record that could not be kept (over 1 MiB, or 64 MiB waiting in memory already) is
        counted in `health` and gets the position of the last one that was.
        """
        with self._lock:
            segment = self._open
            if segment is None or len(payload) > self._payload_bytes_max:
                return self._wait(record_type, payload)
            seq = self._next_seq
            record = encode_record(segment.seed, seq, record_type, payload)
            at = segment.offset
            end = at + len(record)
            if end > segment.capacity:
                self._turn()
                return self._append_late(record_type, payload)
            try:
                segment.store_at(at, record)
            except OSError as error:
                self._abandon(f"write failed: {error.strerror}")
                return self._wait(record_type, payload)
            segment.offset = end + 7 & -8
            self._next_seq = seq + 1
            self._stored_seq = seq
            self._unsynced.append(record)
            self._unsynced_bytes += end - at
            if not self._signalled or self._unsynced_bytes >= self._sync_after_bytes:
                self._note_unsynced(end - at)
            return seq

    def when_durable(self, position: int, callback: Callback) -> None:
        """Call `callback` once the record at `position` survives a power cut.

        It comes from the sync thread, or at once from the caller's where the record is durable
        already or, with no room on the disk, nothing can make it so (`health` counts those).
        """
        with self._lock:
            if position > self._durable and self._no_room is None and not self._closed:
                self._callbacks.append((position, callback))
                self._signals.put(True)
                return
            if position > self._durable:
                self._health.released_unsynced += 1
        callback()

    @property
    def health(self) -> JournalHealth:
        """The writer's condition now."""
        with self._lock:
            health = self._health.copy()
            since = self._syncing_since
            health.records = self._next_seq - 1
            health.durable = self._durable
            health.waiting_records = len(self._waiting)
            health.waiting_bytes = self._waiting_bytes
            health.unsynced_for_ms = int((time.monotonic() - since) * 1000) if since else 0
            health.reason = self._no_room or self._sync_trouble or self._removed()
            if self._losses or (self._closed and self._waiting):
                health.state, health.reason = "lost", health.reason or "record too large"
            elif health.reason or self._waiting:
                health.state = "degraded"
            return health

    def close(self) -> None:
        """Sync what is stored, stop the thread, release the folder. Records still in memory are lost; the
        folder's note and `health` say so.
        """
        if self._closing:
            return
        self._closing = True
        self._signals.put(True)
        self._thread.join()
        with self._lock:
            self._closed = True
            self._open = None
            for record in self._waiting:
                self._health.lose(len(record), is_exchange=stored_type(record) == records.DONE)
            callbacks, self._callbacks = self._callbacks, []
            self._health.released_unsynced += len(callbacks)
            for segment in (*self._full, self._current, self._prepared):
                if segment:
                    segment.close()
        self._folder.unlock()
        self._waker.wake()
        self._waker.close()
        for _, callback in callbacks:
            callback()

    # -- under the lock --

    def _append_late(self, record_type: int, payload: bytes) -> int:
        """Append what the last segment had no room for."""
        segment = self._open
        if segment is None:
            return self._wait(record_type, payload)
        record = encode_record(segment.seed, self._next_seq, record_type, payload)
        try:
            segment.store(record)
        except OSError as error:
            self._abandon(f"write failed: {error.strerror}")
            return self._wait(record_type, payload)
        self._stored_seq = self._next_seq
        self._next_seq += 1
        self._unsynced.append(record)
        self._unsynced_bytes += len(record)
        return self._stored_seq

    def _note_unsynced(self, added: int) -> None:
        """Ask for a sync: soon after the first unsynced record, at once when they are many."""
        if not self._signalled:
            self._signalled = True
            self._signals.put(False)
        if self._unsynced_bytes - added < self._sync_after_bytes <= self._unsynced_bytes:
            self._signals.put(True)
        elif self._unsynced_bytes > self._memory_bytes_max:
            # A sync hangs this long: the shared pages hold the records, so the copies in memory are dropped.
            self._health.uncopied_records += len(self._unsynced)
            self._unsynced, self._unsynced_bytes = [], 0

    def _turn(self) -> Segment | None:
        """Go on in the prepared segment; None where none is ready."""
        if self._current:
            self._full.append(self._current)
        segment, self._prepared = self._prepared, None
        self._current = segment
        if segment:
            try:
                segment.begin(stored_seq(self._waiting[0]) if self._waiting else self._next_seq)
            except OSError as error:
                self._health.segment_failures += 1
                self._sync_trouble = f"write failed: {error.strerror}"
                segment.close()
                self._current = None
        self._open = None if self._waiting else self._current
        self._ask(now=True)
        return self._current

    def _wait(self, record_type: int, payload: bytes) -> int:
        """Keep a record in memory until there is a segment for it."""
        size = RECORD_HEAD_BYTES + len(payload)
        no_memory = self._waiting_bytes + size > self._memory_bytes_max or self._closed
        if no_memory or len(payload) > self._payload_bytes_max:
            self._losses.add(size, is_exchange=record_type == records.DONE)
            self._health.lose(size, is_exchange=record_type == records.DONE)
            self._ask(now=False)
            return self._next_seq - 1
        self._open = None
        seq = self._next_seq
        self._next_seq = seq + 1
        record = encode_record(0, seq, record_type, payload)
        self._waiting_since_ns = self._waiting_since_ns or now_ns()
        self._waiting.append(record)
        self._waiting_bytes += len(record)
        self._waiting_exchanges += record_type == records.DONE
        self._ask(now=False)
        return seq

    def _abandon(self, why: str) -> None:
        """Leave every open segment for good: what is unsynced is stored again in a new one."""
        self._sync_trouble = why
        for segment in (*self._full, self._current):
            if segment:
                segment.close()
        self._full, self._current, self._open = [], None, None
        self._waiting_since_ns = self._waiting_since_ns or now_ns()
        self._waiting.extendleft(reversed(self._unsynced))
        self._waiting_bytes += self._unsynced_bytes
        self._waiting_exchanges += sum(stored_type(record) == records.DONE for record in self._unsynced)
        self._unsynced, self._unsynced_bytes = [], 0
        self._ask(now=True)

    def _ask(self, *, now: bool) -> None:
        if now or not self._signalled:
            self._signalled = True
            self._signals.put(now)

    # -- the sync thread --

    def _run(self) -> None:
        while not (self._closing and self._settled()):
            self._await_work()
            self._watch_clock()
            self._store_waiting()
            self._prepare_ahead(_URGENT_SHARE)
            self._sync()
            self._prepare_ahead(_EARLY_SHARE)
            self._report_losses()
            self._note_tally()

    def _settled(self) -> bool:
        """Nothing is left to write, or the disk refuses it."""
        with self._lock:
            return not (self._unsynced or self._waiting) or bool(self._prepare_at or self._sync_at)

    def _await_work(self) -> None:
        due = [moment for moment in (self._prepare_at, self._sync_at) if moment]
        timeout = max(min(due) - time.monotonic(), SYNC_AFTER_S) if due else None
        with contextlib.suppress(Empty):
            if not self._signals.get(timeout=timeout):
                self._signals.get(timeout=self._sync_after_s)
        with contextlib.suppress(Empty):
            while True:
                self._signals.get_nowait()

    def _store_waiting(self) -> None:
        """Move what waits in memory into segments, a few records at a time."""
        while self._waiting:
            if self._current is None and self._prepared is None and not self._prepare():
                return
            with self._lock:
                self._store_some(self._current or self._turn())
        with self._lock:
            if not self._waiting:
                self._waiting_since_ns = 0
            if self._open is None and not self._waiting:
                self._open = self._current
                self._no_room = None if self._current else self._no_room

    def _store_some(self, segment: Segment | None) -> None:
        for _ in range(_DRAIN_RECORDS):
            if segment is None or not self._waiting:
                return
            record = self._waiting[0]
            if not segment.fits(record):
                self._turn()
                return
            try:
                sealed = segment.store_resealed(record)
            except OSError as error:
                self._abandon(f"write failed: {error.strerror}")
                return
            self._waiting.popleft()
            self._waiting_bytes -= len(record)
            self._waiting_exchanges -= stored_type(record) == records.DONE
            self._stored_seq = stored_seq(sealed)
            self._unsynced.append(sealed)
            self._unsynced_bytes += len(sealed)

    def _sync(self) -> None:
        """Sync everything stored so far as one group."""
        with self._lock:
            removed = self._removed()
            if removed and self._stored_seq > self._durable:
                self._abandon(removed)
                return
            self._signalled = False
            waits = self._sync_at > time.monotonic()
            if waits or self._stored_seq == self._durable:
                return
            group, self._unsynced, self._unsynced_bytes = self._unsynced, [], 0
            target, full, current = self._stored_seq, self._full, self._current
            self._full = []
            self._syncing_since = time.monotonic()
        try:
            for segment in (*full, current):
                if segment:
                    segment.sync()
        except OSError as error:
            self._sync_failed(full, group, error)
            return
        with self._lock:
            self._syncing_since = self._sync_at = 0.0
            self._sync_trouble, self._retry_s = None, RETRY_FIRST_S
            self._durable = target
            callbacks = self._take_callbacks(target)
        for segment in full:
            segment.close()
        if current:
            with self._lock:
                current.release(_KEEP_MAPPED_BYTES)
        self._waker.wake()
        for callback in callbacks:
            callback()

    def _sync_failed(self, full: list[Segment], group: list[bytes], error: OSError) -> None:
        # After a failed sync the kernel forgets which pages were dirty: syncing the same
        # descriptor again would report success for data that is gone.
        with self._lock:
            self._syncing_since = 0.0
            self._health.sync_failures += 1
            self._full = full + self._full
            self._unsynced = group + self._unsynced
            self._unsynced_bytes = sum(map(len, self._unsynced))
            self._abandon(f"sync failed: {error.strerror}")
            self._sync_at = time.monotonic() + self._retry_s
            self._retry_s = min(self._retry_s * 2, RETRY_LAST_S)

    def _take_callbacks(self, upto: int) -> list[Callback]:
        due = [callback for position, callback in self._callbacks if position <= upto]
        self._callbacks = [entry for entry in self._callbacks if entry[0] > upto]
        return due

    def _prepare_ahead(self, share: float) -> None:
        """Have the next segment ready once a share of the current one is used.

        Early, because until there is one, what comes after a full segment waits in memory and
        would not survive the process; after a sync, because somebody may wait for that.
        """
        current = self._current
        used = current is None or current.offset >= current.capacity * share
        if self._prepared is None and used and not self._closing:
            self._prepare()

    def _prepare(self) -> bool:
        """Make the next segment; where there is no room, say so and try again later."""
        if self._prepare_at > time.monotonic():
            return False
        try:
            segment = self._folder.make()
        except OSError as error:
            with self._lock:
                self._health.segment_failures += 1
                self._prepare_at = time.monotonic() + self._retry_s
                self._retry_s = min(self._retry_s * 2, RETRY_LAST_S)
                callbacks: list[Callback] = []
                if self._current is None:
                    self._no_room = f"no segment: {error.strerror}"
                    callbacks = self._take_callbacks(self._next_seq)
                    self._health.released_unsynced += len(callbacks)
            for callback in callbacks:
                callback()
            return False
        with self._lock:
            self._prepare_at = 0.0
            self._prepared = segment
            if self._current is None and not self._waiting:
                self._turn()
        return True

    def _report_losses(self) -> None:
        """Put on record what was lost, as soon as records can be stored again."""
        if not self._losses or self._open is None:
            return
        with self._lock:
            losses, self._losses = self._losses, Losses()
        mark = records.Mark(at_ns=now_ns(), kind="lost", detail=losses.detail())
        self.append(records.MARK, records.encode(mark))

    def _removed(self) -> str | None:
        """Record that the segment being filled was removed: records stored in it are lost."""
        if self._closed or self._current is None or not self._current.is_removed():
            return None
        return "the journal was removed while it was in use"

    def _note_tally(self) -> None:
        """Note beside the segments how far they are complete, for readers after this writer has ended."""
        with self._lock:
            tally = Tally(
                stored_seq(self._waiting[0]) - 1 if self._waiting else self._durable,
                len(self._waiting),
                self._waiting_exchanges,
                self._waiting_bytes,
                self._losses.records,
                self._losses.exchanges,
                self._losses.bytes,
                self._losses.from_ns or self._waiting_since_ns,
                now_ns() if self._waiting or self._losses else 0,
            )
        if tally[:-1] != self._tally[:-1]:
            self._folder.note(tally)
            self._tally = tally

    def _watch_clock(self) -> None:
        offset = now_ns() - time.monotonic_ns()
        jump = offset - self._clock_offset_ns
        if abs(jump) > _CLOCK_JUMP_NS:
            self._clock_offset_ns = offset
            mark = records.Mark(at_ns=now_ns(), kind="clock_jump", detail={"nanoseconds": jump})
            self.append(records.MARK, records.encode(mark))
