"""The highest prices that can apply: rating never makes more of a call, whatever it turns out to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from price_books import SOURCE, ns

from farebox.pricing.book import PriceBook
from farebox.pricing.highest_prices import (
    ROUNDING_PICO,
    HighestPrices,
    RateTable,
    Uses,
    highest_known,
    highest_prices,
)
from farebox.wire.facts import INPUT_LEAVES, OUTPUT_LEAVES, Part

AT = ns("2026-11-29")
TEXT = Uses(("input_uncached",), ("output_text",))
ALL_TOKENS = Uses(INPUT_LEAVES, OUTPUT_LEAVES, ("calls_web_search",))
BookOf = Callable[..., PriceBook]
LIST = f"""
provider: maker
models:
  - id: big
    match: {{starts_with: big}}
    prices:
      - id: maker/big/ever
        per_1m: {{input: "1", cache_write_1h: "3", output: "4"}}
        per_1k: {{requests: "2", calls_web_search: "10"}}
        tiers: [{{above: "1000", per_1m: {{input: "2", output: "6"}}}}]
        {SOURCE.replace(", ", chr(10) + "        ")}
      - {{id: "maker/big/ever@fast", when: {{speed: fast}}, per_1m: {{input: "5", output: "20"}}, {SOURCE}}}
      - {{id: "maker/big/ever@batch", when: {{processing: batch}}, per_1m: {{input: "900"}}, {SOURCE}}}
