"""The only place where the journal touches files, so that tests can stall, tear and fill them.

Two ways to store a record: a copy into the shared pages of a preallocated file (no system call,
survives the process), and `pwrite` where that would not be safe. Both raise OSError and nothing
else; `create` may wait for the disk, `store` is called on the request path.
"""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path
from typing import Protocol

from farebox.journal.filesystem import can_map

_PAGE = mmap.PAGESIZE
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class SegmentFile(Protocol):
    """One preallocated file, all zeros at first."""

    def store(self, at: int, record: bytes) -> None:
        """Put `record` where every other process sees it at once."""
        ...

    def sync(self) -> None:
        """Return when everything stored before the call survives a power cut."""
        ...

    def release(self, upto: int) -> None:
        """Give back the memory of what lies before `upto`."""
        ...

    def is_removed(self) -> bool:
        """Tell whether the file was removed: records stored in it would be lost."""
        ...

    def close(self, used: int | None = None) -> None:
        """Close without syncing; cut the file to `used` bytes where that is given."""
        ...


class Files(Protocol):
    """Where segments come from."""

    def create(self, path: Path, size: int) -> SegmentFile:
        """Return a new file whose `size` bytes and whose name survive a power cut."""
        ...


class DiskFiles:
    """Real files: shared memory where `path`'s file system allows it, else plain writes."""

    def __init__(self, mapped: bool | None = None) -> None:
        self._mapped = mapped

    def create(self, path: Path, size: int) -> SegmentFile:
        mapped = can_map(path.parent) if self._mapped is None else self._mapped
        descriptor = os.open(path, _CREATE, 0o600)
        try:
            preallocate(descriptor, size)
            os.fsync(descriptor)
            sync_directory(path.parent)
            return MappedFile(descriptor, size) if mapped else WrittenFile(descriptor)
        except BaseException:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise


class GrowingFiles:
    """Files that grow with what is written into them; nothing is preallocated."""

    def __init__(self, durable: bool) -> None:
        """`durable`: a new file's name survives a power cut."""
        self._durable = durable

    def create(self, path: Path, size: int) -> SegmentFile:
        descriptor = os.open(path, _CREATE, 0o600)
        if self._durable:
            try:
                sync_directory(path.parent)
            except BaseException:
                os.close(descriptor)
                path.unlink(missing_ok=True)
                raise
        return WrittenFile(descriptor)


class MappedFile:
    """A segment written by copying into shared file pages."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._map = mmap.mmap(descriptor, size, flags=mmap.MAP_SHARED)
        self._released = 0

    def store(self, at: int, record: bytes) -> None:
        self._map[at : at + len(record)] = record

    def sync(self) -> None:
        datasync(self._descriptor)

    def release(self, upto: int) -> None:
        # Pages behind are unmapped; the page cache keeps them for the reader.
        edge = upto - upto % _PAGE
        if edge > self._released and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED, self._released, edge - self._released)
            self._released = edge

    def is_removed(self) -> bool:
        return os.fstat(self._descriptor).st_nlink == 0

    def close(self, used: int | None = None) -> None:
        self._map.close()
        _close(self._descriptor, used)


class WrittenFile:
    """A segment written by one `pwrite` a record."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def store(self, at: int, record: bytes) -> None:
        written = os.pwrite(self._descriptor, record, at)
        if written != len(record):
            raise OSError(errno.ENOSPC, "the record did not fit")

    def sync(self) -> None:
        datasync(self._descriptor)

    def release(self, upto: int) -> None:
        pass

    def is_removed(self) -> bool:
        return os.fstat(self._descriptor).st_nlink == 0

    def close(self, used: int | None = None) -> None:
        _close(self._descriptor, used)


def datasync(descriptor: int) -> None:
    """Sync a file's content: `fdatasync`, or the platform's strongest equivalent."""
    if hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
        return
    import fcntl

    full_sync: int | None = getattr(fcntl, "F_FULLFSYNC", None)
    if full_sync is not None:  # on macOS fsync does not reach the platter
        fcntl.fcntl(descriptor, full_sync)
    else:
        os.fsync(descriptor)


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def preallocate(descriptor: int, size: int) -> None:
    """Take the room for `size` bytes of zeros, as far as the platform can."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)


def _close(descriptor: int, used: int | None) -> None:
    try:
        if used is not None:
            os.ftruncate(descriptor, used)
    finally:
        os.close(descriptor)
