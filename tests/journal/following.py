"""Read a journal to its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from farebox.journal.reader import Entry, Gap, JournalReader


def read_all(folder: Path) -> tuple[list[Entry], list[Gap], bool]:
    """Return every record and gap of one writer, and whether there will be no more."""
    reader = JournalReader(folder)
    entries: list[Entry] = []
    gaps: list[Gap] = []
    while True:
        batch = reader.read(1_000)
        entries += batch.entries
        gaps += batch.gaps
        if not batch.entries and not batch.gaps:
            reader.close()
            return entries, gaps, batch.finished


def payloads(folder: Path) -> list[bytes]:
    """Return every payload of one writer."""
    return [payload for _, _, payload in read_all(folder)[0]]


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for `condition`; give up only when something must be broken."""
    for _ in range(6_000):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError(f"never happened: {what}")
