"""Single calls: the newest, one by its id, those of a session, all; as they count now."""

from __future__ import annotations

import threading

import pytest
from calls import HOUR, NOON, TestLedger, done, sums_of

from farebox.errors import CallNotFoundError
from farebox.home import Home
from farebox.ledger.calls import LedgerReader


def test_a_home_without_a_ledger_has_no_calls(home: Home) -> None:
    reader = LedgerReader(home)
    assert reader.newest(10) == [] and list(reader.export()) == []
    assert reader.last_seq() == 0
    assert reader.health().last_seq == 0
    with pytest.raises(CallNotFoundError):
        reader.call("0193")
    ledger = TestLedger(home)
    ledger.append(done())
    assert len(reader.newest(10)) == 1, "the same reader sees a ledger that came later"
    ledger.connection.close()


def test_calls_of_a_session_are_found(ledger: TestLedger) -> None:
    ledger.append(
        done(attribution={"session": "run-1"}),
        done(NOON + 1, attribution={"session": "run-2"}),
        done(NOON + 2, attribution={"session": "run-1", "trace": "t1"}),
    )
    reader = LedgerReader(ledger.home)
    assert [row.seq for row in reader.of_session("run-1")] == [1, 3]
    assert [row.seq for row in reader.of_session("run-1", after_seq=1)] == [3]
    assert reader.of_session("run-9") == []


def test_what_one_call_has_alone_stays_with_it(ledger: TestLedger) -> None:
    said = {"customer": "acme", "trace": "t1", "step": "s1", "parent_step": "s0"}
    ledger.append(done(attribution=said), done(NOON + 1, attribution={**said, "trace": "t2"}))
    assert ledger.connection.execute("SELECT count(*) FROM attribution").fetchone() == (1,)
    assert ledger.connection.execute("SELECT step, parent_step FROM call").fetchone() == ("s1", "s0")
    assert [row.attribution["trace"] for row in LedgerReader(ledger.home).newest(2)] == ["t2", "t1"]
    assert LedgerReader(ledger.home).newest(1)[0].attribution == {**said, "trace": "t2"}


def test_pages_of_calls_join_without_a_gap_in_both_directions(ledger: TestLedger) -> None:
    ledger.append(*[done(NOON + number) for number in range(25)])
    reader = LedgerReader(ledger.home)
    newest_first: list[int] = []
    before = None
    while page := reader.newest(7, before_seq=before):
        newest_first += [row.seq for row in page]
        before = page[-1].seq
    assert newest_first == list(range(25, 0, -1))
    assert [row.seq for row in reader.after(20, 3)] == [21, 22, 23]
    assert [row.seq for row in reader.export()] == list(range(1, 26))


def test_a_call_is_found_by_its_id_or_a_unique_beginning(ledger: TestLedger) -> None:
    ledger.append(
        done(event_id=bytes.fromhex("0193" + "ab" * 14)), done(event_id=bytes.fromhex("0193" + "cd" * 14))
    )
    reader = LedgerReader(ledger.home)
    assert reader.call("0193abab-abab").seq == 1
    assert reader.call("0193C").seq == 2
    assert reader.call("0193" + "cd" * 14).seq == 2
    for wrong in ("0193", "0194", "", "xyz", "0193ab' --", "0" * 33):
        with pytest.raises(CallNotFoundError):
            reader.call(wrong)


def test_threads_share_a_reader_while_the_writer_writes(ledger: TestLedger) -> None:
    ledger.append(*[done(NOON + number) for number in range(50)])
    reader = LedgerReader(ledger.home)
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(30):
                calls = list(reader.export())
                assert [call.seq for call in calls] == list(range(1, len(calls) + 1))
                assert len(calls) >= 50
        except BaseException as error:
            failures.append(error)
        finally:
            reader.close()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(30):
        ledger.append(done(NOON + HOUR + number))
    for thread in threads:
        thread.join()
    assert not failures
    assert sums_of(ledger.home).calls == 80


def test_how_many_tokens_a_response_could_have_is_on_the_row(ledger: TestLedger) -> None:
    ledger.append(done(max_tokens=32_000), done(NOON + 1))
    assert [row.max_tokens for row in LedgerReader(ledger.home).newest(2)] == [None, 32_000]
    assert ledger.connection.execute("SELECT max_tokens FROM call WHERE seq = 1").fetchone() == (32_000,)