"""
CLOSED: dict[str, list[str | None]] = {"speed": [None], "processing": [None]}


def found(book: PriceBook, uses: Uses = TEXT, **changes: Any) -> HighestPrices:
    facts = changes.pop("facts", CLOSED)
    return highest_prices(book, "maker", changes.pop("models", ["big"]), facts, uses, at_ns=AT, **changes)


def table(prices: HighestPrices, side: str = "cost") -> RateTable:
    known = prices.cost if side == "cost" else prices.charge
    assert known is not None
    return known


def test_a_band_that_the_input_can_reach_prices_all_of_it(book_of: BookOf) -> None:
    rates = table(found(book_of({"maker": LIST})))
    fee = 2 * 10**9
    assert rates.amount(1000, 10) == 1000 * 10**6 + 10 * 4 * 10**6 + fee + ROUNDING_PICO
    assert rates.amount(1001, 10) == 1001 * 2 * 10**6 + 10 * 6 * 10**6 + fee + ROUNDING_PICO


def test_a_fact_that_is_open_is_taken_at_its_most_expensive_value(book_of: BookOf) -> None:
    book = book_of({"maker": LIST})
    closed = table(found(book))
    opened = table(found(book, facts={"processing": [None]}))
    asked = table(found(book, facts={"processing": [None], "speed": ["fast", None]}))
    assert opened == asked
    assert opened.amount(10, 10) > closed.amount(10, 10)
    assert opened.amount(10, 0) - opened.amount(0, 0) == 10 * 5 * 10**6, "not a batch's $900"


def test_a_cache_write_counts_only_where_it_can_happen(book_of: BookOf) -> None:
    book = book_of({"maker": LIST})
    written = table(found(book, Uses(("cache_write_1h", "input_uncached"), ("output_text",))))
    assert written.amount(100, 0) - table(found(book)).amount(100, 0) == 100 * 2 * 10**6


def test_a_call_of_a_tool_costs_its_fee(book_of: BookOf) -> None:
    rates = table(found(book_of({"maker": LIST}), Uses(("input_uncached",), (), ("calls_web_search",))))
    assert rates.amount(0, 0, {"calls_web_search": 3}) - rates.amount(0, 0) == 3 * 10**10


def test_several_models_that_may_serve_a_name_cost_what_the_most_expensive_does(book_of: BookOf) -> None:
    small = LIST.replace("big", "small").replace('input: "1"', 'input: "0.1"').replace("maker/", "maker/s-")
    book = book_of({"maker": LIST + "\n".join(small.splitlines()[3:])})
    both = table(found(book, models=["small", "big"]))
    assert both == table(found(book)).joined(table(found(book, models=["small"])))
    assert both.amount(500, 0) == table(found(book)).amount(500, 0)


def test_a_model_without_a_price_has_none(book_of: BookOf) -> None:
    prices = found(book_of({"maker": LIST}), models=["unheard-of"])
    assert prices.cost is None and prices.charge is None
    assert set(prices.missing) == {"input_uncached", "output_text"}


def test_the_highest_known_rates_are_those_of_the_most_expensive_model(book_of: BookOf) -> None:
    book = book_of({"maker": LIST})
    highest = highest_known(book, "maker", at_ns=AT)
    assert highest is not None
    assert highest.amount(1, 1) == (5 + 20) * 10**6 + ROUNDING_PICO
    assert highest_known(book, "nobody", at_ns=AT) is None


CONTRACTS = {
    "none": "",
    "bought": "deal: {with: provider, for: {provider: maker}, terms: [{discount_percent: 40}]}",
    "bought flat": 'deal: {with: provider, for: {provider: maker}, terms: [{prices: {input_per_1m: "8"}}]}',
}


@pytest.mark.parametrize("markup", ["", "big: {markup: 2}"])
@pytest.mark.parametrize("name", CONTRACTS)
def test_under_every_contract_no_call_costs_or_is_charged_more(
    book_of: BookOf, name: str, markup: str
) -> None:
    book = book_of({"maker": LIST}, contracts=CONTRACTS[name], user=markup)
    prices = found(book, Uses(("input_uncached", "cache_read"), ("output_text",)))
    cost, charge = table(prices), table(prices, "charge")
    for tokens in (1, 17, 900, 1000, 1001, 4000, 20_000):
        part = Part(
            provider="maker",
            response_model="big",
            quantities={"input_uncached": tokens, "cache_read": 3, "output_text": tokens // 3},
        )
        rated = book.rate(part, occurred_at_ns=AT, completeness="final", billable=True, attribution={})
        assert rated.cost_pico is not None and rated.charge_pico is not None
        assert rated.cost_pico <= cost.amount(tokens + 3, tokens // 3)
        assert rated.charge_pico <= charge.amount(tokens + 3, tokens // 3)
        assert rated.charge_pico == rated.cost_pico * (2 if markup else 1)


SAMPLED = [
    ("openai", "gpt-5.4"),
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-audio-preview"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-opus-4-6"),
    ("google", "gemini-2.5-pro"),
    ("google", "gemini-2.5-flash"),
    ("vertex", "gemini-3-pro-preview"),
    ("bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("xai", "grok-4"),
    ("deepseek", "deepseek-v4-pro"),
    ("openrouter", "openai/gpt-5"),
    ("azure", "gpt-5"),
]
leaves = st.dictionaries(
    st.sampled_from([*INPUT_LEAVES, *OUTPUT_LEAVES]), st.integers(0, 400_000), max_size=6
)
facts = st.fixed_dictionaries(
    {},
    optional={
        "service_tier": st.sampled_from(["default", "priority", "flex", "fast", "standard"]),
        "speed": st.sampled_from(["fast", "standard"]),
        "geo": st.sampled_from(["us", "global"]),
        "region": st.sampled_from(["us", "europe-west1", "global"]),
        "search_context_size": st.sampled_from(["low", "high"]),
    },
)


@settings(max_examples=150)
@given(st.sampled_from(SAMPLED), leaves, facts, st.integers(0, 3))
def test_whatever_a_call_turns_out_to_be_it_costs_no_more(
    shipped: PriceBook, named: tuple[str, str], used: dict[str, int], stated: dict[str, str], searches: int
) -> None:
    provider, model = named
    quantities = {**used, "calls_web_search": searches}
    part = Part(provider=provider, response_model=model, quantities=dict(quantities), facts=stated)
    rated = shipped.rate(part, occurred_at_ns=AT, completeness="final", billable=True)
    region = stated.get("region")
    prices = highest_prices(
        shipped,
        provider,
        [model],
        {"region": [region], "processing": [None], "batch": [None]},
        ALL_TOKENS,
        at_ns=AT,
    )
    assert prices.cost is not None and prices.start_ns <= AT < prices.end_ns
    most = prices.cost.amount(part.input_tokens, part.output_tokens, {"calls_web_search": searches})
    assert (rated.cost_pico or 0) <= most
