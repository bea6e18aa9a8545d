"""Measure rating: microseconds a call, beside genai-prices on the same calls, and loading the book.

    .venv/bin/python tools/bench/pricing.py [--calls 50000]

Prints one JSON object. Times are the best of five runs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from genai_prices import Usage, calc_price

from farebox.pricing import load_book
from farebox.wire.facts import Part, Quantity

MOMENT = datetime(2026, 11, 1, 12, tzinfo=UTC)

CALLS: list[tuple[str, str, dict[str, Quantity]]] = [
    ("openai", "gpt-4o-2024-08-06", {"input_uncached": 1200, "cache_read": 1024, "output_text": 350}),
    ("openai", "gpt-5-2025-08-07", {"input_uncached": 800, "output_reasoning": 512, "output_text": 90}),
    (
        "anthropic",
        "claude-sonnet-4-5-20250929",
        {"input_uncached": 40, "cache_read": 9000, "output_text": 700},
    ),
    ("google", "gemini-2.5-flash", {"input_uncached": 5000, "output_text": 220}),
]

LOAD = """
import time
start = time.perf_counter()
from farebox.pricing import load_book
load_book()
print((time.perf_counter() - start) * 1000)
"""


def best_us(run: Callable[[], object], calls: int) -> float:
    """Return the best of five runs in microseconds a call."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(calls):
            run()
        best = min(best, time.perf_counter() - start)
    return best / calls / len(CALLS) * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5000)
    calls = parser.parse_args().calls
    book = load_book()
    parts = [
        Part(provider=provider, response_model=model, quantities=quantities)
        for provider, model, quantities in CALLS
    ]
    at_ns = int(MOMENT.timestamp()) * 10**9

    def ours() -> None:
        for part in parts:
            book.rate(part, occurred_at_ns=at_ns, completeness="final", billable=True)

    usages = [
        Usage(
            input_tokens=part.input_tokens,
            cache_read_tokens=part.cache_read_input_tokens,
            output_tokens=part.output_tokens,
        )
        for part in parts
    ]

    def theirs() -> None:
        for part, usage in zip(parts, usages, strict=True):
            calc_price(
                usage, part.response_model or "", provider_id=part.provider, genai_request_timestamp=MOMENT
            )

    for part, usage in zip(parts, usages, strict=True):
        total = calc_price(
            usage, part.response_model or "", provider_id=part.provider, genai_request_timestamp=MOMENT
        ).total_price
        rated = book.rate(part, occurred_at_ns=at_ns, completeness="final", billable=True)
        assert rated.cost_pico == total.scaleb(12), (part, rated.cost_pico, total)
    loads = [
        float(subprocess.run([sys.executable, "-c", LOAD], capture_output=True, check=True, text=True).stdout)
        for _ in range(5)
    ]
    rate_us, genai_us = best_us(ours, calls), best_us(theirs, max(calls // 10, 1))
    result = {
        "rate_us": round(rate_us, 2),
        "genai_prices_us": round(genai_us, 2),
        "ratio": round(genai_us / rate_us, 1),
        "load_ms": round(min(loads), 1),
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
