"""Records out of order, delivered again, or of values nobody expects: counted once, and nothing stops."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from calls import NOON, TestLedger, batch, done, intent_of, sums_of

from farebox.journal import records
from farebox.journal.records import Done, Partial
from farebox.journal.writer import JournalWriter
from farebox.ledger import verify
from farebox.ledger.calls import LedgerReader
from farebox.ledger.follow import Follower
from farebox.wire.facts import Extraction, Part


def store(writer: JournalWriter, item: Any) -> None:
    types = {Done: records.DONE, Partial: records.PARTIAL}
    writer.append(types.get(type(item), records.INTENT), records.encode(item))


def follow(follower: Follower) -> None:
    while follower.step():
        pass


@pytest.mark.parametrize("seed", range(20))
def test_an_exchange_counts_once_in_whatever_order_its_records_come(ledger: TestLedger, seed: int) -> None:
    chance = random.Random(seed)
    ends = [done(NOON + number, source="proxy:a") for number in range(40)]
    unended = [done(NOON + 100 + number, source="proxy:a") for number in range(5)]
    items: list[Any] = []
    for end in (*ends, *unended):
        seen = Partial(event_id=end.event_id, at_ns=NOON, extraction=end.extraction)
        items += [intent_of(end), seen] * chance.choice([1, 1, 2])
    for end in ends:
        items += [end] * chance.choice([1, 1, 2, 3])
    chance.shuffle(items)
    writers = [JournalWriter(ledger.home.journal, segment_bytes=8 << 10) for _ in range(chance.randint(1, 3))]
    followers = [Follower(ledger.home, ledger.applier)]
    for item in items:
        store(chance.choice(writers), item)
        if chance.random() < 0.05:
            follow(followers[0])
    for writer in writers:
        writer.close()
    followers[0].close()
    follow(Follower(ledger.home, ledger.applier))
    reader = LedgerReader(ledger.home)
    rows = list(reader.export())
    assert len({row.event_id for row in rows}) == len(rows) == 45
    assert sums_of(ledger.home).calls == 45
    assert reader.health().in_flight == 0 and reader.health().undecodable == 0
    assert verify(ledger.home).ok
    assert not any(ledger.home.journal.iterdir())


def test_an_intent_behind_its_end_is_no_second_call_when_the_writer_is_dead(ledger: TestLedger) -> None:
    exchange = done()
    ledger.applier.apply("w", [batch(exchange, intent_of(exchange), finished=True)])
    (row,) = LedgerReader(ledger.home).newest(10_000)
    assert row.outcome == "completed"


def test_the_same_id_of_two_sources_in_one_batch_is_two_calls(ledger: TestLedger) -> None:
    exchange = done()
    assert ledger.append(exchange, msgspec.structs.replace(exchange, source="sdk:other")) == 2


def test_an_intent_stored_again_keeps_what_was_seen_of_the_stream(ledger: TestLedger) -> None:
    exchange = done()
    seen = Partial(event_id=exchange.event_id, at_ns=NOON, extraction=exchange.extraction)
    ledger.applier.apply("w", [batch(intent_of(exchange), seen)])
    ledger.applier.apply("w", [batch(intent_of(exchange), finished=True)])
    (row,) = LedgerReader(ledger.home).newest(10_000)
    assert (row.completeness, row.input_tokens) == ("final", 10)


def with_quantity(leaf: str, count: Any) -> Done:
    part = Part(provider="openai", request_model="gpt-4o", quantities={leaf: count})
    extraction = Extraction(parts=(part,), completeness="final")
    return msgspec.structs.replace(done(), extraction=extraction)


ODD = {
    "a count that is no number": lambda: with_quantity("output_text", Decimal("NaN")),
    "seconds that are no number": lambda: with_quantity("audio_seconds", Decimal("NaN")),
    "an endless count": lambda: with_quantity("output_text", Decimal("1e9999")),
    "endless seconds": lambda: with_quantity("audio_seconds", Decimal("1e999999")),
    "an infinite count": lambda: with_quantity("output_text", Decimal("Infinity")),
    "a count of 2^63": lambda: with_quantity("output_text", 1 << 63),
    "a status of 2^63": lambda: done(status=1 << 63),
    "a moment of 2^63": lambda: msgspec.structs.replace(done(), occurred_at_ns=1 << 63),
    "a moment long ago": lambda: msgspec.structs.replace(done(), occurred_at_ns=-(1 << 62)),
    "a moment far away": lambda: msgspec.structs.replace(done(), occurred_at_ns=1 << 62),
    "an id too short": lambda: done(event_id=b"x"),
    "a request of 2^64 bytes": lambda: done(request_bytes=(1 << 64) - 1),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("finished", [True, False])
def test_one_odd_value_stops_nothing_behind_it(ledger: TestLedger, odd: str, finished: bool) -> None:
    writer = JournalWriter(ledger.home.journal)
    before = [done(NOON + number, source=writer.source) for number in range(700)]
    after = [done(NOON + 1_000 + number, source=writer.source) for number in range(700)]
    for exchange in (*before, ODD[odd](), *after):
        store(writer, exchange)
    if finished:
        writer.close()
    follow(Follower(ledger.home, ledger.applier))
    reader = LedgerReader(ledger.home)
    marks = ledger.connection.execute("SELECT detail FROM mark WHERE kind = 'undecodable'").fetchall()
    rows = list(reader.export())
    assert len(rows) + len(marks) == 1_401
    assert {row.event_id.replace("-", "") for row in rows} >= {e.event_id.hex() for e in (*before, *after)}
    if marks:
        assert '"seq":701' in marks[0][0]
        assert reader.health().undecodable == 1 and not reader.health().complete
    assert verify(ledger.home).ok
    writer.close()


def test_an_odd_beginning_of_a_dead_writer_is_marked_and_the_others_become_rows(ledger: TestLedger) -> None:
    writer = JournalWriter(ledger.home.journal)
    odd = msgspec.structs.replace(done(source=writer.source), occurred_at_ns=1 << 63)
    for exchange in (done(source=writer.source), odd, done(NOON + 1, source=writer.source)):
        store(writer, intent_of(exchange))
    writer.close()
    follow(Follower(ledger.home, ledger.applier))
    reader = LedgerReader(ledger.home)
    assert [row.outcome for row in reader.newest(10_000)] == ["unknown", "unknown"]
    assert reader.health().undecodable == 1
    assert not writer.folder.exists()
