"""Erasing personal values: they are in no file any more, and nothing else has changed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from calls import NOON, OnePriceBook, TestLedger, batch, done, intent_of, sums_of

from farebox.home import Home
from farebox.journal import records
from farebox.journal.reader import Batch, Position
from farebox.journal.records import Erase
from farebox.journal.writer import JournalWriter
from farebox.ledger import verify
from farebox.ledger.append.applier import Applier
from farebox.ledger.calls import LedgerReader
from farebox.ledger.commands import submit
from farebox.ledger.database import open_writer
from farebox.ledger.erasure import find
from farebox.ledger.follow import Follower

WHO = "wilhelmina.featherstonehaugh@example.com"


def erasing(home: Home, *values: tuple[str, str]) -> Batch:
    """Return what a journal hands out that asks to erase these values."""
    asked = records.encode(Erase(at_ns=NOON, personal=[each.number for each in find(home, values)]))
    return Batch([(1, records.ERASE, asked)], [], Position(1, 500, 2), True)


def files_containing(home: Home, text: str) -> list[str]:
    """Return the files of a home in which a text is."""
    return [
        str(path.relative_to(home.path))
        for path in sorted(home.path.rglob("*"))
        if path.is_file() and text.encode() in path.read_bytes()
    ]


def users_of(home: Home) -> list[str | None]:
    return [row.attribution.get("user") for row in LedgerReader(home).after(0, 100)]


def test_an_erased_value_leaves_rows_sums_and_chain_as_they_were(ledger: TestLedger) -> None:
    ledger.append(done(attribution={"user": WHO, "app": "a"}), done(attribution={"user": "bob"}))
    ledger.append(done(attribution={"user": WHO}))
    before, checkpoint = sums_of(ledger.home), verify(ledger.home).checkpoint
    (found,) = find(ledger.home, [("user", WHO), ("user", "nobody")])
    assert (found.field, found.calls) == ("user", 2)

    assert ledger.applier.apply("erase-1", [erasing(ledger.home, ("user", WHO))]).has_erased
    assert sums_of(ledger.home) == before
    assert users_of(ledger.home) == ["(erased 1)", "bob", "(erased 1)"]
    report = verify(ledger.home, checkpoint)
    assert (report.ok, report.checkpoint) == (True, checkpoint)
    assert find(ledger.home, [("user", WHO)]) == []


def test_a_value_that_was_erased_is_a_new_one_when_it_comes_again(ledger: TestLedger) -> None:
    ledger.append(done(attribution={"user": WHO}))
    ledger.applier.apply("erase-1", [erasing(ledger.home, ("user", WHO))])
    ledger.append(done(attribution={"user": WHO}))
    assert users_of(ledger.home) == ["(erased 1)", WHO]
    assert verify(ledger.home).ok


def test_a_call_that_is_delivered_again_after_its_user_was_erased_is_no_conflict(ledger: TestLedger) -> None:
    call = done(attribution={"user": WHO, "app": "a"})
    payload = records.encode(call)
    ledger.append(call)
    ledger.applier.apply("erase-1", [erasing(ledger.home, ("user", WHO))])
    again = records.decode_done(payload)
    assert ledger.applier.apply("proxy-2", [batch(again)], look_for_duplicates=True).rows == 0
    other = records.decode_done(payload)
    other.attribution["app"] = "b"
    ledger.applier.apply("proxy-3", [batch(other)], look_for_duplicates=True)
    kinds = ledger.connection.execute("SELECT writer, kind FROM mark ORDER BY id").fetchall()
    assert kinds == [("erase-1", "erased"), ("proxy-3", "conflict")]


def test_an_erasure_that_nobody_asked_for_is_found(ledger: TestLedger) -> None:
    ledger.append(done(attribution={"user": WHO}))
    ledger.connection.execute("UPDATE personal SET value = NULL, salt = NULL")
    (problem,) = verify(ledger.home).problems
    assert problem.detail == "the user of row 1 was erased without a mark of it"


def test_what_failed_halfway_erased_nothing(ledger: TestLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.append(done(attribution={"user": WHO}))
    request = erasing(ledger.home, ("user", WHO))

    def fail(*_: object) -> None:
        raise OSError("no")

    with monkeypatch.context() as patch:
        patch.setattr(ledger.applier, "_write_position", fail)
        with pytest.raises(OSError, match="no"):
            ledger.applier.apply("erase-1", [request])
    ledger.append(done(attribution={"user": WHO}))
    assert users_of(ledger.home) == [WHO, WHO]
    ledger.applier.apply("erase-1", [request])
    assert users_of(ledger.home) == ["(erased 1)", "(erased 1)"]
    assert verify(ledger.home).ok


def write(writer: JournalWriter, users: Sequence[str]) -> None:
    for number, user in enumerate(users):
        exchange = done(NOON + number, source=writer.source, attribution={"user": user})
        writer.append(records.INTENT, records.encode(intent_of(exchange)))
        writer.append(records.DONE, records.encode(exchange))


def ask_to_erase(home: Home, *users: str) -> None:
    found = find(home, [("user", user) for user in users])
    asked = Erase(at_ns=NOON, personal=[each.number for each in found])
    submit(home, "erase", [(records.ERASE, records.encode(asked))])


def test_an_erased_value_is_in_no_page_no_wal_and_no_journal_of_a_writer_that_lives(home: Home) -> None:
    rng = random.Random(3)
    names = [f"{rng.randrange(1 << 60):015x}" + "-person-" * rng.randrange(1, 40) for _ in range(3_000)]
    ledger = TestLedger(home)
    follower = Follower(home, ledger.applier)
    writer = JournalWriter(home.journal)
    write(writer, names)
    streams = [
        done(NOON + number, source=writer.source, attribution={"user": names[number]})
        for number in range(0, 3_000, 3)
    ]
    for stream in streams:
        writer.append(records.INTENT, records.encode(intent_of(stream)))
    while follower.step():
        pass
    assert ledger.connection.execute("SELECT count(*) FROM pending").fetchone() == (1_000,)
    for stream in rng.sample(streams, 1_000):
        writer.append(records.DONE, records.encode(stream))
    while follower.step():
        pass
    before = sums_of(home)
    erased = rng.sample(names, 600)
    assert "ledger.db" in "".join(files_containing(home, erased[0]))
    for start in range(0, 600, 200):
        ask_to_erase(home, *erased[start : start + 200])
        while follower.step():
            pass
    kept = b"".join(path.read_bytes() for path in home.path.rglob("*") if path.is_file())
    assert [name for name in erased if name.encode() in kept] == []
    assert sums_of(home) == before
    assert verify(home).ok

    write(writer, ["another"])  # the writer goes on in the segment that was overwritten
    writer.close()
    while follower.step():
        pass
    assert users_of(home)[:1] != [] and sums_of(home).calls == before.calls + 1
    assert verify(home).ok
    assert ledger.connection.execute("SELECT count(*) FROM mark WHERE kind <> 'erased'").fetchone() == (0,)
    follower.close()
    ledger.connection.close()


def test_a_ledger_that_died_between_the_commit_and_overwriting_does_it_when_it_starts(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = TestLedger(home)
    follower = Follower(home, ledger.applier)
    writer = JournalWriter(home.journal)
    write(writer, [WHO, "bob"])
    follower.step()
    ask_to_erase(home, WHO)
    with monkeypatch.context() as patch:
        patch.setattr(follower, "_forget", lambda: None)
        follower.step()
    follower.close()
    assert files_containing(home, WHO), "the journal still has it"

    connection = open_writer(home)
    again = Follower(home, Applier(connection, OnePriceBook()))
    again.step()
    assert files_containing(home, WHO) == []
    again.close()
    writer.close()
    connection.close()
    ledger.connection.close()


def test_a_reader_that_holds_an_earlier_state_only_delays_emptying_the_wal(
    ledger: TestLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = ledger.home
    ledger.connection.execute("PRAGMA busy_timeout = 10")
    ledger.append(done(attribution={"user": WHO}))
    follower = Follower(home, ledger.applier)
    reader = open_writer(home)
    with reader:
        reader.execute("SELECT count(*) FROM call").fetchone()
        ask_to_erase(home, WHO)
        follower.step()
        assert files_containing(home, WHO) != []
    monkeypatch.setattr(follower, "_forget_at", 0.0)
    follower.step()
    assert files_containing(home, WHO) == []
    reader.close()
    follower.close()


def test_values_of_what_names_no_person_are_not_found(ledger: TestLedger, tmp_path: Path) -> None:
    ledger.append(done(attribution={"app": "a"}))
    assert find(ledger.home, [("app", "a")]) == []
    assert find(Home(tmp_path / "nothing"), [("user", "a")]) == []
