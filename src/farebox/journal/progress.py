"""The ledger process's progress report, which can be read without a database.

Written in place a few times a second, into space that was allocated at its start: so a full disk can be
reported, and a report that is too old shows that the process is stuck.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from farebox.clock import now_ns
from farebox.journal.files import preallocate

STALE_NS = 5_000_000_000
"""A working ledger process reports every half second."""
_EVERY_NS = 200_000_000
_BYTES = 1024


class Progress(msgspec.Struct, kw_only=True):
    """The last report."""

    pid: int
    at_ns: int
    trouble: str | None = None
    """Why it cannot append what the journals hold."""

    def words(self, at_ns: int) -> str | None:
        """Return what is wrong with the ledger process at `at_ns`, None where nothing is."""
        if self.trouble is not None:
            return self.trouble
        silent_s = (at_ns - self.at_ns) // 1_000_000_000
        if at_ns - self.at_ns > STALE_NS:
            return f"the ledger process (pid {self.pid}) stands still: no report for {silent_s:,} s"
        return None


_decode = msgspec.json.Decoder(Progress).decode


def progress_path(journal: Path) -> Path:
    """Return where the ledger process of a home writes, given the home's journal."""
    return journal.parent / "run" / "ledger.progress"


def ledger_trouble(journal: Path) -> str | None:
    """Return what is wrong with the ledger process that runs, or that died; None where nothing is."""
    for _ in range(2):  # the report may be half written at this moment
        try:
            content = progress_path(journal).read_bytes()
        except OSError:
            return None
        with contextlib.suppress(msgspec.MsgspecError):
            return _decode(content.rstrip(b"\0 ")).words(now_ns())
    return "the ledger process could not report its state; is the disk full?"


class ProgressNote:
    """The ledger process's side. Never raises: what cannot be written shows by its age."""

    def __init__(self, journal: Path) -> None:
        self._path = progress_path(journal)
        self._descriptor = -1
        self._said: tuple[str | None, int] = (None, 0)
        with contextlib.suppress(OSError):
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
            self._descriptor = os.open(self._path, flags, 0o600)
            preallocate(self._descriptor, _BYTES)
        self.say(None)

    def say(self, trouble: str | None) -> None:
        """Report that all is well, or what the trouble is."""
        now = now_ns()
        if self._descriptor < 0 or (trouble == self._said[0] and now - self._said[1] < _EVERY_NS):
            return
        self._said = trouble, now
        short = trouble[:400] if trouble is not None else None
        text = msgspec.json.encode(Progress(pid=os.getpid(), at_ns=now, trouble=short))
        with contextlib.suppress(OSError):
            os.pwrite(self._descriptor, text.ljust(_BYTES), 0)

    def close(self) -> None:
        """Remove the report: the process has ended as it should."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            with contextlib.suppress(OSError):
                self._path.unlink()
