"""What rows count for in budgets: costs that are known, bounds where they are not, signed corrections."""

from __future__ import annotations

from typing import Any

import msgspec
from calls import NOON, PICO_PER_TOKEN, OnePriceBook, TestLedger, batch, done, intent_of

from farebox.journal import records
from farebox.journal.reader import Batch, Position
from farebox.journal.records import Held
from farebox.ledger.feed import Feed
from farebox.ledger.spending.counted_rows import CountedRow, CountedRows

HELD = Held(90_000_000, 120_000_000, 7, (1, 2))
PRICED = 15 * PICO_PER_TOKEN


class EstimatingBook(OnePriceBook):
    """Says of a cost by estimated usage that it is estimated."""

    def rate(self, part: Any, *, completeness: str, **more: Any) -> Any:
        rated = super().rate(part, completeness=completeness, **more)
        is_estimated = completeness == "estimated" and rated.cost_state == "priced"
        return msgspec.structs.replace(rated, cost_state="estimated") if is_estimated else rated


def rows(ledger: TestLedger, *, with_held: bool = True) -> list[CountedRow]:
    batch = Feed(ledger.connection).after(0, 1_000)
    return list(CountedRows(ledger.connection).of(batch, with_held=with_held))


def amounts(ledger: TestLedger) -> list[tuple[int, int]]:
    return [(row.cost_pico, row.charge_pico) for row in rows(ledger)]


def test_a_known_cost_counts_as_it_is_and_says_what_was_held(ledger: TestLedger) -> None:
    ledger.append(done(held=HELD), done(at=NOON + 1))
    assert amounts(ledger) == [(PRICED, 2 * PRICED)] * 2
    assert [row.held for row in rows(ledger)] == [HELD, None]
    assert [row.held for row in rows(ledger, with_held=False)] == [None, None]


def test_a_call_whose_writer_died_counts_at_its_worst_case(ledger: TestLedger) -> None:
    begun = msgspec.structs.replace(intent_of(done()), held=HELD)
    ledger.applier.apply("proxy-test", [batch(begun, finished=True)])
    (row,) = rows(ledger)
    assert (row.cost_pico, row.charge_pico, row.held) == (HELD.cost_pico, HELD.charge_pico, HELD)


def test_a_call_without_a_price_counts_what_was_held_and_never_zero(ledger: TestLedger) -> None:
    ledger.append(done(model="unheard-of", held=HELD))
    assert amounts(ledger) == [(HELD.cost_pico, HELD.charge_pico)]


def test_a_call_that_no_budget_held_counts_what_is_known_of_it(ledger: TestLedger) -> None:
    ledger.append(done(model="unheard-of"))
    assert amounts(ledger) == [(0, 0)]


def test_a_correction_takes_back_exactly_what_counted_before(ledger: TestLedger) -> None:
    ledger.applier.use(EstimatingBook())
    cut: Any = done(completeness="none", held=HELD, outcome="client_disconnected")
    cut.extraction = msgspec.structs.replace(
        cut.extraction, lacks=("input", "output"), parts=done().extraction.parts
    )
    cut.extraction.parts[0].quantities.clear()
    ledger.append(cut)
    estimate = records.Estimate(
        event_id=cut.event_id,
        source=cut.source,
        at_ns=NOON,
        method="tokenizer:o200k_base",
        input=(4, 5, 6),
        output=(1, 2, 3),
    )
    entry = [(9, records.ESTIMATE, records.encode(estimate))]
    ledger.applier.apply("estimator", [Batch(entry, [], Position(1, 9, 9), False)])
    found = amounts(ledger)
    first, taken_back, *_, last = found
    assert first == (HELD.cost_pico, HELD.charge_pico) and len(found) in (3, 5)
    assert sum(cost for cost, _ in found) == last[0] == 9 * PICO_PER_TOKEN, "its upper bound"
    assert taken_back[0] == -first[0] and taken_back[1] == -first[1]
    assert sum(charge for _, charge in found) == last[1]


def test_a_second_reading_counts_the_same(ledger: TestLedger) -> None:
    ledger.append(done(held=HELD), done(at=NOON + 1, model="unheard-of", held=HELD))
    assert rows(ledger) == rows(ledger)
    later = Feed(ledger.connection).after(1, 1_000)
    assert list(CountedRows(ledger.connection).of(later, with_held=True)) == rows(ledger)[1:]
