"""Recorded calls, priced at the moment they were made, against a second reader of the same data."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from price_books import ns

from farebox.money import pico_from_usd
from farebox.pricing.book import PriceBook
from farebox.pricing.facts import RatedPart
from farebox.wire.facts import Part, Quantity

OUR_IDS = {"x-ai": "xai", "aws": "bedrock", "moonshotai": "moonshot", "voyageai": "voyage"}

OVERRULED = {
    "deepseek-chat": "DeepSeek ended the off-peak discount in September 2025",
    "deepseek-reasoner": "DeepSeek ended the off-peak discount in September 2025",
    "deepseek-v4-flash": "peak hours came with the price they belong to, not before",
    "mistral-large-latest": "the alias moved to Mistral Large 3",
    "gpt-4o-audio-preview": "audio has its own rate",
    "grok-4.5": "cached reads cost more when the model was new; a response says so",
    "grok-4-fast-reasoning": "the alias moved to grok-4.3; a response says what it costs",
    "gpt-5": "priority processing was there from the start",
}
"""Models for which the second reader is known to be wrong, and why."""


def leaves(usage: dict[str, Any]) -> dict[str, Quantity]:
    """Return a nested usage object as mutually exclusive leaves."""
    left = {key: Decimal(str(value)) for key, value in usage.items()}

    def take(key: str) -> Decimal:
        return left.pop(key, Decimal(0))

    for key in (
        "input_text_tokens",
        "input_text_tool_tokens",
        "output_text_tokens",
        "cache_text_read_tokens",
    ):
        take(key)
    read_audio, read_image = take("cache_audio_read_tokens"), take("cache_image_read_tokens")
    read, write = take("cache_read_tokens"), take("cache_write_tokens")
    write_5m, write_1h = take("cache_write_5m_tokens"), take("cache_write_1h_tokens")
    audio, image = take("input_audio_tokens") - read_audio, take("input_image_tokens") - read_image
    tool, reasoning = take("input_tool_tokens"), take("output_reasoning_tokens")
    output_audio, output_image = take("output_audio_tokens"), take("output_image_tokens")
    split = {
        "input_uncached": take("input_tokens") - read - write - audio - image - tool,
        "input_audio": audio,
        "input_image": image,
        "tool_use_input": tool,
        "cache_read": read - read_audio - read_image,
        "cache_read_audio": read_audio,
        "cache_read_image": read_image,
        "cache_write_5m": write_5m,
        "cache_write_1h": write_1h,
        "cache_write_other": write - write_5m - write_1h,
        "output_text": take("output_tokens") - reasoning - output_audio - output_image,
        "output_reasoning": reasoning,
        "output_audio": output_audio,
        "output_image": output_image,
        "calls_web_search": take("web_searches"),
        "pages": take("input_document_pages"),
        "audio_seconds": take("audio_seconds"),
    }
    assert not left, f"usage the test does not know: {left}"
    return {name: int(value) if value == int(value) else value for name, value in split.items() if value}


def priced(book: PriceBook, recorded_at: str, theirs: dict[str, Any]) -> RatedPart:
    provider = theirs["provider_id"]
    part = Part(
        provider=OUR_IDS.get(provider, provider),
        response_model=theirs["model_ref"],
        quantities=leaves(theirs["usage"]),
        facts=theirs.get("price_context") or {},
    )
    moment = ns(datetime.fromisoformat(recorded_at).isoformat())
    return book.rate(part, occurred_at_ns=moment, completeness="final", billable=True)


def stated(line: dict[str, Any]) -> int | None:
    """Return the money the provider stated, in pico-dollars."""
    usd = line.get("provider_reported_cost_usd")
    return None if usd is None else pico_from_usd(str(usd))


def test_recorded_calls_cost_the_same_to_the_pico_dollar(shipped: PriceBook, recordings: Path) -> None:
    equal = 0
    different: list[str] = []
    with gzip.open(recordings / "expected.jsonl.gz", "rt") as lines:
        expected = [json.loads(line, parse_float=Decimal) for line in lines]
    for line in expected:
        theirs = line.get("genai_prices")
        if not theirs or "price_at_recorded" not in theirs:
            continue
        rated = priced(shipped, line["recorded_at"], theirs)
        wanted = Decimal(theirs["price_at_recorded"]["total"]).scaleb(12)
        if rated.cost_pico == wanted:
            equal += 1
        elif rated.cost_state in ("unpriced", "unknown"):
            # The other reader prices at zero what has no price, and what has no usage.
            assert wanted == 0, line["id"]
        elif rated.cost_pico == stated(line):
            equal += 1  # the provider itself says so
        elif rated.priced_model not in OVERRULED:
            different.append(f"{line['id']} {rated.priced_model}: {wanted} there, {rated.cost_pico} here")
    assert different == []
    assert equal >= 450
