"""The spool is bounded, and says exactly what it refused."""

from __future__ import annotations

import stat
from pathlib import Path

from collectors import FakeCollector
from spooling import PER_CALL, Clock, Spooling

from farebox.journal.direct_writer import MEMORY_BYTES_MAX
from farebox.journal.health import JournalHealth
from farebox.sdk.shipping.shipper import Pace
from farebox.sdk.shipping.spool import Spool, used_bytes

MIB = 1 << 20


def test_a_full_spool_refuses_and_the_collector_is_told_exactly_how_many_calls(tmp_path: Path) -> None:
    collector, clock = FakeCollector(), Clock()
    spooling = Spooling(tmp_path, collector, clock=clock, bytes_max=2 * MIB)
    collector.down = True
    made = 0
    while spooling.writer.health.lost_exchanges < 500:
        spooling.call()
        made += 1
        if made % 100 == 0:
            spooling.pass_time(10)
    assert used_bytes(spooling.spool.root) <= 2 * MIB
    refused: JournalHealth = spooling.writer.health
    assert refused.state == "lost" and "spool has reached its 2,097,152 bytes" in (refused.reason or "")
    collector.down = False
    for _ in range(20):
        spooling.pass_time(60)
        spooling.call()  # what waits in memory is stored with the next record
        made += 1
    spooling.send_all()
    assert collector.lost == refused.lost_exchanges
    assert len(collector.of("call")) + collector.lost == made
    assert collector.tokens == len(collector.of("call")) * PER_CALL
    assert not spooling.writer.has_waiting
    spooling.close()


def test_what_a_program_had_in_memory_when_it_was_killed_is_counted_by_the_next_one(tmp_path: Path) -> None:
    collector, clock = FakeCollector(), Clock()
    dead = Spooling(tmp_path, collector, clock=clock, bytes_max=MIB)
    collector.down = True
    made = 0
    while dead.writer.health.waiting_records < 200:
        dead.call()
        made += 1
    assert dead.writer.health.waiting_bytes < MEMORY_BYTES_MAX
    dead.writer.leave_to_parent()  # does nothing here: it is ours
    dead.writer._folder.unlock()  # as a kill does: nothing is stored any more, the lock is free
    dead.writer._closed = True
    dead.shipper.close()
    collector.down = False
    alive = Spooling(tmp_path, collector, clock=clock)
    alive.pass_time(60)
    # A call whose beginning was stored and whose end was not is in the record as unknown, and a lost end.
    unknown = sum(event.get("outcome") == "unknown" for event in collector.of("call"))
    assert unknown <= 1
    assert len(collector.of("call")) - unknown + collector.lost == made
    alive.close()


def test_a_report_of_losses_that_is_sent_twice_counts_once(tmp_path: Path) -> None:
    collector, clock = FakeCollector(), Clock()
    spooling = Spooling(tmp_path, collector, clock=clock, bytes_max=MIB)
    collector.down = True
    while spooling.writer.health.lost_exchanges < 50:
        spooling.call()
    collector.down = False
    collector.lost_acknowledgements = 0.5
    for _ in range(30):
        spooling.pass_time(60)
        spooling.call()
    collector.lost_acknowledgements = 0.0
    spooling.pass_time(120)
    spooling.send_all()
    assert spooling.shipper.duplicates > 0
    assert collector.lost == spooling.writer.health.lost_exchanges
    spooling.close()


def test_every_process_of_the_machine_counts_towards_the_bound(tmp_path: Path) -> None:
    collector, clock = FakeCollector(), Clock()
    first = Spooling(tmp_path, collector, clock=clock, bytes_max=MIB)
    while not first.writer.has_waiting:
        first.call()
    second = Spooling(tmp_path, collector, clock=clock, bytes_max=MIB)
    second.call()
    assert second.writer.has_waiting and used_bytes(second.spool.root) <= MIB
    for each in (first, second):
        each.close()


def test_a_full_spool_gets_one_empty_file_and_not_one_a_record(tmp_path: Path) -> None:
    collector, clock = FakeCollector(), Clock()
    first = Spooling(tmp_path, collector, clock=clock, bytes_max=MIB)
    while not first.writer.has_waiting:
        first.call()
    second = Spooling(tmp_path, collector, clock=clock, bytes_max=MIB)
    for _ in range(100):
        second.call()
    assert len(list(second.writer.folder.glob("*.seg"))) <= 1
    for each in (first, second):
        each.close()


def test_what_has_become_too_old_is_not_sent_and_counted_once(tmp_path: Path) -> None:
    collector, clock = FakeCollector(), Clock()
    spooling = Spooling(tmp_path, collector, clock=clock, pace=Pace(age_s_max=3600))
    collector.down = True
    for _ in range(250):
        spooling.call("old")
    clock.seconds += 3000
    for _ in range(50):
        spooling.call("new")
    clock.seconds += 1000
    spooling.close()  # nothing was read yet: the next process begins at the beginning
    collector.down = False
    collector.lost_acknowledgements = 0.5
    alive = Spooling(tmp_path, collector, clock=clock, pace=Pace(age_s_max=3600))
    alive.pass_time(600)
    collector.lost_acknowledgements = 0.0
    alive.pass_time(600)
    assert [event["customer"] for event in collector.of("call")] == ["new"] * 50
    assert collector.lost == 250
    alive.close()


def test_a_crash_while_old_events_are_counted_counts_none_of_them_twice(tmp_path: Path) -> None:
    collector, clock = FakeCollector(), Clock()
    pace = Pace(age_s_max=3600)
    written = Spooling(tmp_path, collector, clock=clock, pace=pace)
    for _ in range(150):
        written.call("old")
    written.close()
    clock.seconds += 4000
    for number in range(5):  # each of them dies when its batch is under way
        collector.lost_acknowledgements = 1.0 if number < 4 else 0.0
        alive = Spooling(tmp_path, collector, clock=clock, pace=pace)
        alive.pass_time(1 if number < 4 else 600)
        alive.close()
        clock.seconds += 10
    assert collector.lost == 150 and not collector.of("call")


def test_an_event_of_long_ago_that_was_recorded_just_now_is_not_too_old(tmp_path: Path) -> None:
    clock = Clock()
    spooling = Spooling(tmp_path, FakeCollector(), clock=clock, pace=Pace(age_s_max=3600))
    spooling.call("first")
    spooling.send_all()
    clock.seconds += 100_000
    spooling.step()  # there is nothing: all of it was acknowledged by now
    moment, clock.seconds = clock.seconds, 0.0
    spooling.call("imported")
    clock.seconds = moment
    spooling.send_all()
    assert len(spooling.collector.of("call")) == 2 and not spooling.collector.lost
    spooling.close()


def test_folders_and_files_are_the_owners_alone_and_hold_no_token(tmp_path: Path) -> None:
    spooling = Spooling(tmp_path / "home", FakeCollector(), token="fbi_0123456789abcdef")
    spooling.call()
    spooling.send_all()
    for path in spooling.spool.root.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
        assert "0123456789abcdef" not in path.name
        assert path.is_dir() or b"0123456789abcdef" not in path.read_bytes()
    spooling.close()


def test_collectors_and_tokens_have_spools_of_their_own(tmp_path: Path) -> None:
    def folder(url: str, token: str) -> Path:
        return Spool(tmp_path, url, token, "sdk:a:b", MIB).journal

    found = {
        folder("https://a.example", "one"),
        folder("https://a.example", "two"),
        folder("https://b.example", "one"),
        folder("https://a.example:8443", "one"),
    }
    assert len(found) == 4
