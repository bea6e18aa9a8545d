"""Where events wait for the collector: journal folders below the state directory, bounded together.

    collectors/<collector>/spool/<token>/<writer>/     one process's segments, as in any journal
    collectors/<collector>/spool/<token>/.sent/        how far each writer's records have been acknowledged

The folders of one token are apart from those of another: what a token may say is not what another one may.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from farebox.journal.files import Files, GrowingFiles, SegmentFile

FOLDER = "collectors"
_SENT = ".sent"
_LOCK = ".takeover.lock"
_SEGMENT_BYTES_MAX = 1 << 20
_SEGMENT_BYTES_MIN = 16 << 10
_LOOK_AGAIN_S = 1.0
_COUNT_EVERY_S = 5.0
_UNSAFE = re.compile(r"[^\w.-]+", re.ASCII)


class Spool:
    """One process's view of what waits for one collector. Creating it touches no file."""

    def __init__(
        self,
        home: Path,
        collector: str,
        token: str,
        source: str,
        bytes_max: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.collector = _address(collector)
        self.root = folder_of(home, collector) / "spool"
        self.journal = self.root / _digest(token)
        """Where this process writes."""
        self.program = f"sdk-{_digest(source)}"
        """What the folders of this program begin with, whatever its token was."""
        self.bytes_max = bytes_max
        self._monotonic = monotonic
        self._used = 0
        self._count_at = 0.0
        self._locks: dict[Path, int] = {}

    @property
    def segment_bytes(self) -> int:
        """How large a segment is: small beside the bound, because one is only removed whole."""
        return min(max(self.bytes_max // 16, _SEGMENT_BYTES_MIN), _SEGMENT_BYTES_MAX)

    def files(self, power: bool) -> Files:
        """Return where segments come from; they refuse what would not fit."""
        return _BoundedFiles(self, GrowingFiles(power))

    def take_room(self, size: int) -> None:
        """Count bytes that are about to be stored.

        Raises:
            OSError: There is no room for them.
        """
        if self._used + size > self.bytes_max:
            if self._monotonic() >= self._count_at:
                self.count()
                self._count_at = self._monotonic() + _LOOK_AGAIN_S
            if self._used + size > self.bytes_max:
                raise OSError(errno.ENOSPC, f"the spool has reached its {self.bytes_max:,} bytes")
        self._used += size

    def count_if_due(self) -> None:
        """Count anew, from time to time, what all processes of the machine have stored."""
        began = self._monotonic()
        if began >= self._count_at:
            self.count()
            took_s = self._monotonic() - began
            self._count_at = began + max(_COUNT_EVERY_S, 50 * took_s)

    def count(self) -> int:
        """Return how many bytes all processes of this machine have waiting for the collector."""
        self._used = used_bytes(self.root)
        return self._used

    def sent_path(self, folder: Path) -> Path:
        """Return where it is noted how far a writer's records have been acknowledged."""
        return note_of(folder)

    def leftovers(self) -> list[Path]:
        """Return folders that this process may send for their writers if these are dead.

        Those of its own token, and those that this program wrote with an earlier one. Of each group one
        process of the machine is in charge at a time; it stays so until it ends.
        """
        found: list[Path] = []
        with contextlib.suppress(OSError):
            for group in sorted(self.root.iterdir()):
                wanted = "" if group == self.journal else self.program
                names = _names(group, wanted) if group.is_dir() else []
                if names and self._is_in_charge(group):
                    self._remove_orphans(group)
                    found += [group / name for name in names]
        return found

    def leave_to_parent(self) -> None:
        """In a child of a fork: close the locks that were inherited, which stay the parent's."""
        for descriptor in self._locks.values():
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._locks.clear()

    def close(self) -> None:
        """Let another process be in charge of what the dead have left."""
        self.leave_to_parent()

    def _is_in_charge(self, group: Path) -> bool:
        if group in self._locks:
            return True
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        descriptor = os.open(group / _LOCK, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._locks[group] = descriptor
        return True

    def _remove_orphans(self, group: Path) -> None:
        """Remove notes about folders that are gone."""
        with contextlib.suppress(OSError):
            for note in (group / _SENT).iterdir():
                if not (group / note.name).exists():
                    note.unlink(missing_ok=True)


def folder_of(home: Path, collector: str) -> Path:
    """Return the folder of everything that has to do with one collector."""
    host = _UNSAFE.sub("_", urlsplit(collector).netloc)[:80]
    return home / FOLDER / f"{host}-{_digest(collector)}"


def _address(collector: str) -> str:
    """Return a collector's address as it may be shown."""
    parts = urlsplit(collector)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def note_of(folder: Path) -> Path:
    """Return where it is noted how far a writer's records have been acknowledged."""
    return folder.parent / _SENT / folder.name


def program_of(folder: Path) -> str:
    """Return the program that a writer's folder is of, as `Spool.program`."""
    return "-".join(folder.name.split("-", 2)[:2])


def used_bytes(root: Path) -> int:
    """Return how many bytes of segments lie below a collector's folder."""
    return sum(used_bytes_of(folder) for folder in writer_folders(root))


def used_bytes_of(folder: Path) -> int:
    """Return how many bytes the segments of one writer have."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return sum(entry.stat().st_size for entry in entries if entry.name.endswith(".seg"))
    return 0


def writer_folders(root: Path) -> list[Path]:
    """Return the folders of all writers below a collector's `spool`."""
    found: list[Path] = []
    with contextlib.suppress(OSError):
        for group in root.iterdir():
            if group.is_dir():
                found += [group / name for name in _names(group, "")]
    return found


def _names(group: Path, beginning: str) -> list[str]:
    try:
        names = [entry.name for entry in group.iterdir()]
    except OSError:
        return []
    return sorted(name for name in names if not name.startswith(".") and name.startswith(beginning))


def _digest(text: str) -> str:
    # Four bytes tell tokens apart and lead nobody back to one.
    return hashlib.blake2b(text.encode(), digest_size=4, person=b"farebox-spool").hexdigest()


class _BoundedFiles:
    """Segments that a spool has room for."""

    def __init__(self, spool: Spool, files: Files) -> None:
        self._spool = spool
        self._files = files

    def create(self, path: Path, size: int) -> SegmentFile:
        self._spool.count_if_due()
        return _BoundedFile(self._spool, self._files.create(path, size))


class _BoundedFile:
    def __init__(self, spool: Spool, file: SegmentFile) -> None:
        self._take_room = spool.take_room
        self._store = file.store
        self.sync = file.sync
        self.release = file.release
        self.is_removed = file.is_removed
        self.close = file.close

    def store(self, at: int, record: bytes) -> None:
        self._take_room(len(record) + 7 & -8)
        self._store(at, record)
