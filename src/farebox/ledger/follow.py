"""Follow every writer's journal and keep the ledger up to it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from farebox.home import Home
from farebox.journal.reader import Batch, JournalReader, Position, copy_gap, remove_passed, remove_writer
from farebox.ledger.apply import Applier

BATCH_RECORDS = 4_000


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
        self._applied: dict[str, Position] = {}
        self._looked_at_ns = -1

    def step(self) -> int:
        """Apply what each writer has stored, one batch a writer; return how many records.

        Raises:
            apsw.Error: The ledger could not be written. Nothing is lost; call again later.
        """
        self._look_for_writers()
        return sum(self._follow(name, reader) for name, reader in list(self._readers.items()))

    def close(self) -> None:
        """Close every segment that is open."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _follow(self, name: str, reader: JournalReader) -> int:
        batch = reader.read(BATCH_RECORDS)
        if batch.entries or batch.gaps or batch.finished or batch.position != self._applied[name]:
            self._keep(name, reader, batch)
        return len(batch.entries) + len(batch.gaps)

    def _keep(self, name: str, reader: JournalReader, batch: Batch) -> None:
        for gap in batch.gaps:
            copy_gap(reader.folder, gap, self._quarantine)
        before = self._applied[name]
        try:
            self._applier.apply(name, batch)
        except BaseException:
            reader.close()
            reader.position = before
            raise
        # The commit above is durable: synchronous is FULL. Only now may a segment go.
        self._applied[name] = batch.position
        if batch.finished:
            reader.close()
            del self._readers[name], self._applied[name]
            remove_writer(reader.folder)
        elif batch.position.segment != before.segment:
            remove_passed(reader.folder, batch.position)

    def _look_for_writers(self) -> None:
        try:
            changed_ns = self._journal.stat().st_mtime_ns
        except OSError:
            return
        if changed_ns == self._looked_at_ns:
            return
        self._looked_at_ns = changed_ns
        with os.scandir(self._journal) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        for name in names:
            if name not in self._readers and not name.startswith("."):
                position, finished = self._applier.position(name)
                if finished:  # a crash came between the last commit and this removal
                    remove_writer(self._journal / name)
                    continue
                self._readers[name] = self._make_reader(self._journal / name, position)
                self._applied[name] = position
