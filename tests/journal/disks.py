"""File layers that stall, fail and fill up."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path

from farebox.journal.files import DiskFiles, SegmentFile


class TroubledFiles:
    """Real files whose `create` and `sync` can be told to fail or to stall."""

    def __init__(self, *, mapped: bool | None = None) -> None:
        self._real = DiskFiles(mapped=mapped)
        self.full = False
        self.failing_syncs = 0
        """How many of the coming syncs fail with EIO."""
        self.failing_stores = 0
        self.gate = threading.Event()
        """Syncs and creations wait here while it is cleared."""
        self.gate.set()
        self.synced: list[str] = []
        self.on_sync: Callable[[str], None] | None = None

    def create(self, path: Path, size: int) -> SegmentFile:
        self.gate.wait()
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return _TroubledFile(self, path.name, self._real.create(path, size))


class _TroubledFile:
    def __init__(self, disk: TroubledFiles, name: str, real: SegmentFile) -> None:
        self._disk = disk
        self._name = name
        self._real = real
        self._failed = False

    def store(self, at: int, record: bytes) -> None:
        if self._disk.failing_stores:
            self._disk.failing_stores -= 1
            raise OSError(errno.EIO, "Input/output error")
        self._real.store(at, record)

    def sync(self) -> None:
        assert not self._failed, "a descriptor whose sync failed was synced again"
        self._disk.gate.wait()
        if self._disk.failing_syncs:
            self._disk.failing_syncs -= 1
            self._failed = True
            raise OSError(errno.EIO, "Input/output error")
        self._real.sync()
        self._disk.synced.append(self._name)

    def release(self, upto: int) -> None:
        self._real.release(upto)

    def is_removed(self) -> bool:
        return self._real.is_removed()

    def close(self, used: int | None = None) -> None:
        self._real.close(used)
