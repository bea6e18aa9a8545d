"""A disk that fills up and is freed again (F-07): a real one, of a few MiB. Needs root."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "journal"))

from following import payloads, read_all, until
from tests import mounts

from farebox.journal import records
from farebox.journal.files import DiskFiles
from farebox.journal.writer import JournalWriter

MIB = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounts.small_disk(tmp_path / "small") as disk:
        yield disk


def test_on_a_small_disk_smaller_segments_are_made_and_room_is_left(small_disk: Path) -> None:
    writer = JournalWriter(small_disk / "journal")
    position = writer.append(records.DONE, b"kept")
    until(lambda: writer.health.durable >= position, "durability")
    assert writer.health.state == "ok"
    left = os.statvfs(small_disk)
    assert left.f_bavail * left.f_frsize >= MIB
    writer.close()
    assert payloads(writer.folder) == [b"kept"]


@pytest.mark.parametrize("mapped", [True, False], ids=["shared memory", "pwrite"])
def test_a_full_disk_loses_only_what_is_counted_and_recovers_by_itself(
    small_disk: Path, mapped: bool
) -> None:
    hog = small_disk / "hog"
    writer = JournalWriter(
        small_disk / "journal", files=DiskFiles(mapped=mapped), segment_bytes=MIB, memory_bytes_max=MIB
    )
    with hog.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(64 << 10))
    payload = b"x" * 1_000
    total = 4_000
    for _ in range(total):
        writer.append(records.DONE, payload)
    full = writer.health
    assert full.state == "lost" and full.reason
    assert full.records + full.lost_records == total
    hog.unlink()
    until(lambda: writer.health.state == "ok", "recovery")
    position = writer.append(records.DONE, b"after")
    until(lambda: writer.health.durable >= position, "durability")
    health = writer.health
    writer.close()
    entries, gaps, _ = read_all(writer.folder)
    assert not gaps
    kept = [data for _, kind, data in entries if kind == records.DONE]
    marks = [records.decode_mark(data) for _, kind, data in entries if kind == records.MARK]
    assert len(kept) - 1 + health.lost_exchanges == total
    assert sum(int(mark.detail["records"]) for mark in marks) == health.lost_records
