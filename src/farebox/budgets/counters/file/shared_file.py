"""The counters' file and its lock together: how a process enters and leaves a critical section."""

from __future__ import annotations

import contextlib
import os
import weakref
from pathlib import Path

from farebox.budgets.counters.file import layout
from farebox.budgets.counters.file.file_lock import FileLock, is_held
from farebox.budgets.counters.file.layout import TABLES, Table
from farebox.budgets.counters.file.mapped_file import DAMAGE, MappedFile, Wrap
from farebox.budgets.counters.file.section import Section, recover
from farebox.errors import CountersError

OPENING_PATIENCE_S = 5.0
_all: weakref.WeakSet[SharedFile] = weakref.WeakSet()


class SharedFile:
    """One process's view of the home's counters."""

    def __init__(self, folder: Path, wrap: Wrap | None = None) -> None:
        """Open or make the file.

        Raises:
            CountersNewerError: A newer Farebox wrote it.
            CountersError: It cannot be opened or made, or its lock is not to be had.
        """
        self.folder = folder
        self._wrap = wrap
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = FileLock(folder / "lock")
            _all.add(self)
        except OSError as error:
            raise CountersError(f"budgets cannot be counted in {folder}: {error.strerror}") from error
        if not self._lock.acquire(OPENING_PATIENCE_S):
            self._lock.close()
            raise CountersError(f"budgets cannot be counted: a process that stands still holds {folder}/lock")
        try:
            self._remove_unborn()
            self.file = MappedFile(folder / "counters", wrap)
        except BaseException:
            self._lock.release()
            self._lock.close()
            raise
        self._lock.release()

    def enter(self, patience_s: float = 0.0) -> Section | None:
        """Take the lock and return a section; None where it is not to be had now.

        The file may be another one afterwards: one that was damaged or removed is replaced by an empty one.

        Raises:
            CountersError: A file has to be made and there is no room.
        """
        grown = [(table, self.file.words[table.allocated]) for table in TABLES if self._grow(table)]
        if not self._lock.acquire(patience_s):
            return None
        try:
            if not self.file.is_current():
                self.file.close()
                self.file = MappedFile(self.file.path, self._wrap)
            elif grown:
                self._note_growth(grown)
            try:
                recover(self.file.words)
            except DAMAGE:
                self.replace()
            return Section(self.file.words)
        except BaseException:
            self._lock.release()
            raise

    def leave(self) -> None:
        """Give the lock back, and finish what an interruption may have left half stored."""
        try:
            if self.file.words[layout.H_PENDING]:
                with contextlib.suppress(*DAMAGE):
                    recover(self.file.words)
        finally:
            self._lock.release()

    def replace(self) -> None:
        """Put an empty file in the place of one that is damaged. By the holder of the lock.

        Raises:
            CountersError: There is no room.
        """
        try:
            self.file.replace()
        except OSError as error:
            raise CountersError(f"budgets cannot be counted: {error.strerror}") from error

    def follow(self, patience_s: float = 0.0) -> None:
        """Look at the file there is now, where it was replaced or removed.

        Raises:
            CountersError: A file has to be made and there is no room.
        """
        if not self.file.is_current() and self.enter(patience_s) is not None:
            self.leave()

    def make_room(self, table: Table, count: int, patience_s: float) -> None:
        """Have blocks for `count` more records, as far as there is room. Waits for the disk."""
        for _ in range(table.most // table.step):
            words = self.file.words
            allocated = words[table.allocated]
            if allocated - words[table.used] >= count or not self.file.grow(table):
                return
            if self.enter(patience_s) is None:
                return
            self._note_growth([(table, allocated)])
            self.leave()

    def life_lock(self, number: int) -> Path:
        """Return the file that a participant holds for its life."""
        return self.folder / f"{number:016x}.alive"

    def living(self) -> set[int]:
        """Return the numbers of all participants that run, in this file or in one that was replaced."""
        found: set[int] = set()
        for path in self.folder.glob("*.alive"):
            with contextlib.suppress(OSError, ValueError):
                if is_held(path):
                    found.add(int(path.stem, 16))
        return found

    def leave_to_parent(self) -> None:
        """In a child of a fork: have a lock of our own."""
        self._lock.leave_to_parent()

    def close(self) -> None:
        self._lock.close()
        self.file.close()

    def _grow(self, table: Table) -> bool:
        words = self.file.words
        left = words[table.allocated] - words[table.used]
        return left < table.step // 4 and not words[table.free] and self.file.grow(table)

    def _note_growth(self, grown: list[tuple[Table, int]]) -> None:
        words = self.file.words
        for table, allocated in grown:
            if words[table.allocated] == allocated:  # else somebody else has noted it
                words[table.allocated] = allocated + table.step

    def _remove_unborn(self) -> None:
        """Remove what a process left that was killed while it made a file."""
        for path in self.folder.glob(".counters.*"):
            with contextlib.suppress(OSError):
                path.unlink()


def _leave_to_parents() -> None:
    for shared in list(_all):
        shared.leave_to_parent()


os.register_at_fork(after_in_child=_leave_to_parents)
