"""What users of other meters complain about, as cases with a known answer (product groups C, D, E)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from price_books import SOURCE, ns

from farebox.pricing.book import PriceBook
from farebox.pricing.facts import RatedPart
from farebox.pricing.price_batches import read_batch, suspicion
from farebox.pricing.sources.price_comparison import MEDIAN_MAX, median, moved
from farebox.wire.facts import Part, Quantity

BookOf = Callable[..., PriceBook]
M = 10**6
PICO = 10**12
IN, OUT = "input_uncached", "output_text"


def rate(
    book: PriceBook, provider: str, model: str, at: str = "2026-11-01T12:00:00", **more: Any
) -> RatedPart:
    part = Part(**{"provider": provider, "request_model": model, "response_model": model, **more})
    return book.rate(part, occurred_at_ns=ns(at), completeness="final", billable=True)


# -- C: unknown model, silent zero --


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-of-tomorrow"),
        ("my-deployment-host", "gpt-4o-prod-eu"),
        ("openrouter", "no/body"),
    ],
)
def test_at_c1_a_model_without_a_price_is_unpriced_and_never_zero(
    shipped: PriceBook, provider: str, model: str
) -> None:
    rated = rate(shipped, provider, model, quantities={"input_uncached": 1000})
    assert (rated.cost_state, rated.cost_pico, rated.charge_pico) == ("unpriced", None, None)
    assert model in (rated.reason or "")


def test_at_c1_a_dot_or_a_dash_in_a_users_key_is_the_same_model(book_of: BookOf) -> None:
    book = book_of(user="claude-opus-4.1: {input_per_1m: 15}")
    rated = rate(book, "anthropic", "claude-opus-4-1", quantities={"input_uncached": M})
    assert rated.cost_pico == 15 * PICO


def test_at_c2_a_contract_or_a_price_of_the_user_puts_a_figure_on_an_unpriced_model(
    book_of: BookOf,
) -> None:
    unknown = book_of()
    ceiling = book_of(user='"*": {input_per_1m: 100, output_per_1m: 500}')
    call = {"quantities": {"input_uncached": M}}
    assert rate(unknown, "x", "y", **call).cost_pico is None
    assert rate(ceiling, "x", "y", **call).cost_pico == 100 * PICO


def test_at_c3_adding_a_price_prices_what_had_none_and_changes_nothing_else(book_of: BookOf) -> None:
    before, after = book_of({"maker": MAKER}), book_of({"maker": MAKER}, user="new: {input_per_1m: 3}")
    call = {"quantities": {"input_uncached": M}}
    assert rate(before, "maker", "new", **call).cost_state == "unpriced"
    assert rate(after, "maker", "new", **call).cost_pico == 3 * PICO
    assert rate(before, "maker", "big", **call).cost_pico == rate(after, "maker", "big", **call).cost_pico


MAKER = f"""
provider: maker
models:
  - id: big
    match: {{equals: big}}
    prices:
      - {{id: maker/big/ever, per_1m: {{input: "1", output: "4"}}, {SOURCE}}}
      - {{id: maker/big/2026-08-16, effective_from: "2026-08-16",
         per_1m: {{input: "2", output: "8"}}, {SOURCE}}}
      - {{id: maker/big/2026-08-16@peak, effective_from: "2026-08-16", hours: "01:00-04:00", days: mon-fri,
         per_1m: {{input: "4", output: "16"}}, {SOURCE}}}
