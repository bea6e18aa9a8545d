"""Measure rating beside genai-prices and litellm on the same calls, and loading the price book.

    python -m tools.bench.pricing [--calls 5000]

Prints one JSON object. Times are the best of five runs. litellm is no dependency: name a Python that can
import it in FAREBOX_BENCH_LITELLM, as of a virtual environment made for this, or it is left out and said so.
"""

from __future__ import annotations

import argparse
import json
import os
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
import json, time
import datetime, decimal, fnmatch, fractions, hashlib, msgspec, pathlib, re
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
before = resident()
start, used = time.perf_counter(), time.process_time()
from farebox.pricing import load_book
load_book()
spent = (time.perf_counter() - start, time.process_time() - used)
print(json.dumps([spent[0] * 1000, spent[1] * 1000, (resident() - before) / 2**20]))
"""
"""Loads the book in a fresh interpreter; the standard library's modules and msgspec are there already."""

LITELLM = """
import json, os, sys, time
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm
calls, rounds = json.load(sys.stdin)
answers = [
    litellm.ModelResponse(
        model=model,
        usage=litellm.Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=prompt + completion,
            prompt_tokens_details={"cached_tokens": cached},
        ),
    )
    for _, model, prompt, cached, completion in calls
]
providers = [{"google": "gemini"}.get(call[0], call[0]) for call in calls]
best = 1e9
for _ in range(5):
    start = time.perf_counter()
    for _ in range(rounds):
        for answer, provider in zip(answers, providers):
            litellm.completion_cost(answer, custom_llm_provider=provider)
    best = min(best, time.perf_counter() - start)
print(best / rounds / len(answers) * 1e6)
"""
"""Runs in the interpreter of FAREBOX_BENCH_LITELLM."""


def best_us(run: Callable[[], object], calls: int) -> float:
    """Return the best of five runs in microseconds a call."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(calls):
            run()
        best = min(best, time.perf_counter() - start)
    return best / calls / len(CALLS) * 1e6


def litellm_best_us(parts: list[Part], rounds: int) -> float | None:
    """Return litellm's microseconds a call, None where nobody named an interpreter that has it."""
    python = os.environ.get("FAREBOX_BENCH_LITELLM")
    if not python:
        return None
    calls = [
        (
            part.provider,
            part.response_model,
            part.input_tokens,
            part.cache_read_input_tokens,
            part.output_tokens,
        )
        for part in parts
    ]
    given = json.dumps([calls, rounds])
    done = subprocess.run([python, "-c", LITELLM], input=given, capture_output=True, check=True, text=True)
    return float(done.stdout.split()[-1])


def measure(calls: int = 5000) -> dict[str, float | str | None]:
    """Return rating and loading in figures, each other library beside ours."""
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
        json.loads(
            subprocess.run([sys.executable, "-c", LOAD], capture_output=True, check=True, text=True).stdout
        )
        for _ in range(5)
    ]
    rate_us, genai_us = best_us(ours, calls), best_us(theirs, max(calls // 10, 1))
    litellm_us = litellm_best_us(parts, max(calls // 50, 1))
    result: dict[str, float | str | None] = {
        "rate_us": round(rate_us, 2),
        "genai_prices_us": round(genai_us, 2),
        "times_genai_prices": round(genai_us / rate_us, 1),
        "litellm_us": None if litellm_us is None else round(litellm_us, 2),
        "times_litellm": None if litellm_us is None else round(litellm_us / rate_us, 1),
        "load_ms": round(min(wall for wall, _, _ in loads), 1),
        "load_cpu_ms": round(min(cpu for _, cpu, _ in loads), 1),
        "load_mib": round(min(grown for _, _, grown in loads), 1),
    }
    if litellm_us is None:
        result["litellm"] = "not measured: name a Python that has it in FAREBOX_BENCH_LITELLM"
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=5000)
    print(json.dumps(measure(parser.parse_args().calls)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
