"""Follow every writer's journal and keep the ledger up to it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import apsw

from farebox.home import Home
from farebox.journal.folders import Position, overwrite_passed, remove_passed, remove_unborn, remove_writer
from farebox.journal.quarantine import copy_gap, copy_records
from farebox.journal.reader import SETTLED_NS, Batch, JournalReader
from farebox.ledger.append.applier import Applied, Applier
from farebox.ledger.corrections.corrector import weight

BATCH_RECORDS = 500
"""What is decoded at a time: it bounds memory."""

TRANSACTION_RECORDS = 8_000
"""What is committed at a time when there is a backlog: it shares syncs."""

_FORGET_AGAIN_S = 30.0

_DATA_ERRORS = (apsw.ConstraintError, apsw.TooBigError, apsw.MismatchError, apsw.RangeError)
"""SQLite errors that are about values and not about the disk."""

log = logging.getLogger("farebox.ledger")


class Follower:
    """All journals of a home, read in turn. `step` is everything the ledger process repeats."""

    def __init__(
        self,
        home: Home,
        applier: Applier,
        *,
        reader: Callable[[Path, Position], JournalReader] = JournalReader,
    ) -> None:
        self._journal = home.journal
        self._quarantine = home.path / "quarantine"
        self._applier = applier
        self._make_reader = reader
        self._readers: dict[str, JournalReader] = {}
        self._looked_at_ns = -1
        self._troubles: dict[str, str] = {}
        self._forget_at: float | None = 0.0 if applier.has_ever_erased() else None
        """When to overwrite what was erased outside of the ledger's tables; None: it is nowhere."""

    def step(self) -> int:
        """Apply what each writer has stored, one batch a writer; return how many records.

        Raises:
            apsw.Error: The ledger could not be written. Nothing is lost; call again later.
        """
        self._look_for_writers()
        if self._forget_at is not None and time.monotonic() >= self._forget_at:
            self._forget()
        return sum(self._follow(name, reader) for name, reader in list(self._readers.items()))

    def is_behind(self, ends: Mapping[str, tuple[int, int]]) -> bool:
        """Tell whether a writer that is followed has not been read up to its place in `ends`."""
        return any(
            name in self._readers and self._readers[name].position[:2] < end for name, end in ends.items()
        )

    def close(self) -> None:
        """Close every segment that is open."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _follow(self, name: str, reader: JournalReader) -> int:
        before = reader.position
        try:
            first = reader.read(BATCH_RECORDS)
            self._tell_of_trouble(name, reader)
            if not (first.entries or first.gaps or first.finished) and first.position == before:
                return 0
            applied = self._apply(name, reader, before, first)
        except BaseException:
            self._rewind(reader, before)
            raise
        if applied.last is None:
            return 0
        copy_records(reader.folder, applied.left_out, self._quarantine)
        # The commit is durable: synchronous is FULL. Only now may a segment be removed.
        if applied.has_erased:
            self._forget()
        if applied.last.finished:
            reader.close()
            del self._readers[name]
            self._troubles.pop(name, None)
            remove_writer(reader.folder, applied.last.position)
        elif reader.position.segment != before.segment:
            remove_passed(reader.folder, reader.position)
        return applied.records

    def _forget(self) -> None:
        """Overwrite applied records and earlier pages, which may hold personal values that were erased.

        Done again at every start, for an erasure may have been committed just before a crash.
        """
        try:
            for reader in self._readers.values():
                overwrite_passed(reader.folder, reader.position)
            is_done = self._applier.forget_earlier_pages()
        except (apsw.Error, OSError) as error:
            log.warning("what was erased is still in the journal or the WAL: %s", error)
            is_done = False
        self._forget_at = None if is_done else time.monotonic() + _FORGET_AGAIN_S

    def _apply(self, name: str, reader: JournalReader, before: Position, first: Batch) -> Applied:
        duplicates = False
        for _ in range(2):
            batches = self._batches(reader, first)
            try:
                return self._applier.apply(name, batches, look_for_duplicates=duplicates)
            except apsw.ConstraintError:
                if duplicates:
                    break
                duplicates = True
            except Exception as error:
                if not _is_the_datas_fault(error):
                    raise
                break
            self._rewind(reader, before)
            first = reader.read(BATCH_RECORDS)
        return self._apply_around(name, reader, before)

    def _apply_around(self, name: str, reader: JournalReader, before: Position) -> Applied:
        """Apply what lies at `before` in ever smaller steps, and mark the record that fails."""
        size = BATCH_RECORDS
        while True:
            self._rewind(reader, before)
            batch = reader.read(size)
            try:
                return self._applier.apply(name, [batch], look_for_duplicates=True)
            except Exception as error:
                if not _is_the_datas_fault(error):
                    raise
                if len(batch.entries) > 1:
                    size = len(batch.entries) // 2
                    continue
                self._applier.check_book(batch.entries)
                log.warning("a record of %s at %s is left out: %s", name, before, type(error).__name__)
                because = type(error).__name__
                return self._applier.apply(name, [batch], look_for_duplicates=True, leave_out_because=because)

    def _batches(self, reader: JournalReader, batch: Batch) -> Iterator[Batch]:
        """Yield what one transaction takes: everything there is, up to a limit."""
        count = 0
        while True:
            for gap in batch.gaps:
                copy_gap(reader.folder, gap, self._quarantine)
            yield batch
            count += weight(batch)
            if len(batch.entries) < BATCH_RECORDS or count >= TRANSACTION_RECORDS:
                return
            batch = reader.read(BATCH_RECORDS)

    def _tell_of_trouble(self, name: str, reader: JournalReader) -> None:
        """Log why a writer cannot be read, once for every reason."""
        trouble = str(reader.trouble) if reader.trouble else ""
        if trouble and trouble != self._troubles.get(name):
            log.warning("the journal %s cannot be read now and is kept: %s", name, trouble)
        if trouble:
            self._troubles[name] = trouble
        else:
            self._troubles.pop(name, None)

    def _rewind(self, reader: JournalReader, position: Position) -> None:
        reader.close()
        reader.position = position

    def _look_for_writers(self) -> None:
        try:
            changed_ns = self._journal.stat().st_mtime_ns
        except OSError:
            return
        if changed_ns == self._looked_at_ns and time.time_ns() - changed_ns > SETTLED_NS:
            return
        with os.scandir(self._journal) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        for name in names:
            if name.startswith("."):
                remove_unborn(self._journal / name)
            elif name not in self._readers:
                position, finished = self._applier.position(name)
                if finished:  # a crash came between the last commit and this removal
                    remove_writer(self._journal / name, position)
                    continue
                self._readers[name] = self._make_reader(self._journal / name, position)
        self._looked_at_ns = changed_ns


def _is_the_datas_fault(error: Exception) -> bool:
    """Tell an error that a record makes every time from one of the disk, which passes."""
    return isinstance(error, _DATA_ERRORS) or not isinstance(error, apsw.Error | OSError | MemoryError)