"""

# -- D: tiers, tools, modalities, reasoning, batch --


@pytest.mark.parametrize(
    ("provider", "model", "quantities", "facts", "usd"),
    [
        # 37: the long-context tier is for the whole request. Google: above 200,000.
        ("google", "gemini-2.5-pro", {IN: 200_000}, {}, "0.25"),
        ("google", "gemini-2.5-pro", {IN: 200_001}, {}, "0.5000025"),
        (
            "google",
            "gemini-2.5-pro",
            {IN: 200_001, OUT: 1000},
            {},
            "0.5150025",
        ),
        # xAI: from 200,000 on.
        ("xai", "grok-4-0709", {IN: 199_999}, {}, "0.599997"),
        # 38: 272,000 is another threshold than 200,000.
        ("openai", "gpt-5.6-sol", {IN: 272_000}, {}, "1.088"),
        ("openai", "gpt-5.6-sol", {IN: 272_001}, {}, "2.176008"),
        # 39: tool fees, from what was used.
        (
            "anthropic",
            "claude-sonnet-4-5",
            {IN: 0, "calls_web_search": 3},
            {},
            "0.03",
        ),
        ("xai", "grok-4-0709", {"calls_x_search": 2, "calls_file_search": 2}, {}, "0.015"),
        # 41: reasoning is output, once.
        ("openai", "gpt-5", {"output_reasoning": 900, OUT: 100}, {}, "0.01"),
        # 42: batch, flex and priority from what the response says.
        ("openai", "gpt-5", {OUT: M}, {"service_tier": "flex"}, "5"),
        ("openai", "gpt-5", {OUT: M}, {"service_tier": "default"}, "10"),
        ("openai", "gpt-5", {OUT: M}, {"batch": "true"}, "5"),
        ("openai", "gpt-5", {OUT: M}, {"service_tier": "priority"}, "20"),
        # Where the data are kept, and how fast.
        (
            "anthropic",
            "claude-opus-4-6",
            {IN: M},
            {"geo": "us"},
            "5.5",
        ),
        (
            "anthropic",
            "claude-opus-4-6",
            {IN: M},
            {"geo": "global"},
            "5",
        ),
        # The profile in front of a Bedrock model, and Vertex apart from AI Studio.
        ("bedrock", "amazon.nova-lite-v1:0", {IN: M}, {}, "0.06"),
        ("bedrock", "eu.amazon.nova-lite-v1:0", {IN: M}, {}, "0.078"),
        ("google", "gemini-2.0-flash", {IN: M}, {}, "0.1"),
        ("vertex", "gemini-2.0-flash", {IN: M}, {}, "0.15"),
        # Other units.
        ("groq", "whisper-large-v3", {"audio_seconds": Decimal("3.5")}, {}, "0.000308333333"),
        ("cohere", "rerank-v3.5", {"search_units": 1}, {}, "0.002"),
        ("mistral", "mistral-ocr-latest", {"pages": 1000}, {}, None),
        ("openai", "sora-2", {"video_seconds": 8}, {}, "0.8"),
        (
            "azure",
            "dall-e-3",
            {"images": 1},
            {"size": "1024x1792", "quality": "hd"},
            None,
        ),
        # Aliases that moved: what they mean depends on the day.
        ("mistral", "mistral-large-latest", {IN: M}, {}, "0.5"),
    ],
)
def test_at_d1_golden_cases(
    shipped: PriceBook,
    provider: str,
    model: str,
    quantities: dict[str, Quantity],
    facts: dict[str, str],
    usd: str | None,
) -> None:
    rated = rate(shipped, provider, model, quantities=quantities, facts=facts)
    assert rated.cost_state == "priced", rated.reason
    if usd is not None:
        assert rated.cost_pico == int(Decimal(usd).scaleb(12)), [str(line) for line in rated.lines]


@pytest.mark.parametrize(("day", "usd"), [("2025-06-01", 2), ("2025-12-01", 2), ("2025-12-02", "0.5")])
def test_at_d1_an_alias_that_moved_means_what_it_meant_on_the_day(
    shipped: PriceBook, day: str, usd: int | str
) -> None:
    rated = rate(shipped, "mistral", "mistral-large-latest", day, quantities={IN: M})
    assert rated.cost_pico == int(Decimal(usd).scaleb(12))


def test_at_d2_a_tool_that_was_only_declared_costs_nothing(shipped: PriceBook) -> None:
    tokens = {"input_uncached": 1000, "output_text": 100}
    used = rate(shipped, "anthropic", "claude-sonnet-4-5", quantities={**tokens, "calls_web_search": 1})
    declared = rate(shipped, "anthropic", "claude-sonnet-4-5", quantities=tokens)
    none_used = rate(shipped, "anthropic", "claude-sonnet-4-5", quantities={**tokens, "calls_web_search": 0})
    assert declared.cost_pico == none_used.cost_pico
    assert used.cost_pico == (declared.cost_pico or 0) + PICO // 100


# -- E: units, staleness, history, time of day --


@pytest.mark.parametrize(
    ("at", "usd"),
    [
        ("2026-08-15T02:00:00", 1),  # in what became peak hours, before there were any
        ("2026-08-17T00:59:59.999999", 2),  # a Monday
        ("2026-08-17T01:00:00", 4),
        ("2026-08-17T03:59:59.999999", 4),
        ("2026-08-17T04:00:00", 2),
        ("2026-08-16T02:00:00", 2),  # a Sunday
        ("2026-08-22T02:00:00", 2),  # a Saturday
    ],
)
def test_at_e1_effective_dates_hours_and_weekdays_combine(book_of: BookOf, at: str, usd: int) -> None:
    rated = rate(book_of({"maker": MAKER}), "maker", "big", at, quantities={"input_uncached": M})
    assert rated.cost_pico == usd * PICO


@pytest.mark.parametrize(
    ("at", "usd"),
    [
        ("2026-11-02T02:00:00", "0.3"),
        ("2026-11-02T05:00:00", "0.15"),
        ("2026-11-01T02:00:00", "0.15"),
    ],
)
def test_at_e1_deepseeks_peak_is_on_weekdays_in_the_shipped_book(
    shipped: PriceBook, at: str, usd: str
) -> None:
    rated = rate(shipped, "deepseek", "deepseek-v4-flash", at, quantities={"input_uncached": M})
    assert rated.cost_pico == int(Decimal(usd).scaleb(12))


def test_at_e2_a_later_price_changes_no_earlier_call(book_of: BookOf) -> None:
    call = {"quantities": {"input_uncached": M}}
    before = book_of({"maker": MAKER})
    after = book_of({"maker": MAKER}, user="big: {effective_from: 2026-10-01, input_per_1m: 9}")
    for at in ("2026-01-01T00:00:00", "2026-08-17T02:00:00", "2026-09-30T23:59:59"):
        earlier = rate(before, "maker", "big", at, **call)
        later = rate(after, "maker", "big", at, **call)
        assert (earlier.cost_pico, earlier.lines[0].price_id) == (later.cost_pico, later.lines[0].price_id)
    assert rate(after, "maker", "big", "2026-10-01T00:00:00", **call).cost_pico == 9 * PICO


def test_at_e3_half_of_a_batch_a_thousand_times_off_is_other_units() -> None:
    """The command that puts such a batch aside is tested in tests/cli/test_prices.py."""
    ratios = [moved(Decimal(a), Decimal(b)) for a, b in (("2.5", "2500"), ("0.15", "0.15"), ("1", "1000"))]
    middle = median(ratio for ratio in ratios if ratio is not None)
    assert middle == Fraction(1000)
    assert middle > MEDIAN_MAX


_PRICED = [("openai", "gpt-4o"), ("openai", "gpt-4o-mini"), ("anthropic", "claude-sonnet-4-5"),
           ("google", "gemini-2.5-flash"), ("mistral", "mistral-small-latest")]  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(_PRICED), min_size=3, max_size=5, unique=True),
    st.fractions(Fraction(1, 10**6), Fraction(10**6), max_denominator=10**6).filter(bool),
)
def test_at_e3_a_batch_is_put_aside_exactly_when_its_middle_moves_more_than_ten_times(
    shipped: PriceBook, tmp_path: Path, models: list[tuple[str, str]], factor: Fraction
) -> None:
    rows = ["model,provider,effective_from,input_per_1m"]
    for provider, model in models:
        known = next(
            line for line in shipped.find(provider, model, ns("2026-11-01T12:00:00")) if line.unit == "input"
        )
        price = Fraction(known.unit_price_usd) * M * factor
        digits = Decimal(price.numerator) / Decimal(price.denominator)
        rows.append(f"{model},{provider},2026-11-01,{digits:.12f}")
    file = tmp_path / "rates.csv"
    file.write_text("\n".join(rows))
    batch = read_batch(file, shipped.price_names)
    assert not batch.findings
    doubt = suspicion(shipped, batch, ns("2026-11-02T12:00:00"))
    if factor > Fraction(101, 10) or factor < Fraction(10, 101):
        assert doubt is not None
    elif Fraction(10, 99) < factor < Fraction(99, 10):
        assert doubt is None
