"""The journal as a program's own process writes it: a record a write, no thread, nothing left behind."""

from __future__ import annotations

import errno
import gc
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from following import payloads, read_all, until

from farebox.errors import JournalError
from farebox.journal import records
from farebox.journal.direct_writer import DirectWriter
from farebox.journal.files import GrowingFiles, SegmentFile
from farebox.journal.folders import remove_writer
from farebox.journal.reader import JournalReader
from farebox.journal.segments import is_alive

KIB = 1 << 10


def writer_in(folder: Path, **options: object) -> DirectWriter:
    return DirectWriter(folder, source="sdk:test:program", **options)  # type: ignore[arg-type]


class Disk(GrowingFiles):
    """Real files that can be told to be full."""

    def __init__(self) -> None:
        super().__init__(False)
        self.full = False
        self.torn = 0
        """How many bytes of a refused record get to the disk all the same."""

    def create(self, path: Path, size: int) -> SegmentFile:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        real, disk = super().create(path, size), self
        store = real.store

        def refusing(at: int, record: bytes) -> None:
            if disk.full:
                if disk.torn:
                    store(at, record[: disk.torn])
                raise OSError(errno.ENOSPC, "No space left on device")
            store(at, record)

        real.store = refusing  # type: ignore[method-assign]
        return real


def test_what_is_appended_is_read_in_order_across_segments(tmp_path: Path) -> None:
    writer = writer_in(tmp_path, segment_bytes=16 * KIB)
    sent = [str(number).encode() * 100 for number in range(500)]
    assert [writer.append(3, payload) for payload in sent] == list(range(1, 501))
    writer.close()
    entries, gaps, finished = read_all(writer.folder)
    assert [payload for _, _, payload in entries] == sent
    assert not gaps and finished
    assert len(list(writer.folder.glob("*.seg"))) > 3


def test_a_reader_follows_a_file_that_grows(tmp_path: Path) -> None:
    writer = writer_in(tmp_path)
    reader = JournalReader(writer.folder)
    for number in range(50):
        writer.append(3, b"%d" % number)
        assert [payload for _, _, payload in reader.read(10).entries] == [b"%d" % number]
        assert reader.read(10).entries == []
    reader.close()
    writer.close()


def test_ten_calls_leave_kilobytes_and_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    writer = writer_in(tmp_path)
    for _ in range(10):
        writer.append(records.INTENT, bytes(400))
        writer.append(records.DONE, bytes(800))
    assert threading.active_count() == before
    used = sum(file.stat().st_blocks * 512 for file in writer.folder.iterdir())
    assert used <= 24 * KIB
    writer.close()


def test_a_record_is_read_by_others_before_its_writer_closes(tmp_path: Path) -> None:
    writer = writer_in(tmp_path)
    writer.append(3, b"at once")
    assert payloads(writer.folder) == [b"at once"]
    assert is_alive(writer.folder)
    writer.close()
    assert not is_alive(writer.folder)


def test_a_torn_tail_is_passed_and_what_stands_before_it_is_read(tmp_path: Path) -> None:
    writer = writer_in(tmp_path)
    for number in range(3):
        writer.append(3, b"%d" % number * 100)
    writer.close()
    (writer.folder / "lock").write_bytes(b"")  # a writer that was killed has noted nothing
    segment = writer.folder / "00000001.seg"
    os.truncate(segment, segment.stat().st_size - 7)
    entries, gaps, finished = read_all(writer.folder)
    assert [payload[:1] for _, _, payload in entries] == [b"0", b"1"]
    assert [gap.kind for gap in gaps] == ["torn_tail"] and finished


@pytest.mark.parametrize("torn", [0, 9], ids=["refused", "half written"])
def test_what_a_full_disk_refuses_is_stored_once_there_is_room(tmp_path: Path, torn: int) -> None:
    disk = Disk()
    writer = writer_in(tmp_path, files=disk)
    writer.append(3, b"before")
    disk.full, disk.torn = True, torn
    for number in range(5):
        writer.append(3, b"during %d" % number)
    assert writer.health.state == "degraded" and writer.health.waiting_records == 5
    disk.full = False
    writer.append(3, b"after")
    assert writer.health.state == "ok"
    writer.close()
    entries, gaps, _ = read_all(writer.folder)
    assert [payload for _, _, payload in entries] == [
        b"before",
        *(b"during %d" % n for n in range(5)),
        b"after",
    ]
    assert not gaps


def test_what_has_no_room_in_memory_either_is_counted_exactly(tmp_path: Path) -> None:
    disk = Disk()
    writer = writer_in(tmp_path, files=disk, memory_bytes_max=250)
    writer.append(3, b"before")
    disk.full = True
    for _ in range(5):
        writer.append(records.DONE, bytes(100))
    assert writer.health.lost_records == 3 and writer.health.state == "lost"
    disk.full = False
    writer.append(3, b"after")
    writer.close()
    entries, _, _ = read_all(writer.folder)
    marks = [records.decode_mark(payload) for _, kind, payload in entries if kind == records.MARK]
    assert [mark.detail["exchanges"] for mark in marks] == [3]


