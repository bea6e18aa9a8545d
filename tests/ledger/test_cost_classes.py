"""Costs by class of tokens: they add up to the row's cost, whatever the lines of its rating come to."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from calls import NOON, TestLedger, done
from hypothesis import given
from hypothesis import strategies as st
from test_rerating import PRICE, book, new_model, rerate

from farebox.home import Home
from farebox.journal.records import Done
from farebox.ledger.cache_savings import SAVINGS
from farebox.ledger.cost_classes import (
    COSTS,
    INCLUDED_VALUE,
    CostedLine,
    CostedPart,
    CostedRating,
    classes_of,
)
from farebox.ledger.database import open_reader
from farebox.ledger.feed import Feed
from farebox.pricing import load_book
from farebox.wire.facts import LEAVES, Extraction, Part

MICRO = 10**6


def costs_of(home: Home) -> list[dict[str, int]]:
    """Return the classes of every row of the record, and check that they add up to its cost."""
    connection = open_reader(home)
    assert connection is not None
    batch = Feed(connection).after(0, 1_000, with_details=True)
    stored = [cost or 0 for (cost,) in connection.execute("SELECT cost_pico FROM call ORDER BY seq")]
    connection.close()
    found = [dict(zip(COSTS, each, strict=True)) for each in batch.costs]
    for each in found:
        for name in SAVINGS:  # in test_cache_savings
            del each[name]
    assert [sum(each[name] for name in COSTS[:5]) for each in found] == stored
    if not any(each[INCLUDED_VALUE] for each in found):
        for each in found:
            del each[INCLUDED_VALUE]
    return found


def call(*parts: Part) -> Done:
    usage = Extraction(parts=parts, completeness="final", request_model="m", response_model="m")
    return msgspec.structs.replace(done(NOON, model="m"), extraction=usage)


def part(quantities: dict[str, int], stated: str | None = None) -> Part:
    return Part(
        provider="openai", request_model="m", response_model="m", quantities=dict(quantities),
        provider_cost_usd=None if stated is None else Decimal(stated),
    )  # fmt: skip


PRICES = (
    "m: {input_per_1m: 10, cache_read_per_1m: 1, cache_write_5m_per_1m: 12, output_per_1m: 30, "
    "calls_web_search_per_1k: 10}"
)


def test_the_classes_of_a_call_are_the_amounts_of_its_lines(ledger: TestLedger, home: Home) -> None:
    ledger.applier.use(book(PRICES))
    tokens = {
        "input_uncached": 7,
        "cache_read": 5,
        "cache_write_5m": 3,
        "output_text": 2,
        "output_reasoning": 4,
    }
    ledger.append(call(part(tokens), part({"calls_web_search": 2})))
    (costs,) = costs_of(home)
    assert costs == {
        "input_cost_pico": 70 * MICRO,
        "cache_read_cost_pico": 5 * MICRO,
        "cache_creation_cost_pico": 36 * MICRO,
        "output_cost_pico": 180 * MICRO,
        "other_cost_pico": 20_000 * MICRO,
        "reasoning_cost_pico": 120 * MICRO,
    }


def test_a_total_that_the_provider_stated_is_divided_by_the_listed_lines(
    ledger: TestLedger, home: Home
) -> None:
    ledger.applier.use(book(PRICES))
    ledger.append(call(part({"input_uncached": 1, "cache_read": 10, "output_text": 1}, "0.000000000101")))
    (costs,) = costs_of(home)
    # 10, 10 and 30 of 50: 20.2, 20.2 and 60.6 pico-dollars.
    assert (costs["input_cost_pico"], costs["cache_read_cost_pico"], costs["output_cost_pico"]) == (
        20,
        20,
        61,
    )


def test_a_stated_total_without_listed_prices_is_of_something_else(ledger: TestLedger, home: Home) -> None:
    ledger.applier.use(book())
    ledger.append(call(part({"input_uncached": 1}, "0.5")))
    (costs,) = costs_of(home)
    assert costs["other_cost_pico"] == 5 * 10**11
    assert costs["input_cost_pico"] == 0


def test_a_reversal_takes_back_the_classes_of_the_row_before(ledger: TestLedger, home: Home) -> None:
    ledger.applier.use(book("brand-new: {input_per_1m: 1, output_per_1m: 2}"))
    ledger.append(new_model())
    rerate(ledger, book(PRICE), 1, priced_too=True)
    first, reversal, replacement = costs_of(home)
    assert first["output_cost_pico"] == 10 * MICRO
    assert reversal == {name: -amount for name, amount in first.items()}
    assert replacement["output_cost_pico"] == 100 * MICRO


def test_what_a_subscription_paid_for_has_a_value_and_no_cost_and_a_reversal_takes_it_back(
    ledger: TestLedger, home: Home
) -> None:
    ledger.applier.use(load_book(state=home.path))
    usage = {"input_uncached": 100_000, "output_text": 10_000}
    model = "claude-sonnet-4-5"
    paid = Part(
        provider="anthropic", request_model=model, response_model=model, quantities=dict(usage),
        facts={"plan": "subscription"},
    )  # fmt: skip
    seen = msgspec.structs.replace(call(paid), provider="anthropic", witness="agent_log")
    ledger.append(msgspec.structs.replace(seen, source="agent_log:a", request_id="r1"))
    found = costs_of(home)
    assert [each[INCLUDED_VALUE] for each in found] == [450_000 * MICRO]
    bare = msgspec.structs.replace(paid, facts={})
    wire = msgspec.structs.replace(call(bare), provider="anthropic", request_id="r1")
    ledger.append(wire)
    assert [each[INCLUDED_VALUE] for each in costs_of(home)] == [450_000 * MICRO, -450_000 * MICRO, 0]


def test_a_block_that_cannot_be_read_leaves_the_sum_exact(ledger: TestLedger, home: Home) -> None:
    ledger.append(done(NOON))
    ledger.connection.execute("DROP TRIGGER block_never_updated")
    ledger.connection.execute("UPDATE block SET detail = x'00ff'")
    (costs,) = costs_of(home)
    assert costs["other_cost_pico"] == 15 * 2_500_000


amounts = st.none() | st.integers(0, 10**15)
lines = st.lists(st.builds(CostedLine, st.sampled_from(LEAVES), st.none(), st.none(), amounts), max_size=6)
parts = st.lists(st.builds(CostedPart, lines, st.just("priced"), cost_pico=amounts), max_size=4)


@given(st.none() | st.builds(CostedRating, st.none(), st.none(), st.none(), parts), st.integers(1, 10**15))
def test_the_classes_add_up_to_the_cost_of_any_rating(rating: CostedRating | None, cost: int) -> None:
    found = classes_of(rating, cost)
    assert sum(found[:5]) == cost
    assert 0 <= found[5] <= found[3]
    assert found[6] == 0
