from __future__ import annotations

import errno
import os
import random
import time
from pathlib import Path

import pytest
from following import payloads, read_all

from farebox.journal import records
from farebox.journal.folders import UNREAD, pending_bytes, remove_passed, remove_writer, segment_numbers
from farebox.journal.format import HEADER_BYTES, segment_name
from farebox.journal.quarantine import copy_gap
from farebox.journal.reader import Gap, JournalReader, Position
from farebox.journal.tally import LOCK_NAME, Tally, write_tally
from farebox.journal.writer import JournalWriter

RECORD = 20 + 44
"""Bytes of each record written here: head and payload, a multiple of 8."""


def payload(number: int) -> bytes:
    return b"%04d" % number * 11


def journal(tmp_path: Path, count: int, segment_bytes: int = 64 << 10) -> Path:
    """Return a dead writer's folder with `count` records numbered from 1."""
    writer = JournalWriter(tmp_path, segment_bytes=segment_bytes)
    for number in range(1, count + 1):
        writer.append(3, payload(number))
    writer.close()
    return writer.folder


def change(folder: Path, at: int, data: bytes, segment: int = 1) -> None:
    with (folder / segment_name(segment)).open("r+b") as file:
        file.seek(at)
        file.write(data)


def start_of(number: int) -> int:
    return HEADER_BYTES + (number - 1) * RECORD


def test_reading_goes_on_from_any_position(tmp_path: Path) -> None:
    folder = journal(tmp_path, 100, segment_bytes=2 << 10)
    first = JournalReader(folder)
    found: list[bytes] = []
    while batch := first.read(7):
        found += [data for _, _, data in batch.entries]
        first.close()
        first = JournalReader(folder, batch.position)
        if batch.finished and not batch.entries:
            break
    assert found == [payload(number) for number in range(1, 101)]


def test_a_torn_last_record_of_a_dead_writer_is_the_end(tmp_path: Path) -> None:
    folder = journal(tmp_path, 10)
    path = folder / segment_name(1)
    whole = path.read_bytes()
    write_note(folder, Tally(last_seq=9))
    for cut in range(1, RECORD):
        path.write_bytes(whole[: start_of(10) + cut] + bytes(RECORD - cut))
        entries, gaps, finished = read_all(folder)
        assert [data for _, _, data in entries] == [payload(number) for number in range(1, 10)], cut
        assert finished
        assert [gap.kind for gap in gaps] == ["torn_tail"]
        assert gaps[0].start == start_of(10)


def test_a_file_cut_short_is_read_up_to_the_cut_and_what_was_behind_it_is_counted(tmp_path: Path) -> None:
    folder = journal(tmp_path, 10)
    path = folder / segment_name(1)
    path.write_bytes(path.read_bytes()[: start_of(8) + 5])
    entries, gaps, finished = read_all(folder)
    assert [data for _, _, data in entries] == [payload(number) for number in range(1, 8)]
    assert finished and [(gap.kind, gap.records) for gap in gaps] == [("torn_tail", 0), ("missing", 3)]


def test_a_last_segment_that_was_removed_is_counted(tmp_path: Path) -> None:
    folder = journal(tmp_path, 100, segment_bytes=2 << 10)
    (folder / segment_name(segment_numbers(folder)[-1])).unlink()
    entries, gaps, finished = read_all(folder)
    assert finished and len(entries) < 100
    assert len(entries) + sum(gap.records for gap in gaps) == 100


def test_a_cut_behind_what_was_read_already_is_no_loss(tmp_path: Path) -> None:
    folder = journal(tmp_path, 10)
    reader = JournalReader(folder)
    read = reader.read(100)
    (folder / segment_name(1)).write_bytes(b"")
    again = JournalReader(folder, read.position).read(100)
    assert not again.gaps and not again.entries and again.finished


