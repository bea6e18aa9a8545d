"""A writer's folder and the segments in it, one at a time from making to closing."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from farebox.clock import now_ns
from farebox.errors import JournalError
from farebox.journal.files import Files, SegmentFile, preallocate, sync_directory
from farebox.journal.format import (
    HEADER_BYTES,
    Header,
    encode_header,
    reseal,
    segment_name,
    segment_seed,
)
from farebox.journal.tally import LOCK_NAME, TALLY_BYTES, Tally, write_tally

SEGMENT_BYTES_MIN = 2 << 20
"""The least that is made where the disk has no room for a whole segment: any record fits in it."""
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


class Segment:
    """A segment being filled. Every method but `sync` runs under the writer's lock."""

    __slots__ = ("_file", "capacity", "offset", "seed", "store_at", "writer")

    def __init__(self, file: SegmentFile, writer: str, seed: int, capacity: int) -> None:
        self._file = file
        self.store_at = file.store
        self.writer = writer
        self.seed = seed
        self.capacity = capacity
        self.offset = 0
        """Where the next record goes; 0 until the segment has begun."""

    def begin(self, first_seq: int) -> None:
        """Write the header; until then readers take the segment for not begun."""
        self._file.store(0, encode_header(Header(self.writer, first_seq, now_ns())))
        self.offset = HEADER_BYTES

    def fits(self, record: bytes) -> bool:
        """Tell whether there is room for `record`."""
        return self.offset + len(record) <= self.capacity

    def store(self, record: bytes) -> None:
        """Store a record sealed for this segment."""
        self.store_at(self.offset, record)
        self.offset += len(record) + 7 & -8

    def store_resealed(self, record: bytes) -> bytes:
        """Store a record sealed for no or another segment and return it as stored."""
        sealed = reseal(self.seed, record)
        self.store(sealed)
        return sealed

    def sync(self) -> None:
        """Return when all that was stored before survives a power cut."""
        self._file.sync()

    def release(self, behind: int) -> None:
        """Give back the memory of everything more than `behind` bytes back."""
        if self.offset > behind:
            self._file.release(self.offset - behind)

    def is_removed(self) -> bool:
        """Tell whether somebody removed the file while it was being filled."""
        return self._file.is_removed()

    def drop(self) -> None:
        """Close and leave the file as it is: it is another process's, or it was removed."""
        self._file.close()

    def close(self) -> None:
        """Close, cutting off what was never used. Errors of the disk are ignored here."""
        with contextlib.suppress(OSError):
            self._file.close(self.offset)


class SegmentFolder:
    """One writer's folder: holds its lock and makes its segments, numbered from 1."""

    def __init__(
        self, journal: Path, writer: str, files: Files, segment_bytes: int, *, durable: bool = True
    ) -> None:
        """`durable`: the folder's name survives a power cut, for which its making waits."""
        self.path = journal / writer
        self._writer = writer
        self._files = files
        self._segment_bytes = segment_bytes
        self._durable = durable
        self._next_number = 1
        try:
            self._lock_descriptor = _make_locked(journal, writer, durable)
        except OSError as error:
            raise JournalError(f"no journal can be made in {journal}: {error.strerror}") from error

    def make(self) -> Segment:
        """Return a new preallocated segment; as slow as the disk is.

        One that is smaller where there is no room for a whole one: half of what is left, so that the
        ledger has some, too. A folder that was removed is made anew.

        Raises:
            OSError: There is no room, or the disk fails.
        """
        try:
            return self._make(self._segment_bytes)
        except FileNotFoundError:
            removed, self._lock_descriptor = (
                self._lock_descriptor,
                _make_locked(self.path.parent, self._writer, self._durable),
            )
            os.close(removed)
            return self._make(self._segment_bytes)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            found = os.statvfs(self.path)
            half = found.f_bavail * found.f_frsize // 2 & -4096
            if not SEGMENT_BYTES_MIN <= half < self._segment_bytes:
                raise
            return self._make(half)

    def _make(self, size: int) -> Segment:
        number = self._next_number
        file = self._files.create(self.path / segment_name(number), size)
        self._next_number = number + 1
        return Segment(file, self._writer, segment_seed(self._writer, number), size)

    def note(self, tally: Tally) -> None:
        """Note how far the records are safe, for readers once the writer is dead."""
        with contextlib.suppress(OSError):
            write_tally(self._lock_descriptor, tally)

    def unlock(self) -> None:
        """Let readers know that nothing more will come."""
        os.close(self._lock_descriptor)


def is_alive(folder: Path) -> bool:
    """Tell whether the writer of `folder` still holds its lock.

    Raises:
        OSError: It cannot be told now. A caller that took this for "dead" would delete a live writer's
        records.
    """
    return is_held(folder / LOCK_NAME)


def is_held(lock: Path) -> bool:
    """Tell whether a process holds a lock file; one that is not there is held by nobody.

    Raises:
        OSError: It cannot be told now.
    """
    try:
        descriptor = os.open(lock, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _make_locked(journal: Path, writer: str, durable: bool) -> int:
    """Create the folder under its final name only once its lock is held.

    Raises:
        OSError: There is no room, or it may not be made.
    """
    unborn = journal / f".{writer}"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    journal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    journal.mkdir(mode=0o700, exist_ok=True)
    unborn.mkdir(mode=0o700)
    descriptor = -1
    try:
        descriptor = os.open(unborn / LOCK_NAME, flags, 0o600)
        preallocate(descriptor, TALLY_BYTES)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unborn.rename(journal / writer)
        if durable:
            sync_directory(journal)
    except OSError:
        if descriptor >= 0:
            os.close(descriptor)
        with contextlib.suppress(OSError):
            (unborn / LOCK_NAME).unlink(missing_ok=True)
            unborn.rmdir()
        raise
    return descriptor
