"""Prices by where a call went: regions, data residency, inference profiles, and whose host it was."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from farebox.pricing.book import PriceBook
from farebox.pricing.facts import RatedPart
from farebox.pricing.prices_in_force import holds
from farebox.wire.facts import Part

NOW = int(datetime(2026, 11, 28, tzinfo=UTC).timestamp()) * 10**9
BEFORE = int(datetime(2026, 6, 30, tzinfo=UTC).timestamp()) * 10**9


def rated(
    book: PriceBook,
    provider: str,
    model: str,
    region: str | None = None,
    *,
    at_ns: int = NOW,
    requested: str | None = None,
    **leaves: int,
) -> RatedPart:
    facts = {} if region is None else {"region": region}
    if model.startswith("claude-"):
        facts["publisher"] = "anthropic"  # as the catalog's format says
    part = Part(
        provider=provider,
        request_model=requested or model,
        response_model=model,
        quantities=leaves or {"input_uncached": 10_000, "output_text": 1_000},
        facts=facts,
    )
    return book.rate(part, occurred_at_ns=at_ns, completeness="final", billable=True)


def usd(part: RatedPart) -> Decimal:
    assert part.cost_pico is not None
    return Decimal(part.cost_pico) / 10**12


@pytest.mark.parametrize(
    ("provider", "model", "region"),
    [
        ("vertex", "gemini-3.5-flash", "eu"),
        ("vertex", "gemini-3.5-flash", "us-central1"),
        ("vertex", "google/gemini-3.1-pro-preview", "europe-west4"),
        ("vertex", "claude-sonnet-4-5@20250929", "us-east5"),
        ("vertex", "claude-haiku-4-5-20251001", "europe-west1"),
        ("vertex", "claude-opus-4-8", "eu"),
        ("vertex", "claude-sonnet-5", "us"),
        ("openai", "gpt-5.4", "eu"),
        ("openai", "gpt-5.4-mini-2026-03-17", "us"),
        ("openai", "gpt-6.1-sol", "jp"),
        ("openai", "gpt-image-2", "in"),
    ],
)
def test_newer_models_cost_a_tenth_more_in_a_region(
    shipped: PriceBook, provider: str, model: str, region: str
) -> None:
    there, anywhere = rated(shipped, provider, model, region), rated(shipped, provider, model)
    assert (there.cost_state, anywhere.cost_state) == ("priced", "priced")
    assert usd(there) == usd(anywhere) * Decimal("1.1")


@pytest.mark.parametrize(
    ("provider", "model", "region"),
    [
        ("vertex", "gemini-3.5-flash", "global"),
        ("vertex", "gemini-2.5-pro", "eu"),
        ("vertex", "claude-sonnet-4@20250514", "us-east5"),
        ("vertex", "claude-opus-4-1@20250805", "us-east5"),
        ("vertex", "claude-sonnet-4-5@20250929", "global"),
        ("openai", "gpt-4o", "eu"),
        ("openai", "gpt-5", "us"),
        ("openai", "gpt-5.3-codex", "eu"),
        ("openai", "o3", "eu"),
        ("xai", "grok-4.3", "eu-west-1"),
        ("google", "gemini-3.5-flash", "eu"),
    ],
)
def test_older_models_and_the_global_endpoint_cost_the_same(
    shipped: PriceBook, provider: str, model: str, region: str
) -> None:
    there = rated(shipped, provider, model, region)
    assert there.cost_state == "priced"
    assert usd(there) == usd(rated(shipped, provider, model))


def test_gemini_cost_the_same_in_regions_until_july_2026(shipped: PriceBook) -> None:
    before = rated(shipped, "vertex", "gemini-3.1-pro-preview", "eu", at_ns=BEFORE)
    assert usd(before) == usd(rated(shipped, "vertex", "gemini-3.1-pro-preview", at_ns=BEFORE))


@pytest.mark.parametrize(
    ("model", "factor"),
    [
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "1"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "1.1"),
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "1.1"),
        ("jp.anthropic.claude-sonnet-4-5-20250929-v1:0", "1.1"),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", "1.1"),
    ],
)
def test_a_bedrock_profile_decides_the_price_of_claude(shipped: PriceBook, model: str, factor: str) -> None:
    found = rated(shipped, "bedrock", "claude-sonnet-4-5-20250929", requested=model)
    assert usd(found) == Decimal("0.045") * Decimal(factor)


def test_a_price_of_the_region_comes_before_one_without(shipped: PriceBook) -> None:
    model = "us-gov.anthropic.claude-opus-4-8"
    elsewhere = usd(rated(shipped, "bedrock", "anthropic.claude-opus-4-8", "us-east-1"))
    assert usd(rated(shipped, "bedrock", model, "us-gov-west-1")) > elsewhere


@pytest.mark.parametrize(
    "model",
    [
        "google/gemini-2.5-flash",
        "google/gemini-3.5-flash",
        "meta/llama-3.3-70b-instruct-maas",
        "google/gemma-4-26b-a4b-it-maas",
    ],
)
def test_models_named_with_their_publisher_are_priced_on_vertex(shipped: PriceBook, model: str) -> None:
    assert rated(shipped, "vertex", model).cost_state == "priced"


def test_searches_of_claude_are_priced_by_the_host(shipped: PriceBook) -> None:
    for provider in ("anthropic", "azure", "vertex"):
        found = rated(shipped, provider, "claude-sonnet-4-5", calls_web_search=3)
        assert (found.cost_state, usd(found)) == ("priced", Decimal("0.03")), provider


def test_pages_that_claude_fetched_cost_nothing_where_that_is_offered(shipped: PriceBook) -> None:
    leaves = {"input_uncached": 1_000_000, "calls_web_fetch": 3}
    for provider in ("anthropic", "azure"):
        found = rated(shipped, provider, "claude-sonnet-4-6", **leaves)
        assert (found.cost_state, usd(found)) == ("priced", Decimal(3)), provider
    elsewhere = rated(shipped, "vertex", "claude-sonnet-4-6", **leaves)
    assert (elsewhere.cost_state, usd(elsewhere)) == ("unpriced", Decimal(3))


def test_fees_by_the_call_are_the_same_in_every_region(shipped: PriceBook) -> None:
    found = rated(shipped, "vertex", "claude-sonnet-4-5@20250929", "us-east5", calls_web_search=1)
    assert usd(found) == Decimal("0.01")


def test_a_condition_may_be_any_value_but_one() -> None:
    assert holds({"region": "!global"}, {"region": "eu"})
    assert not holds({"region": "!global"}, {"region": "global"})
    assert not holds({"region": "!global"}, {})
    assert holds({"region": "eu"}, {"region": "eu"})
    assert not holds({"region": "eu"}, {})