def test_a_writer_that_noted_nothing_is_read_as_it_is(tmp_path: Path) -> None:
    folder = journal(tmp_path, 10)
    (folder / LOCK_NAME).write_bytes(b"")  # as an older Farebox left it
    path = folder / segment_name(1)
    path.write_bytes(path.read_bytes()[: start_of(8)])
    entries, gaps, finished = read_all(folder)
    assert len(entries) == 7 and not gaps and finished


def test_what_a_dead_writer_had_in_memory_only_is_lost_on_record(tmp_path: Path) -> None:
    folder = journal(tmp_path, 10)
    write_note(folder, Tally(10, 4, 2, 400, 3, 1, 300, 5, 6))
    entries, gaps, finished = read_all(folder)
    assert not gaps and finished and len(entries) == 11
    mark = records.decode_mark(entries[-1][2])
    assert (mark.kind, mark.detail["records"], mark.detail["exchanges"]) == ("lost", 7, 3)


def write_note(folder: Path, tally: Tally) -> None:
    """Have a dead writer's lock file say `tally`."""
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR)
    write_tally(descriptor, tally)
    os.close(descriptor)


def test_a_record_being_stored_by_a_living_writer_is_waited_for(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, segment_bytes=64 << 10)
    writer.append(3, payload(1))
    writer.append(3, payload(2))
    good = (writer.folder / segment_name(1)).read_bytes()[start_of(2) : start_of(2) + RECORD]
    change(writer.folder, start_of(2) + 30, b"\0\0\0\0")
    reader = JournalReader(writer.folder, monotonic=lambda: 0.0)
    batch = reader.read(10)
    assert len(batch.entries) == 1 and not batch.gaps and not batch.finished
    change(writer.folder, start_of(2), good)
    assert [data for _, _, data in reader.read(10).entries] == [payload(2)]
    writer.close()


def test_damage_in_a_living_writers_middle_is_passed_after_a_while(tmp_path: Path) -> None:
    now = [0.0]
    writer = JournalWriter(tmp_path, segment_bytes=64 << 10)
    for number in range(1, 6):
        writer.append(3, payload(number))
    change(writer.folder, start_of(3) + 25, b"????")
    reader = JournalReader(writer.folder, monotonic=lambda: now[0])
    assert len(reader.read(10).entries) == 2
    now[0] = 1.5
    batch = reader.read(10)
    assert batch.gaps == [Gap("gap", 1, start_of(3), start_of(4), 1)]
    assert [data for _, _, data in batch.entries] == [payload(4), payload(5)]
    writer.close()


