"""Calls that have begun and not ended: known from their INTENT on, what they cost from their PARTIAL."""

from __future__ import annotations

import msgspec
from calls import NOON, OnePriceBook, TestLedger, batch, done, intent_of

from farebox.home import Home
from farebox.journal.records import Held, Partial
from farebox.ledger.calls import LedgerReader


def test_a_call_is_in_flight_from_its_beginning_to_its_end(home: Home) -> None:
    ledger, reader = TestLedger(home), LedgerReader(home)
    ended = done()
    begun = msgspec.structs.replace(intent_of(ended), held=Held(900, 0, 1, (1,)))
    ledger.applier.apply("proxy-test", [batch(begun)])
    (call,) = reader.in_flight(10)
    assert (call.intent.event_id, call.reserved_pico) == (ended.event_id, 900)
    assert (call.model, call.known_at_ns, call.cost_pico(OnePriceBook())) == (None, None, None)

    seen = Partial(event_id=ended.event_id, at_ns=NOON + 5, extraction=ended.extraction)
    ledger.applier.apply("proxy-test", [batch(seen)])
    (call,) = reader.in_flight(10)
    assert (call.model, call.known_at_ns) == (ended.extraction.response_model, NOON + 5)

    ledger.append(ended)
    assert reader.in_flight(10) == []
    (row,) = reader.newest(1)
    assert call.cost_pico(OnePriceBook()) == row.cost_pico and row.cost_pico
    reader.close()


def test_the_newest_come_first(home: Home) -> None:
    ledger, reader = TestLedger(home), LedgerReader(home)
    calls = [done(NOON + number * 10**9) for number in range(3)]
    ledger.applier.apply("proxy-test", [batch(*map(intent_of, calls))])
    assert [call.intent.event_id for call in reader.in_flight(2)] == [calls[2].event_id, calls[1].event_id]
    reader.close()
