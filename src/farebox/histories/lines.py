"""The lines of a file that grows, from where the last reading ended."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

LINE_BYTES_MAX = 16 << 20
"""A longer line is passed over: usage stands in short ones."""
_MARK_BYTES = 256

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What is raised for text that is no JSON of the expected shape: broken, not UTF-8, or without an end."""


class Position(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How far a file was read."""

    offset: int = 0
    """What is before was read, whole lines."""
    size: int = 0
    mtime_ns: int = 0
    mark: str = ""
    """Digest of the bytes just before `offset`: a file that was rewritten has others there."""
    state: dict[str, Any] = {}
    """What the reader knew at `offset`."""

    def is_unchanged(self, status: os.stat_result) -> bool:
        """Tell whether a file is as it was when it was read."""
        return self.size == status.st_size and self.mtime_ns == status.st_mtime_ns


class Lines:
    """The new lines of one open file."""

    def __init__(self, file: BinaryIO, before: Position | None) -> None:
        self._file = file
        self.too_long = 0
        """Lines that were passed over."""
        status = os.fstat(file.fileno())
        self.size = status.st_size
        self.mtime_ns = status.st_mtime_ns
        is_grown = (
            before is not None and before.offset <= self.size and before.mark == _mark(file, before.offset)
        )
        self.start = before.offset if before is not None and is_grown else 0
        """0 for a file that is new, or was cut or rewritten: it is read again from its beginning."""
        self.state: dict[str, Any] = dict(before.state) if before is not None and is_grown else {}
        self.end = self.start
        """Behind the last whole line that was handed out."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield whole lines. What is behind the last line break is being written, and left for next time."""
        file = self._file
        file.seek(self.start)
        while True:
            line = file.readline(LINE_BYTES_MAX)
            if not line.endswith(b"\n"):
                if len(line) < LINE_BYTES_MAX:
                    return
                size = self._pass_over()
                if not size:
                    return
                self.end += len(line) + size
                continue
            self.end += len(line)
            yield line

    def position(
        self, offset: int, state: dict[str, Any] | None = None, *, is_settled: bool = True
    ) -> Position:
        """Return how far the file was read; one that is not settled is looked at again in any case."""
        return Position(
            offset=offset,
            size=self.size if is_settled else -1,
            mtime_ns=self.mtime_ns,
            mark=_mark(self._file, offset),
            state=state or {},
        )

    def _pass_over(self) -> int:
        """Skip the rest of a line; return its size, 0 where it has no end yet."""
        size = 0
        while piece := self._file.readline(LINE_BYTES_MAX):
            size += len(piece)
            if piece.endswith(b"\n"):
                self.too_long += 1
                return size
        return 0


def open_file(path: Path) -> BinaryIO:
    """Return a file to read from.

    Raises:
        OSError: It cannot be read, or is a pipe or a device, which may have no end.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # else a pipe is waited for
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a file")
    return os.fdopen(descriptor, "rb", buffering=1 << 18)


def read_whole(path: Path) -> bytes:
    """Return what a small file holds.

    Raises:
        OSError: It cannot be read, is no file, or is larger than a line may be.
    """
    with open_file(path) as file:
        content = file.read(LINE_BYTES_MAX + 1)
    if len(content) > LINE_BYTES_MAX:
        raise OSError(errno.EFBIG, "larger than 16 MiB")
    return content


def shown(name: str | Path) -> str:
    """Return a file's name as text that can be written down, whatever bytes it is made of."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _mark(file: BinaryIO, offset: int) -> str:
    start = max(offset - _MARK_BYTES, 0)
    file.seek(start)
    return hashlib.sha256(file.read(offset - start)).hexdigest()[:16]
