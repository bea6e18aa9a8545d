from __future__ import annotations

import shutil
import threading
from pathlib import Path
from queue import SimpleQueue

import pytest
from disks import TroubledFiles
from following import payloads, read_all, until

from farebox.journal import records
from farebox.journal.files import DiskFiles
from farebox.journal.reader import JournalReader
from farebox.journal.segments import is_alive
from farebox.journal.tally import Tally, read_tally
from farebox.journal.writer import JournalWriter

KIB = 1 << 10


@pytest.mark.parametrize("mapped", [True, False], ids=["shared memory", "pwrite"])
def test_what_is_appended_is_read_in_order_across_segments(tmp_path: Path, mapped: bool) -> None:
    writer = JournalWriter(tmp_path, files=DiskFiles(mapped=mapped), segment_bytes=16 * KIB)
    sent = [str(number).encode() * 100 for number in range(500)]
    positions = [writer.append(3, payload) for payload in sent]
    writer.close()
    assert positions == list(range(1, 501))
    entries, gaps, finished = read_all(writer.folder)
    assert [payload for _, _, payload in entries] == sent
    assert not gaps and finished
    assert len(list(writer.folder.glob("*.seg"))) > 3


def test_a_record_is_seen_by_a_reader_before_any_sync(tmp_path: Path) -> None:
    disk = TroubledFiles()
    writer = JournalWriter(tmp_path, files=disk)
    disk.gate.clear()
    writer.append(3, b"at once")
    assert payloads(writer.folder) == [b"at once"]
    disk.gate.set()
    writer.close()


