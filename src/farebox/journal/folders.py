"""Look into a writer's folder without reading its records, and remove what was read."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import NamedTuple

from farebox.journal.format import HEADER_BYTES, RECORD_HEAD_BYTES, segment_name
from farebox.journal.segments import LOCK_NAME, is_alive

UNREAD = ".unread"
"""Added to the name of a segment that was set aside: nothing removes it."""
_UNBORN_S = 60.0
"""Making a folder takes less than this, whatever the disk does."""

_OVERWRITTEN = b"\xff" * (1 << 20)


class Position(NamedTuple):
    """Where reading goes on: the next record's place and sequence number."""

    segment: int = 1
    offset: int = 0
    seq: int = 1


def segment_numbers(folder: Path, *, set_aside: bool = False) -> list[int]:
    """Return the numbers of a folder's segments in order, also of those set aside if wanted.

    Raises:
        OSError: The folder is there and cannot be looked into.
    """
    try:
        names = [entry.name for entry in folder.iterdir()]
    except FileNotFoundError:
        return []
    if set_aside:
        names = list({name.removesuffix(UNREAD) for name in names})
    return sorted(int(name[:-4]) for name in names if name.endswith(".seg") and name[:-4].isdigit())


def open_segment(folder: Path, number: int) -> int:
    """Open a segment for reading."""
    return os.open(folder / segment_name(number), os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))


def first_bytes(folder: Path, number: int, size: int) -> bytes:
    """Return how a segment begins."""
    descriptor = open_segment(folder, number)
    try:
        return os.pread(descriptor, size, 0)
    finally:
        os.close(descriptor)


def pending_bytes(folder: Path, position: Position) -> int:
    """Return how much a writer has stored beyond `position`: 0, or up to a page of 4 KiB too much.

    Raises:
        OSError: A segment is there and cannot be read.
    """
    total = 0
    for number in segment_numbers(folder):
        if number < position.segment:
            continue
        start = position.offset if number == position.segment else 0
        try:
            descriptor = open_segment(folder, number)
        except FileNotFoundError:
            continue
        try:
            size = os.fstat(descriptor).st_size
            if os.pread(descriptor, RECORD_HEAD_BYTES, start).strip(b"\0"):
                total += max(_used(descriptor, start, size) - start, 0)
        finally:
            os.close(descriptor)
    return total


def stored_ends(journal: Path) -> dict[str, tuple[int, int]]:
    """Return how far each writer has stored by now: its newest segment, and where that is blank from."""
    ends: dict[str, tuple[int, int]] = {}
    with contextlib.suppress(OSError):
        for folder in journal.iterdir():
            for number in reversed(segment_numbers(folder)):
                descriptor = open_segment(folder, number)
                try:
                    if os.pread(descriptor, HEADER_BYTES, 0).strip(b"\0"):
                        ends[folder.name] = number, _used(descriptor, 0, os.fstat(descriptor).st_size)
                        break
                finally:
                    os.close(descriptor)
    return ends


def remove_passed(folder: Path, position: Position) -> None:
    """Remove the segments before `position`; their records are durable elsewhere."""
    with contextlib.suppress(OSError):
        for number in segment_numbers(folder):
            if number < position.segment:
                (folder / segment_name(number)).unlink()


def overwrite_passed(folder: Path, position: Position) -> None:
    """Overwrite what lies before `position` in the segment that is still being filled.

    Its writer only adds behind it, and no reader goes back to it. It is not overwritten with zeros, because
    a blank page is the end of a segment to its readers.

    Raises:
        OSError: The segment is there and could not be overwritten.
    """
    flags = os.O_WRONLY | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(folder / segment_name(position.segment), flags)
    except FileNotFoundError:
        return
    try:
        at = HEADER_BYTES
        while at < position.offset:
            at += os.pwrite(descriptor, _OVERWRITTEN[: position.offset - at], at)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_writer(folder: Path, position: Position) -> bool:
    """Remove a dead writer's folder, whose records up to `position` are durable elsewhere.

    Nothing is removed unless the writer's lock can be had and no segment has begun behind the
    position. Files that are no segments, and those that were set aside, are kept, and so is then
    the folder. Tell whether it is gone.
    """
    try:
        if is_alive(folder):
            return False
        numbers = segment_numbers(folder)
        for number in numbers:
            if number > position.segment and first_bytes(folder, number, HEADER_BYTES).strip(b"\0"):
                return False
        for number in numbers:
            (folder / segment_name(number)).unlink()
        if any(entry.name != LOCK_NAME for entry in folder.iterdir()):
            return False
        (folder / LOCK_NAME).unlink(missing_ok=True)  # last: without it nobody could tell dead from alive
        folder.rmdir()
    except OSError:
        return False
    return True


def remove_unborn(folder: Path) -> None:
    """Remove a folder whose writer ended while it was making it: it has no records yet."""
    with contextlib.suppress(OSError):
        if time.time() - folder.stat().st_mtime < _UNBORN_S or is_alive(folder):
            return
        (folder / LOCK_NAME).unlink(missing_ok=True)
        folder.rmdir()


def _used(descriptor: int, start: int, size: int) -> int:
    """Return the first blank page after `start`, by halving: segments fill from the front."""
    low, high = start // 4096, (size + 4095) // 4096
    while low < high:
        middle = (low + high) // 2
        if os.pread(descriptor, 4096, middle * 4096).strip(b"\0"):
            low = middle + 1
        else:
            high = middle
    return low * 4096