def test_a_writer_that_ends_on_a_full_disk_notes_what_it_lost(tmp_path: Path) -> None:
    disk = Disk()
    writer = writer_in(tmp_path, files=disk)
    writer.append(3, b"before")
    disk.full = True
    writer.append(records.DONE, b"never stored")
    writer.close()
    entries, _, finished = read_all(writer.folder)
    (mark,) = [records.decode_mark(payload) for _, kind, payload in entries if kind == records.MARK]
    assert mark.kind == "lost" and mark.detail["exchanges"] == 1 and finished


def test_with_power_every_end_of_a_call_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr("farebox.journal.files.datasync", synced.append)
    writer = writer_in(tmp_path, power=True)
    writer.append(records.INTENT, b"x")
    assert not synced
    writer.append(records.DONE, b"x")
    assert len(synced) == 1 and writer.health.durable == 2
    writer.close()


def test_a_journal_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("in the way")
    with pytest.raises(JournalError):
        writer_in(tmp_path / "journal")


def test_a_record_that_comes_while_another_is_stored_waits_for_its_end(tmp_path: Path) -> None:
    """Collecting garbage in the middle of a write can end a forgotten stream, which is a record."""
    writer = writer_in(tmp_path)
    writer.append(3, b"first")
    segment = writer._segment
    assert segment is not None
    store = segment.store_at

    class Forgotten:
        def __del__(self) -> None:
            writer.append(3, b"forgotten")

    def collecting(at: int, record: bytes) -> None:
        cycle: list[object] = [Forgotten()]
        cycle.append(cycle)
        del cycle
        segment.store_at = store
        gc.collect()
        store(at, record)

    segment.store_at = collecting
    writer.append(3, b"second")
    writer.close()
    assert payloads(writer.folder) == [b"first", b"second", b"forgotten"]


def test_a_child_of_a_fork_writes_nothing_with_its_parents_writer(tmp_path: Path) -> None:
    writer = writer_in(tmp_path)
    writer.append(3, b"parent")
    child = os.fork()
    if child == 0:
        try:
            writer.append(3, b"child")
            writer.close()
            writer.leave_to_parent()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert is_alive(writer.folder)
    writer.append(3, b"parent again")
    writer.close()
    entries, gaps, _ = read_all(writer.folder)
    assert [payload for _, _, payload in entries] == [b"parent", b"parent again"] and not gaps


def test_a_childs_inherited_lock_does_not_outlive_its_parent(tmp_path: Path) -> None:
    """The negative control: a child that keeps what it inherited keeps the dead parent's folder alive."""
    for leaves in (False, True):
        ready, told = os.pipe()
        hold, release = os.pipe()
        parent = os.fork()
        if parent == 0:
            writer = writer_in(tmp_path / str(leaves))
            writer.append(3, b"x")
            if os.fork() == 0:
                os.close(release)
                if leaves:
                    writer.leave_to_parent()
                os.write(told, b"y")
                os.read(hold, 1)
                os._exit(0)
            os.read(ready, 1)
            os._exit(0)
        os.waitpid(parent, 0)
        (folder,) = (tmp_path / str(leaves)).iterdir()
        assert is_alive(folder) is not leaves
        os.close(release)
        for descriptor in (ready, told, hold):
            os.close(descriptor)


PROGRAM = """
import sys, pathlib
from farebox.journal.direct_writer import DirectWriter
writer = DirectWriter(pathlib.Path(sys.argv[1]), source="sdk:test:program")
print("ready", flush=True)
number = 0
while True:
    number += 1
    writer.append(3, b"%d" % number)
    sys.stdout.write("%d\\n" % number)
    sys.stdout.flush()
"""


def test_what_a_killed_program_was_told_is_stored_is_there(tmp_path: Path) -> None:
    for _ in range(5):
        program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert program.stdout is not None
        lines = [program.stdout.readline() for _ in range(200)]
        program.send_signal(signal.SIGKILL)
        lines += program.stdout.readlines()
        program.wait()
        program.stdout.close()
        told = int(next(line for line in reversed(lines) if line.endswith("\n")))
        (folder,) = [entry for entry in tmp_path.iterdir() if not entry.name.startswith(".")]
        entries, gaps, finished = read_all(folder)
        assert finished and all(gap.kind == "torn_tail" for gap in gaps)
        stored = [int(payload) for _, _, payload in entries]
        assert stored == list(range(1, len(stored) + 1)) and len(stored) >= told
        assert remove_writer(folder, JournalReader(folder).position)


def test_a_folder_that_is_removed_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    writer = writer_in(tmp_path)
    writer.append(3, b"gone")
    shutil.rmtree(writer.folder)
    monkeypatch.setattr("farebox.journal.direct_writer._LOOK_NS", 0)
    until(lambda: writer.append(3, b"x") > 1, "a record")
    assert payloads(writer.folder)[-1] == b"x"
    writer.close()