@pytest.mark.parametrize("seed", range(100))
def test_any_changed_byte_costs_exactly_the_record_it_lies_in(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    count = 60
    folder = journal(tmp_path, count, segment_bytes=1 << 10)
    sizes = {number: (folder / segment_name(number)).stat().st_size for number in segment_numbers(folder)}
    segment = rng.choice([number for number, size in sizes.items() if size > HEADER_BYTES])
    at = rng.randrange(sizes[segment])
    before = (folder / segment_name(segment)).read_bytes()
    change(folder, at, bytes([before[at] ^ rng.randrange(1, 256)]), segment)

    entries, gaps, finished = read_all(folder)

    per_segment = ((1 << 10) - HEADER_BYTES) // RECORD
    in_header = at < HEADER_BYTES
    hit = None if in_header else (segment - 1) * per_segment + (at - HEADER_BYTES) // RECORD + 1
    assert finished
    assert [seq for seq, _, _ in entries] == [number for number in range(1, count + 1) if number != hit]
    assert all(data == payload(seq) for seq, _, data in entries)
    if in_header:
        assert gaps == [Gap("gap", segment, 0, HEADER_BYTES, 0)]
    else:
        assert len(gaps) == 1
        start = HEADER_BYTES + (at - HEADER_BYTES) // RECORD * RECORD
        assert gaps[0].segment == segment and gaps[0].start == start
        assert gaps[0].end == start + RECORD if hit != count else gaps[0].kind == "torn_tail"
        assert gaps[0].records == (1 if hit != count else 0)


def test_a_hole_over_several_records_is_counted_by_their_numbers(tmp_path: Path) -> None:
    folder = journal(tmp_path, 50)
    change(folder, start_of(10), bytes(5 * RECORD))
    entries, gaps, _ = read_all(folder)
    assert len(entries) == 45
    assert gaps == [Gap("gap", 1, start_of(10), start_of(15), 5)]


def test_a_segment_that_is_gone_is_a_gap_of_as_many_records_as_it_held(tmp_path: Path) -> None:
    folder = journal(tmp_path, 60, segment_bytes=1 << 10)
    (folder / segment_name(2)).unlink()
    entries, gaps, finished = read_all(folder)
    held = ((1 << 10) - HEADER_BYTES) // RECORD
    assert finished and len(entries) == 60 - held
    assert sum(gap.records for gap in gaps) == held
    assert {gap.kind for gap in gaps} == {"missing"}


def test_a_gaps_bytes_can_be_kept(tmp_path: Path) -> None:
    folder = journal(tmp_path, 5)
    change(folder, start_of(3), b"?" * RECORD)
    _, gaps, _ = read_all(folder)
    copy_gap(folder, gaps[0], tmp_path / "quarantine")
    (kept,) = (tmp_path / "quarantine").iterdir()
    assert kept.read_bytes() == b"?" * RECORD
    assert kept.stat().st_mode & 0o777 == 0o600


def test_segments_go_only_when_they_are_passed(tmp_path: Path) -> None:
    folder = journal(tmp_path, 60, segment_bytes=1 << 10)
    numbers = segment_numbers(folder)
    remove_passed(folder, Position(3, 64, 31))
    assert segment_numbers(folder) == [number for number in numbers if number >= 3]


def test_pending_bytes_shrink_to_nothing_as_the_journal_is_read(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    for number in range(1, 1_001):
        writer.append(3, payload(number))
    whole = pending_bytes(writer.folder, Position())
    assert 1_000 * RECORD <= whole <= 1_000 * RECORD + 8192
    reader = JournalReader(writer.folder)
    batch = reader.read(10_000)
    assert pending_bytes(writer.folder, batch.position) == 0
    writer.close()


def test_a_quiet_writer_is_asked_cheaply_and_heard_when_it_speaks_or_turns(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, segment_bytes=4 << 10)
    writer.append(3, payload(1))
    reader = JournalReader(writer.folder)
    assert len(reader.read(10).entries) == 1
    old = writer.folder.stat().st_mtime - 10
    os.utime(writer.folder, (old, old))
    assert reader.read(10).entries == [] and reader._quiet_since_ns > 0
    assert reader.read(10).entries == []
    writer.append(3, payload(2))
    assert [data for _, _, data in reader.read(10).entries] == [payload(2)]
    expected = list(range(3, 200))
    for number in expected:
        writer.append(3, payload(number))
    writer.close()
    found: list[bytes] = []
    reader = JournalReader(writer.folder, reader.position)
    while batch := reader.read(10):
        found += [data for _, _, data in batch.entries]
        if batch.finished:
            break
    assert found == [payload(number) for number in expected]


class Unopenable:
    """Makes opening files of some names fail, as a full table of descriptors or a bad disk does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: tuple[str, ...] = ()
        self.errno = errno.EMFILE
        really = os.open

        def open_or_fail(path: str | Path, *rest: int, **options: int) -> int:
            if self.names and str(path).endswith(self.names) and not rest[0] & os.O_CREAT:
                raise OSError(self.errno, os.strerror(self.errno), str(path))
            return really(path, *rest, **options)

        monkeypatch.setattr(os, "open", open_or_fail)


@pytest.mark.parametrize("names", [("lock",), (".seg",), ("lock", ".seg")])
def test_a_dead_writer_that_cannot_be_opened_for_a_moment_is_read_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    folder = journal(tmp_path, 100, segment_bytes=2 << 10)
    unopenable = Unopenable(monkeypatch)
    unopenable.names = names
    reader = JournalReader(folder)
    batch = reader.read(1_000)
    assert not batch.finished and not batch.gaps
    assert reader.trouble is not None
    unopenable.names = ()
    entries, gaps, finished = read_all(folder)
    assert (len(entries), gaps, finished) == (100, [], True)
    while not batch.finished:
        batch = reader.read(1_000)
    assert reader.position.seq == 101


@pytest.mark.parametrize("names", [("lock",), (".seg",), ("lock", ".seg")])
def test_a_living_writer_that_cannot_be_opened_is_not_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    writer = JournalWriter(tmp_path)
    writer.append(3, payload(1))
    unopenable = Unopenable(monkeypatch)
    unopenable.names = names
    reader = JournalReader(writer.folder)
    assert not reader.read(10).finished and reader.trouble is not None
    assert not remove_writer(writer.folder, reader.position)
    unopenable.names = ()
    assert not remove_writer(writer.folder, reader.position)
    writer.append(3, payload(2))
    now = time.monotonic() + 2
    again = JournalReader(writer.folder, reader.position, monotonic=lambda: now)
    found = [data for _, _, data in again.read(10).entries]
    assert [payload(1), payload(2)][-len(found) :] == found and again.position.seq == 3
    writer.close()


def test_a_middle_segment_that_does_not_open_is_not_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = journal(tmp_path, 100, segment_bytes=2 << 10)
    unopenable = Unopenable(monkeypatch)
    unopenable.names = (segment_name(2),)
    reader = JournalReader(folder)
    before = reader.read(1_000)
    assert before.entries and not before.gaps and not before.finished
    unopenable.names = ()
    after = reader.read(1_000)
    assert [data for _, _, data in before.entries + after.entries] == [payload(n) for n in range(1, 101)]
    assert after.finished and not after.gaps


def test_a_segment_that_never_opens_is_a_gap_and_its_file_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = journal(tmp_path, 100, segment_bytes=2 << 10)
    whole = (folder / segment_name(2)).read_bytes()
    unopenable = Unopenable(monkeypatch)
    unopenable.names, unopenable.errno = (segment_name(2),), errno.EIO
    now = [0.0]
    reader = JournalReader(folder, monotonic=lambda: now[0])
    entries = reader.read(1_000).entries
    assert reader.read(1_000).entries == [] and reader.trouble is not None
    now[0] += 61
    batch = reader.read(1_000)
    (gap,) = batch.gaps
    assert (gap.kind, gap.segment, gap.end) == ("gap", 2, len(whole))
    assert len(entries) + gap.records + len(batch.entries) == 100
    assert batch.finished
    assert not remove_writer(folder, reader.position)
    assert (folder / (segment_name(2) + UNREAD)).read_bytes() == whole


@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_segment_set_aside_is_a_gap_for_whoever_reads_again(tmp_path: Path, which: int) -> None:
    folder = journal(tmp_path, 100, segment_bytes=2 << 10)
    number = segment_numbers(folder)[which]
    (folder / segment_name(number)).rename(folder / (segment_name(number) + UNREAD))
    entries, gaps, finished = read_all(folder)
    assert finished and 0 < len(entries) < 100
    assert [(gap.kind, gap.segment) for gap in gaps if gap.end > gap.start] == [("gap", number)]
    assert len(entries) + sum(gap.records for gap in gaps) == 100


def test_a_folder_whose_segment_has_begun_behind_the_position_is_kept(tmp_path: Path) -> None:
    folder = journal(tmp_path, 100, segment_bytes=2 << 10)
    assert not remove_writer(folder, Position(1, 64, 2))
    assert len(payloads(folder)) == 100
    assert remove_writer(folder, Position(segment_numbers(folder)[-1], 64, 101))
    assert not folder.exists()
