"""Calls stored together: what goes in comes out, and sums made elsewhere are those of every single call."""

from __future__ import annotations

import marshal
import random
from typing import Any

import pytest
from calls import HOUR, NOON, OnePriceBook, TestLedger, batch, done

from farebox.errors import LedgerError
from farebox.home import Home
from farebox.journal import records
from farebox.journal.records import Partial
from farebox.ledger import verify
from farebox.ledger.apply import NotPlainError
from farebox.ledger.blocks import Details, opened, packed, unpacked
from farebox.ledger.kinds import Kinds
from farebox.ledger.preparing import Finished, plain, prepare
from farebox.ledger.reader import Filter, LedgerReader
from farebox.ledger.rollup import Part, RollUp

TABLES = ("hour_value", "hour_cell", "minute_model", "cell", "kind")


class NamedBook(OnePriceBook):
    """A book that can be told from others."""

    digest = "book-1"


def calls_of(rng: random.Random, count: int) -> list[Any]:
    return [
        done(
            NOON + rng.randrange(60) * HOUR,
            model=rng.choice(["gpt-4o", "o3", "unheard-of"]),
            attribution={
                name: f"{name}{rng.randrange(3)}" for name in ("customer", "agent", "project", "app")
            },
            input_tokens=rng.randrange(10**6),
            status=rng.choice([200, 200, 429]),
            completeness=rng.choice(["final", "final", "none"]),
            key=rng.choice(["k1", "k2", None]),
        )
        for _ in range(count)
    ]


def sums(ledger: TestLedger) -> dict[str, list[Any]]:
    return {
        table: sorted(ledger.connection.execute(f"SELECT * FROM {table}").fetchall(), key=str)  # noqa: S608
        for table in TABLES
    }


@pytest.mark.parametrize("seed", range(20))
def test_sums_that_were_prepared_are_those_of_calls_that_were_not(home: Home, seed: int) -> None:
    rng = random.Random(seed)
    exchanges = calls_of(rng, rng.randrange(1, 400))
    alone = TestLedger(home)
    alone.append(*exchanges)
    prepared = TestLedger(Home(home.path / "prepared"))
    prepared.applier.use(NamedBook())
    rollup = RollUp()
    read = batch(*exchanges)
    made = prepare(read, NamedBook(), plain(read.position), rollup.kinds)
    assert made is not None
    calls = 0
    for block in made.blocks:
        rollup.add(block.columns, calls)
        calls += block.calls
    hours = rollup.hours
    sent = [marshal.dumps(tuple(part)) for part in rollup.parts()]
    parts = [Part(*marshal.loads(each)) for each in sent]  # noqa: S302 - our own
    applied = prepared.applier.apply("proxy-test", [made, *parts, Finished(hours)])
    assert applied.rows == len(exchanges)
    assert sums(prepared) == sums(alone)
    assert verify(prepared.home).ok
    alone.connection.close()
    prepared.connection.close()


def test_prepared_calls_without_their_sums_are_not_stored(ledger: TestLedger) -> None:
    ledger.applier.use(NamedBook())
    made = prepare(batch(done()), NamedBook(), (1, 0, 1), Kinds())
    assert made is not None
    with pytest.raises(NotPlainError):
        ledger.applier.apply("proxy-test", [made])
    assert ledger.connection.execute("SELECT count(*) FROM call").fetchone() == (0,)
    assert ledger.connection.execute("SELECT count(*) FROM block").fetchone() == (0,)


def test_what_is_known_so_far_of_a_call_is_prepared(ledger: TestLedger) -> None:
    begun = done(event_id=b"p" * 16)
    partial = Partial(event_id=begun.event_id, at_ns=NOON, extraction=begun.extraction)
    made = prepare(batch(partial, done()), NamedBook(), (1, 0, 1), Kinds())
    assert made is not None
    assert made.partials == [(begun.event_id, records.encode(partial))]


@pytest.mark.parametrize("size", [0, 1, 3_999, 4_000, 100_000])
def test_what_is_packed_comes_out_again(size: int) -> None:
    data = random.Random(size).randbytes(size // 2) * 2 + bytes(size % 2)
    assert unpacked(packed(data)) == data


@pytest.mark.parametrize("detail", [b"", b"\2abc", b"\1abc", b"\1" + packed(bytes(5_000))[1:-1], b"\0\xc1"])
def test_a_detail_nobody_can_read_is_an_error_of_the_ledger(detail: bytes) -> None:
    with pytest.raises(LedgerError):
        opened(detail)


def test_a_block_larger_than_a_megabyte_is_several(ledger: TestLedger) -> None:
    exchanges = [done(error_class="x" * 200_000) for _ in range(12)]
    ledger.append(*exchanges)
    (blocks,) = ledger.connection.execute("SELECT count(*) FROM block").fetchone()
    assert blocks > 1
    details = Details(ledger.connection)
    for seq, exchange in enumerate(exchanges, 1):
        assert details.of(seq)[0] == records.encode(exchange)
    assert len(list(LedgerReader(ledger.home).export(Filter()))) == 12
    assert verify(ledger.home).ok
