"""Complaints of the field about usage, as named tests: groups A and B."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox import catalog
from farebox.pricing import load_book
from farebox.pricing.facts import RatedPart
from farebox.wire.facts import INPUT_LEAVES, OUTPUT_LEAVES, Extraction
from farebox.wire.meter import Meter
from farebox.wire.session import SessionMeter

CATALOG = catalog.load()
BOOK = load_book()
OCTOBER_2025_NS = 1_760_000_000 * 1_000_000_000

CHAT = ("openai", "/v1/chat/completions")
RESPONSES = ("openai", "/v1/responses")
MESSAGES = ("anthropic", "/v1/messages")
GENERATE = ("google", "/v1beta/models/gemini-2.5-flash:generateContent")
CONVERSE = ("bedrock", "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse")
IMAGES = ("xai", "/v1/images/generations")

Where = tuple[str, str]


def answer(where: Where, body: dict[str, Any], request: dict[str, Any] | None = None) -> Extraction:
    provider = CATALOG.provider(where[0])
    assert provider is not None
    meter = Meter(provider.endpoint("POST", where[1]), where[1], "", [])
    meter.request_body(json.dumps(request or {}).encode())
    meter.request_end()
    meter.response_head(200, [(b"content-type", b"application/json")])
    meter.response_body(json.dumps(body).encode())
    return meter.finish("completed")


def rated(extraction: Extraction) -> list[RatedPart]:
    return [
        BOOK.rate(
            part,
            occurred_at_ns=OCTOBER_2025_NS,
            completeness=extraction.completeness,
            billable=extraction.billable,
        )
        for part in extraction.parts
    ]


def cost_usd(extraction: Extraction) -> Decimal:
    parts = rated(extraction)
    assert all(part.cost_pico is not None for part in parts)
    return Decimal(sum(part.cost_pico or 0 for part in parts)).scaleb(-12)


GOLDEN: dict[str, tuple[Where, dict[str, Any], str]] = {
    # 800 at 2.50, 200 cached at 1.25, 100 at 10.00 dollars a million
    "openai chat": (
        CHAT,
        {
            "id": "c1",
            "model": "gpt-4o-2024-08-06",
            "usage": {
                "prompt_tokens": 1000,
                "completion_tokens": 100,
                "total_tokens": 1100,
                "prompt_tokens_details": {"cached_tokens": 200},
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
        },
        "0.00325",
    ),
    # 800 at 1.25, 200 cached at 0.125, 100 at 10.00
    "openai responses": (
        RESPONSES,
        {
            "id": "r1",
            "model": "gpt-5-2025-08-07",
            "status": "completed",
            "usage": {
                "input_tokens": 1000,
                "output_tokens": 100,
                "total_tokens": 1100,
                "input_tokens_details": {"cached_tokens": 200},
                "output_tokens_details": {"reasoning_tokens": 30},
            },
        },
        "0.002025",
    ),
    # 10 at 3.00, 1,000 read at 0.30, 100 written for 5 minutes at 3.75, 50 for an hour at 6.00, 20 at 15.00
    "anthropic with both caches": (
        MESSAGES,
        {
            "id": "m1",
            "model": "claude-sonnet-4-5-20250929",
            "usage": {
                "input_tokens": 10,
                "cache_read_input_tokens": 1000,
                "cache_creation_input_tokens": 150,
                "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 50},
                "output_tokens": 20,
            },
        },
        "0.001305",
    ),
    # 100 at 0.30, 20 and 30 of thoughts at 2.50
    "gemini": (
        GENERATE,
        {
            "modelVersion": "gemini-2.5-flash",
            "usageMetadata": {
                "promptTokenCount": 100,
                "candidatesTokenCount": 20,
                "thoughtsTokenCount": 30,
                "totalTokenCount": 150,
            },
        },
        "0.000155",
    ),
    # the regional profile costs a tenth more: 10 at 3.30, 12 for an hour at 6.60, 8 at 4.125, 5 at 16.50
    "bedrock with cacheDetails": (
        CONVERSE,
        {
            "usage": {
                "inputTokens": 10,
                "outputTokens": 5,
                "cacheReadInputTokens": 0,
                "cacheReadInputTokenCount": 0,
                "cacheWriteInputTokens": 20,
                "cacheWriteInputTokenCount": 20,
                "cacheDetails": [{"ttl": "1h", "inputTokens": 12}, {"ttl": "5m", "inputTokens": 8}],
            }
        },
        "0.0002277",
    ),
    # the provider's own figure: 200,000,000 ticks
    "xai image": (IMAGES, {"data": [{"url": "x"}], "usage": {"cost_in_usd_ticks": 200_000_000}}, "0.02"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_at_a1_a_golden_answer_costs_what_its_provider_charges(name: str) -> None:
    where, body, expected = GOLDEN[name]
    assert cost_usd(answer(where, body)) == Decimal(expected)


counts = st.integers(0, 10**9)


@st.composite
def usages(draw: st.DrawFn) -> tuple[Where, dict[str, Any], int, int]:
    """Return a consistent answer with the input and output it states."""
    where = draw(st.sampled_from((CHAT, RESPONSES, MESSAGES, GENERATE, CONVERSE)))
    fresh, read, wrote, told, thought = (draw(counts) for _ in range(5))
    if where is CHAT:
        usage: dict[str, Any] = {
            "prompt_tokens": fresh + read + wrote,
            "completion_tokens": told + thought,
            "total_tokens": fresh + read + wrote + told + thought,
            "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": wrote},
            "completion_tokens_details": {"reasoning_tokens": thought},
        }
        body = {"model": "gpt-4o", "usage": usage}
    elif where is RESPONSES:
        usage = {
            "input_tokens": fresh + read + wrote,
            "output_tokens": told + thought,
            "total_tokens": fresh + read + wrote + told + thought,
            "input_tokens_details": {"cached_tokens": read, "cache_write_tokens": wrote},
            "output_tokens_details": {"reasoning_tokens": thought},
        }
        body = {"model": "gpt-5", "usage": usage}
    elif where is MESSAGES:
        usage = {
            "input_tokens": fresh,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": wrote,
            "output_tokens": told + thought,
            "output_tokens_details": {"thinking_tokens": thought},
        }
        body = {"model": "claude-sonnet-4-5", "usage": usage}
    elif where is GENERATE:
        usage = {
            "promptTokenCount": fresh + read,
            "cachedContentTokenCount": read,
            "toolUsePromptTokenCount": wrote,
            "candidatesTokenCount": told,
            "thoughtsTokenCount": thought,
            "totalTokenCount": fresh + read + wrote + told + thought,
        }
        body = {"modelVersion": "gemini-2.5-flash", "usageMetadata": usage}
    else:
        usage = {
            "inputTokens": fresh,
            "cacheReadInputTokens": read,
            "cacheReadInputTokenCount": read,
            "cacheWriteInputTokens": wrote,
            "cacheWriteInputTokenCount": wrote,
            "outputTokens": told + thought,
        }
        body = {"usage": usage}
    return where, body, fresh + read + wrote, told + thought


@given(usages())
def test_at_a2_token_classes_sum_to_the_providers_total_and_none_is_priced_twice(
    case: tuple[Where, dict[str, Any], int, int],
) -> None:
    where, body, input_total, output_total = case
    extraction = answer(where, body)
    assert sum(part.input_tokens for part in extraction.parts) == input_total
    assert sum(part.output_tokens for part in extraction.parts) == output_total
    priced = [line for part in rated(extraction) for line in part.lines]
    tokens = [line for line in priced if line.unit in (*INPUT_LEAVES, *OUTPUT_LEAVES)]
    assert len({line.unit for line in tokens}) == len(tokens)
    assert sum(int(line.quantity) for line in tokens) == input_total + output_total


def test_at_a3_a_call_that_only_reads_the_cache_costs_something() -> None:
    body = {
        "model": "claude-sonnet-4-5-20250929",
        "usage": {"input_tokens": 0, "cache_read_input_tokens": 5000, "output_tokens": 0},
    }
    assert cost_usd(answer(MESSAGES, body)) == Decimal("0.0015")


@given(usages())
def test_at_a4_what_is_shown_as_total_follows_from_what_is_shown_beside_it(
    case: tuple[Where, dict[str, Any], int, int],
) -> None:
    extraction = answer(case[0], case[1])
    for part, money in zip(extraction.parts, rated(extraction), strict=True):
        cached = part.cache_read_input_tokens + part.cache_creation_input_tokens
        fresh = sum(
            int(count)
            for leaf, count in part.quantities.items()
            if leaf in INPUT_LEAVES and not leaf.startswith("cache_")
        )
        assert part.input_tokens == cached + fresh
        assert part.output_tokens >= part.reasoning_output_tokens
        assert money.list_cost_pico == sum(line.amount_pico or 0 for line in money.lines)


def test_at_b3_an_explicit_zero_stays_zero() -> None:
    body = {"model": "gpt-4o", "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}
    extraction = answer(CHAT, body)
    assert extraction.completeness == "final"
    assert extraction.parts[0].quantities == {"input_uncached": 0, "output_text": 0}
    assert cost_usd(extraction) == 0


def test_at_b3_a_count_that_is_not_stated_is_not_zero() -> None:
    extraction = answer(CHAT, {"model": "gpt-4o", "choices": []})
    assert (extraction.completeness, extraction.reason) == ("none", "no_usage_in_response")
    assert [part.cost_pico for part in rated(extraction)] == [None]


def test_at_b4_the_frames_of_a_websocket_are_charged() -> None:
    provider = CATALOG.provider("openai")
    assert provider is not None
    meter = SessionMeter(provider.endpoint("GET", "/v1/responses"), "/v1/responses", "", [])
    for number in (1, 2):
        completed = {
            "type": "response.completed",
            "response": {
                "id": f"resp_{number}",
                "model": "gpt-5-2025-08-07",
                "status": "completed",
                "usage": {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100},
            },
        }
        meter.message(json.dumps({"type": "response.create", "model": "gpt-5"}).encode(), sent=True)
        meter.message(json.dumps(completed).encode(), sent=False)
    extraction = meter.finish("completed")
    assert len(extraction.parts) == 2
    assert cost_usd(extraction) == Decimal("0.0045")
