"""Copy what the journals hold beyond a copy of the record, while writers write and the ledger removes.

Segments are held open from before the record is copied: one that is applied and removed in the meantime can
still be read. The copy of a living writer's last segment is cut behind its last whole record.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from farebox.journal.folders import Position, segment_numbers
from farebox.journal.format import (
    HEADER_BYTES,
    decode_record,
    find_record,
    segment_name,
    segment_seed,
)
from farebox.journal.tally import LOCK_NAME, TALLY_BYTES

Applied = Mapping[str, tuple[Position, bool]]
"""How far each writer's journal is in the record, and whether that is all of it."""

_CHUNK = 1 << 20


class JournalTail:
    """The segments of a home, held open."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._locks: dict[str, int] = {}
        self._segments: dict[str, dict[int, int]] = {}
        self.look()

    def look(self) -> None:
        """Hold the segments that are there and not held yet."""
        folders = sorted(self._journal.iterdir()) if self._journal.is_dir() else []
        for folder in folders:
            if folder.name.startswith(".") or not folder.is_dir():
                continue
            held = self._segments.setdefault(folder.name, {})
            try:
                if folder.name not in self._locks:
                    self._locks[folder.name] = os.open(folder / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
                for number in segment_numbers(folder):
                    if number not in held:
                        held[number] = os.open(folder / segment_name(number), os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # removed at this moment: it is all in the record

    def covers(self, applied: Applied) -> bool:
        """Return whether nothing behind the applied positions was removed before it was held."""
        for writer, held in self._segments.items():
            position, finished = applied.get(writer, (Position(), False))
            wanted = range(position.segment, max(held, default=0) + 1)
            if not finished and any(number not in held for number in wanted):
                return False
        return True

    def copy(self, target: Path, applied: Applied) -> list[Path]:
        """Copy every writer that is not applied to its end; return the files made."""
        made: list[Path] = []
        for writer, held in self._segments.items():
            position, finished = applied.get(writer, (Position(), False))
            if finished or writer not in self._locks:
                continue
            folder = target / writer
            folder.mkdir(mode=0o700)
            # Before the segments: what a writer notes here of itself must not be newer than they are.
            note = os.pread(self._locks[writer], TALLY_BYTES, 0)
            made.append(_write(folder / LOCK_NAME, note))
            begun = [
                number for number in sorted(held) if number >= position.segment and _has_begun(held[number])
            ]
            for number in begun:
                file = folder / segment_name(number)
                _copy(held[number], file)
                start = position.offset if number == position.segment else 0
                _cut(file, segment_seed(writer, number), max(start, HEADER_BYTES), last=number == begun[-1])
                made.append(file)
        return made

    def close(self) -> None:
        """Let go of everything."""
        for descriptor in (
            *self._locks.values(),
            *(each for held in self._segments.values() for each in held.values()),
        ):
            os.close(descriptor)
        self._locks.clear()
        self._segments.clear()


def _has_begun(descriptor: int) -> bool:
    return bool(os.pread(descriptor, HEADER_BYTES, 0).strip(b"\0"))


def _copy(source: int, target: Path) -> None:
    """Copy a segment up to its blank end."""
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        at = 0
        while chunk := os.pread(source, _CHUNK, at):
            if chunk.strip(b"\0"):
                os.pwrite(descriptor, chunk, at)
            at += len(chunk)
    finally:
        os.close(descriptor)


def _cut(file: Path, seed: int, start: int, *, last: bool) -> None:
    """End a copied segment behind its last whole record: the one being stored comes with no backup."""
    with file.open("r+b") as opened:
        data = opened.read()
        at = start
        while True:
            record = decode_record(seed, data, at)
            if record is None and last:
                found = find_record(seed, data, at)
                record = decode_record(seed, data, found) if found is not None else None
            if record is None:
                break
            at = record.end
        if last:
            opened.truncate(max(at, HEADER_BYTES))
        os.fsync(opened.fileno())


def _write(path: Path, content: bytes) -> Path:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return path