def test_a_writer_with_everything_synced_waits_without_a_time_out(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    position = writer.append(3, b"x")
    until(lambda: writer.health.durable == position, "the sync")
    waits: list[float | None] = []

    class Recording(SimpleQueue[bool]):
        def get(self, block: bool = True, timeout: float | None = None) -> bool:
            waits.append(timeout)
            return super().get(block, timeout)

    old, writer._signals = writer._signals, Recording()
    old.put(True)  # the thread goes round once and comes to wait at the recording queue
    until(lambda: bool(waits), "the next wait")
    assert waits[0] is None
    writer.close()


def test_a_callback_comes_once_its_record_is_synced_and_not_before(tmp_path: Path) -> None:
    disk = TroubledFiles()
    writer = JournalWriter(tmp_path, files=disk)
    disk.gate.clear()
    called = threading.Event()
    position = writer.append(3, b"x")
    writer.when_durable(position, called.set)
    assert not called.wait(0.05)
    disk.gate.set()
    assert called.wait(30)
    assert writer.health.durable >= position
    writer.close()


def test_a_callback_for_a_durable_record_comes_at_once(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    position = writer.append(3, b"x")
    until(lambda: writer.health.durable >= position, "the sync")
    called: list[bool] = []
    writer.when_durable(position, lambda: called.append(True))
    assert called == [True]
    writer.close()


def test_a_writer_is_alive_until_it_is_closed(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    assert is_alive(writer.folder)
    writer.close()
    assert not is_alive(writer.folder)


def test_a_stalled_disk_stops_neither_appending_nor_reading_and_loses_nothing(tmp_path: Path) -> None:
    disk = TroubledFiles()
    writer = JournalWriter(tmp_path, files=disk, segment_bytes=64 * KIB)
    disk.gate.clear()
    sent = [b"%6d" % number * 50 for number in range(2_000)]
    for payload in sent:
        writer.append(3, payload)
    stalled = writer.health
    assert stalled.records == 2_000 and stalled.waiting_records > 0 and stalled.state == "degraded"
    disk.gate.set()
    until(lambda: writer.health.durable == 2_000, "everything durable")
    assert writer.health.state == "ok" and writer.health.lost_records == 0
    assert payloads(writer.folder) == sent
    writer.close()


@pytest.mark.parametrize("failures", [1, 3], ids=["once", "three times"])
def test_after_a_failed_sync_every_record_is_stored_again_elsewhere(tmp_path: Path, failures: int) -> None:
    disk = TroubledFiles()
    writer = JournalWriter(tmp_path, files=disk)
    disk.failing_syncs = failures
    sent = [b"%d" % number for number in range(300)]
    for payload in sent:
        writer.append(3, payload)
    until(lambda: writer.health.durable == 300, "everything durable")
    health = writer.health
    assert health.sync_failures == failures and health.state == "ok" and health.lost_records == 0
    writer.close()
    entries, gaps, _ = read_all(writer.folder)
    assert [payload for _, _, payload in entries] == sent and not gaps
    # The failed segment is not needed any more: everything is in what was synced.
    for path in writer.folder.glob("*.seg"):
        if path.name not in disk.synced:
            path.unlink()
    assert payloads(writer.folder) == sent


def test_a_disk_that_never_syncs_leaves_the_writer_degraded_and_traffic_going(tmp_path: Path) -> None:
    disk = TroubledFiles()
    writer = JournalWriter(tmp_path, files=disk)
    disk.failing_syncs = 1_000_000
    for number in range(50):
        writer.append(3, b"%d" % number)
    until(lambda: writer.health.sync_failures >= 2, "two failures")
    assert writer.health.state == "degraded"
    until(lambda: len(payloads(writer.folder)) == 50, "records in a file all the same")
    writer.close()


def test_a_store_that_fails_moves_on_to_another_segment(tmp_path: Path) -> None:
    disk = TroubledFiles()
    writer = JournalWriter(tmp_path, files=disk)
    writer.append(3, b"one")
    disk.failing_stores = 1
    writer.append(3, b"two")
    writer.append(3, b"three")
    until(lambda: writer.health.durable == 3, "everything durable")
    writer.close()
    assert payloads(writer.folder) == [b"one", b"two", b"three"]


def test_a_full_disk_is_survived_in_memory_and_what_does_not_fit_is_counted_exactly(tmp_path: Path) -> None:
    disk = TroubledFiles()
    writer = JournalWriter(tmp_path, files=disk, segment_bytes=8 * KIB, memory_bytes_max=8 * KIB)
    disk.full = True
    accepted = 0
    total = 400
    for _ in range(total):
        before = writer.health.records
        writer.append(records.DONE, b"x" * 100)
        accepted += writer.health.records - before
    health = writer.health
    assert health.state == "lost" and accepted < total
    assert health.lost_records == health.lost_exchanges == total - accepted
    assert health.lost_bytes == (total - accepted) * 120
    disk.full = False
    until(lambda: writer.health.state == "ok", "recovery")
    position = writer.append(records.DONE, b"after")
    until(lambda: writer.health.durable >= position, "the last record durable")
    writer.close()
    entries, gaps, _ = read_all(writer.folder)
    assert not gaps
    marks = [records.decode_mark(payload) for _, kind, payload in entries if kind == records.MARK]
    assert [(mark.kind, mark.detail["records"]) for mark in marks] == [("lost", total - accepted)]
    assert sum(kind == records.DONE for _, kind, _ in entries) == accepted + 1
    assert writer.health.lost_records == total - accepted, "the count stays"


def test_with_no_room_nobody_waits_for_a_durability_that_cannot_come(tmp_path: Path) -> None:
    disk = TroubledFiles()
    writer = JournalWriter(tmp_path, files=disk, segment_bytes=8 * KIB)
    disk.full = True
    called = threading.Event()
    for _ in range(100):
        position = writer.append(3, b"x" * 200)
    writer.when_durable(position, called.set)
    assert called.wait(30)
    assert writer.health.released_unsynced >= 1 and writer.health.state == "degraded"
    disk.full = False
    until(lambda: writer.health.durable >= position, "durable in the end")
    writer.close()


def test_a_disk_full_from_the_start_is_waited_for(tmp_path: Path) -> None:
    disk = TroubledFiles()
    disk.full = True
    writer = JournalWriter(tmp_path, files=disk)
    writer.append(3, b"early")
    assert writer.health.state == "degraded"
    disk.full = False
    until(lambda: writer.health.durable == 1, "durable in the end")
    assert writer.health.state == "ok"
    writer.close()
    assert payloads(writer.folder) == [b"early"]


def test_a_payload_too_large_is_counted_and_marked_and_nothing_else_suffers(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    writer.append(3, b"before")
    writer.append(3, bytes(2 << 20))
    writer.append(3, b"after")
    until(lambda: writer.health.records == 3, "the mark")
    writer.close()
    entries, _, _ = read_all(writer.folder)
    assert [payload for _, kind, payload in entries if kind == 3] == [b"before", b"after"]
    assert writer.health.lost_records == 1


def test_appending_from_many_threads_keeps_every_record_once(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, segment_bytes=32 * KIB)

    def work(name: bytes) -> None:
        for number in range(300):
            writer.append(3, b"%s-%d" % (name, number))

    threads = [threading.Thread(target=work, args=(b"t%d" % index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    found = payloads(writer.folder)
    assert len(found) == len(set(found)) == 1_200


def test_a_folder_appears_only_with_its_lock_held(tmp_path: Path) -> None:
    writers = [JournalWriter(tmp_path) for _ in range(3)]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(writer.writer_id for writer in writers)
    assert all(is_alive(tmp_path / name) for name in names)
    for writer in writers:
        writer.close()
    assert JournalReader(writers[0].folder).read(10).finished


def test_what_waits_in_memory_at_the_end_is_lost_and_the_folder_says_so(tmp_path: Path) -> None:
    disk = TroubledFiles()
    disk.full = True
    writer = JournalWriter(tmp_path, files=disk)
    for _ in range(3):
        writer.append(records.INTENT, b"begun")
        writer.append(records.DONE, b"ended")
    assert writer.health.state == "degraded" and writer.health.waiting_records == 6
    writer.close()
    assert (writer.health.state, writer.health.lost_records, writer.health.lost_exchanges) == ("lost", 6, 3)
    entries, gaps, finished = read_all(writer.folder)
    assert finished and not gaps
    (mark,) = [records.decode_mark(payload) for _, kind, payload in entries if kind == records.MARK]
    assert (mark.kind, mark.detail["records"], mark.detail["exchanges"]) == ("lost", 6, 3)


def test_what_waited_in_memory_and_was_stored_is_no_loss(tmp_path: Path) -> None:
    disk = TroubledFiles()
    disk.full = True
    writer = JournalWriter(tmp_path, files=disk)
    position = writer.append(records.DONE, b"ended")
    disk.full = False
    until(lambda: writer.health.durable >= position, "room")
    writer.close()
    assert payloads(writer.folder) == [b"ended"] and writer.health.lost_records == 0


def test_a_writer_killed_with_records_in_memory_has_said_so_before(tmp_path: Path) -> None:
    disk = TroubledFiles()
    disk.full = True
    writer = JournalWriter(tmp_path, files=disk)
    writer.append(records.DONE, b"ended")
    until(lambda: (read_tally(writer.folder) or Tally()).waiting_records == 1, "the note")
    writer.close()


def test_a_folder_removed_while_it_is_written_is_told_made_anew_and_counted(tmp_path: Path) -> None:
    home = tmp_path / "home"
    writer = JournalWriter(home / "journal")
    position = writer.append(records.DONE, b"gone")
    until(lambda: writer.health.durable >= position, "the first sync")
    shutil.rmtree(home)
    assert writer.health.state == "degraded" and "removed" in (writer.health.reason or "")
    position = writer.append(records.DONE, b"kept")
    until(lambda: writer.health.durable >= position, "the second sync")
    assert writer.health.state == "ok" and is_alive(writer.folder)
    writer.close()
    entries, gaps, finished = read_all(writer.folder)
    assert [payload for _, _, payload in entries] == [b"kept"] and finished
    assert sum(gap.records for gap in gaps) == 1
