from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest
from calls import NOON, OnePriceBook, TestLedger, done, intent_of, sums_of

from farebox.config import Config
from farebox.errors import LedgerError
from farebox.home import Home
from farebox.journal import records
from farebox.journal.direct_writer import DirectWriter
from farebox.journal.folders import segment_numbers
from farebox.journal.writer import JournalWriter
from farebox.ledger import catch_up, ledger_process, verify
from farebox.ledger.append.applier import Applier
from farebox.ledger.calls import LedgerReader
from farebox.ledger.follow import Follower
from farebox.ledger.losses import quarantine
from farebox.ledger.losses.coverage import missing
from farebox.pricing.facts import RatedPart


@pytest.fixture(autouse=True)
def one_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_process, "load_book", lambda *_, **__: OnePriceBook())


def write(writer: JournalWriter, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        exchange = done(NOON + number, source=writer.source)
        writer.append(records.INTENT, records.encode(intent_of(exchange)))
        writer.append(records.DONE, records.encode(exchange))


def follow(follower: Follower) -> None:
    while follower.step():
        pass


def test_a_command_applies_what_is_pending_when_no_ledger_runs(home: Home) -> None:
    writer = JournalWriter(home.journal)
    write(writer, 30)
    assert catch_up(home, Config()) == 60
    assert sums_of(home).calls == 30
    write(writer, 5, 30)
    writer.close()
    assert catch_up(home, Config()) == 10
    assert catch_up(home, Config()) == 0
    assert sums_of(home).calls == 35
    assert not any(home.journal.iterdir()), "a dead writer's folder goes when its rows are durable"


def test_many_short_lived_programs_leave_nothing_once_they_are_applied(home: Home) -> None:
    for number in range(200):
        writer = DirectWriter(home.journal, source="sdk:machine:job.py")
        exchange = done(NOON + number, source=writer.source)
        writer.append(records.INTENT, records.encode(intent_of(exchange)))
        writer.append(records.DONE, records.encode(exchange))
        writer.close()
    unborn = home.journal / ".sdk-0123"  # of one that was killed while it made its folder
    unborn.mkdir()
    (unborn / "lock").touch()
    os.utime(unborn, (0, 0))
    catch_up(home, Config())
    assert sums_of(home).calls == 200
    assert not any(home.journal.iterdir())


def test_catching_up_ends_though_more_and_more_comes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = JournalWriter(home.journal)
    write(writer, 30)
    step = Follower.step
    steps = [0]

    def step_while_more_comes(follower: Follower) -> int:
        done = step(follower)
        steps[0] += 1
        write(writer, 200, 1_000 * steps[0])
        return done

    monkeypatch.setattr(Follower, "step", step_while_more_comes)
    catch_up(home, Config())
    assert sums_of(home).calls >= 30
    assert steps[0] < 5
    writer.close()


def test_catching_up_leaves_it_to_a_ledger_that_runs(home: Home) -> None:
    home.prepare()
    writer = JournalWriter(home.journal)
    write(writer, 3)
    with ledger_process.locked(home):
        assert catch_up(home, Config()) == 0
    writer.close()


def test_passed_segments_go_and_the_one_in_use_stays(ledger: TestLedger) -> None:
    writer = JournalWriter(ledger.home.journal, segment_bytes=16 << 10)
    write(writer, 200)
    while writer.health.waiting_records:  # small segments are full before the next one is made
        time.sleep(0.001)
    follower = Follower(ledger.home, ledger.applier)
    follow(follower)
    assert segment_numbers(writer.folder)[0] == ledger.applier.position(writer.writer_id)[0].segment
    assert LedgerReader(ledger.home).health().journal_bytes_pending == 0
    writer.close()
    follower.close()


def test_several_writers_are_followed_and_new_ones_found(ledger: TestLedger) -> None:
    follower = Follower(ledger.home, ledger.applier)
    follow(follower)
    writers = [JournalWriter(ledger.home.journal) for _ in range(3)]
    for writer in writers:
        write(writer, 10)
    follow(follower)
    assert sums_of(ledger.home).calls == 30
    late = JournalWriter(ledger.home.journal)
    write(late, 10)
    follow(follower)
    assert sums_of(ledger.home).calls == 40
    for writer in (*writers, late):
        writer.close()
    follower.close()


def test_a_ledger_that_forgot_to_remove_a_finished_journal_does_not_read_it_again(ledger: TestLedger) -> None:
    writer = JournalWriter(ledger.home.journal)
    write(writer, 10)
    kept = {path.name: path.read_bytes() for path in writer.folder.iterdir()}
    writer.close()
    follow(Follower(ledger.home, ledger.applier))
    assert not writer.folder.exists()
    writer.folder.mkdir(mode=0o700)  # as a crash between the commit and the removal leaves it
    for name, content in kept.items():
        (writer.folder / name).write_bytes(content)
    again = Follower(ledger.home, Applier(ledger.connection, OnePriceBook()))
    follow(again)
    assert sums_of(ledger.home).calls == 10
    assert not writer.folder.exists()


def test_an_event_that_two_journals_hold_is_one_row_and_the_rest_of_both_is_kept(ledger: TestLedger) -> None:
    shared = done(NOON, source="sdk:1")
    for _ in range(2):
        writer = JournalWriter(ledger.home.journal)
        write(writer, 5)
        writer.append(records.DONE, records.encode(shared))
        write(writer, 5, 100)
        writer.close()
    follow(Follower(ledger.home, ledger.applier))
    assert sums_of(ledger.home).calls == 21
    assert verify(ledger.home).ok


def test_damage_is_marked_with_its_range_and_its_bytes_are_kept(ledger: TestLedger) -> None:
    writer = JournalWriter(ledger.home.journal)
    write(writer, 20)
    writer.close()
    path = writer.folder / "00000001.seg"
    content = bytearray(path.read_bytes())
    content[2_000] ^= 0xFF
    path.write_bytes(content)
    follow(Follower(ledger.home, ledger.applier))
    health = LedgerReader(ledger.home).health()
    assert (health.gaps, health.gap_records) == (1, 1)
    (kept,) = (ledger.home.path / "quarantine").iterdir()
    _, _, start, end = kept.stem.rsplit("-", 3)
    assert int(start) <= 2_000 < int(end)
    rows = list(LedgerReader(ledger.home).export())
    assert len(rows) == 20, "an exchange whose end was in the gap is a row that says so"
    assert sum(row.outcome == "unknown" for row in rows) <= 1


def test_a_ledger_that_cannot_be_written_for_a_while_loses_nothing(ledger: TestLedger) -> None:
    import apsw

    writer = JournalWriter(ledger.home.journal)
    write(writer, 10)
    follower = Follower(ledger.home, ledger.applier)
    ledger.connection.execute("PRAGMA busy_timeout = 0")
    other = apsw.Connection(str(ledger.home.ledger))
    other.execute("BEGIN IMMEDIATE")
    for _ in range(3):
        with pytest.raises(apsw.BusyError):
            follower.step()
    other.execute("ROLLBACK")
    other.close()
    write(writer, 10, 10)
    follow(follower)
    assert sums_of(ledger.home).calls == 20
    assert verify(ledger.home).ok
    writer.close()


def test_a_home_on_a_path_with_spaces_works(tmp_path: Path) -> None:
    home = Home(tmp_path / "a home")
    writer = JournalWriter(home.journal)
    write(writer, 2)
    writer.close()
    assert catch_up(home, Config()) == 4


@pytest.mark.parametrize("names", [("lock",), (".seg",), ("lock", ".seg")])
@pytest.mark.parametrize("alive", [True, False])
def test_a_journal_that_does_not_open_for_a_moment_is_kept_and_read_later(
    ledger: TestLedger, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], alive: bool
) -> None:
    writer = JournalWriter(ledger.home.journal, segment_bytes=16 << 10)
    write(writer, 100)
    if not alive:
        writer.close()
    follower = Follower(ledger.home, ledger.applier)
    really = os.open

    def open_or_fail(path: str | Path, *rest: int, **options: int) -> int:
        if str(path).endswith(names) and not rest[0] & os.O_CREAT:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))
        return really(path, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", open_or_fail)
        follow(follower)
        assert writer.folder.exists()
        assert LedgerReader(ledger.home).health().unreadable_writers == 1
    if alive:
        write(writer, 10, 100)
        writer.close()
    follower.close()
    follow(Follower(ledger.home, ledger.applier))
    assert sums_of(ledger.home).calls == (110 if alive else 100)
    assert LedgerReader(ledger.home).health().gaps == 0
    assert not writer.folder.exists()


class BrokenBook(OnePriceBook):
    """Fails on whatever it is asked."""

    def rate(self, *_: Any, **__: Any) -> RatedPart:
        raise KeyError("a price file nobody can read")


def test_a_price_book_that_fails_on_everything_stops_the_ledger_and_marks_nothing(
    ledger: TestLedger,
) -> None:
    writer = JournalWriter(ledger.home.journal)
    write(writer, 40)
    ledger.applier.use(BrokenBook())
    follower = Follower(ledger.home, ledger.applier)
    for _ in range(2):
        with pytest.raises(LedgerError, match="not even for an ordinary call of openai/gpt-4o"):
            follow(follower)
    reader = LedgerReader(ledger.home)
    assert reader.health().undecodable == 0
    ledger.applier.use(OnePriceBook())
    follow(follower)
    assert sums_of(ledger.home).calls == 40 and reader.health().undecodable == 0
    writer.close()
    follower.close()


class PickyBook(OnePriceBook):
    """Fails on one kind of call."""

    def rate(self, part: Any, **more: Any) -> RatedPart:
        if part.quantities.get("input_uncached") == 13:
            raise ZeroDivisionError
        return super().rate(part, **more)


def test_what_was_left_out_is_listed_and_can_be_tried_again(ledger: TestLedger) -> None:
    writer = JournalWriter(ledger.home.journal)
    write(writer, 3)
    writer.append(records.DONE, b"\xc1 nothing")
    odd = done(NOON + 50, source=writer.source, input_tokens=13)
    writer.append(records.DONE, records.encode(odd))
    write(writer, 3, 100)
    writer.close()
    ledger.applier.use(PickyBook())
    follower = Follower(ledger.home, ledger.applier)
    follow(follower)
    reader = LedgerReader(ledger.home)
    assert sums_of(ledger.home).calls == 6
    assert (reader.health().undecodable, missing(ledger.home).undecodable) == (2, 2)
    kept = quarantine.records_of(ledger.home)
    assert sorted((item.writer, item.type, item.readable) for item in kept) == [
        (writer.writer_id, records.DONE, False),
        (writer.writer_id, records.DONE, True),
    ]
    ledger.applier.use(OnePriceBook())
    assert quarantine.retry(ledger.home) == 1
    follow(follower)
    assert sums_of(ledger.home).calls == 7
    assert (reader.health().undecodable, missing(ledger.home).undecodable) == (1, 1)
    assert [item.readable for item in quarantine.records_of(ledger.home)] == [False]
    assert quarantine.retry(ledger.home) == 0
    assert verify(ledger.home).ok
    follower.close()
