"""What became of each program's events, kept beside the spool: `collectors/<collector>/programs/<program>`.

Every process of a program adds to one file, so that `farebox status` can tell how it is going without
asking any of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import msgspec

from farebox.clock import now_ns
from farebox.home import replace_private

PROGRAMS = "programs"
_LOCK = ".lock"


class ProgramFigures(msgspec.Struct):
    """One program's, since its first batch."""

    source: str = ""
    collector: str = ""
    """Its address, without what may stand before an `@`."""
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    """Events that the collector has refused for good."""
    acknowledged_at: int = 0
    """When the last batch was acknowledged, nanoseconds since 1970; 0 for never."""
    trouble: str | None = None
    """Why the last attempt failed, None where it did not."""


_decode = msgspec.json.Decoder(ProgramFigures).decode


class FigureFiles:
    """Adds to the files of one collector's programs; used by one thread at a time."""

    def __init__(
        self, folder: Path, source: str, collector: str, clock_ns: Callable[[], int] = now_ns
    ) -> None:
        self._folder = folder / PROGRAMS
        self._source = source
        self._collector = collector
        self._clock_ns = clock_ns
        self._added: defaultdict[str, ProgramFigures] = defaultdict(ProgramFigures)

    def count(self, program: str, status: str) -> None:
        """Count a verdict about an event of a program."""
        figures = self._added[program]
        if status == "accepted":
            figures.accepted += 1
        elif status == "duplicate":
            figures.duplicates += 1
        else:
            figures.refused += 1
        figures.acknowledged_at = self._clock_ns()

    def write(self, own: str, trouble: str | None = None) -> None:
        """Add what was counted to the files; what is in use elsewhere, or cannot be written, waits."""
        figures = self._added[own]
        figures.trouble = trouble
        figures.source, figures.collector = self._source, self._collector
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
            lock = os.open(self._folder / _LOCK, flags, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for program in list(self._added):
                    added = self._added[program]
                    path = self._folder / f"{program}.json"
                    replace_private(path, msgspec.json.encode(_sum(read(path), added)))
                    del self._added[program]
            finally:
                os.close(lock)


def read(path: Path) -> ProgramFigures:
    """Return what a file holds; nothing where it cannot be read."""
    try:
        return _decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return ProgramFigures()


def _sum(before: ProgramFigures, added: ProgramFigures) -> ProgramFigures:
    return ProgramFigures(
        source=added.source or before.source,
        collector=added.collector or before.collector,
        accepted=before.accepted + added.accepted,
        duplicates=before.duplicates + added.duplicates,
        refused=before.refused + added.refused,
        acknowledged_at=max(before.acknowledged_at, added.acknowledged_at),
        trouble=added.trouble,
    )
