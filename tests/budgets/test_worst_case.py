"""What calls can cost at most, worked out by hand beside what the worst case says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from farebox import catalog
from farebox.budgets.budget import Budget, Period
from farebox.budgets.worst_case import WorstCase, WorstCases, claim_of
from farebox.pricing import load_book
from farebox.pricing.highest_prices import ROUNDING_PICO
from farebox.pricing.model_limits import load_limits
from farebox.wire.meter import Meter
from farebox.wire.request_limits import LimitKeys

NOW = 1_795_910_400 * 10**9  # 2026-11-29
LOADED = catalog.load()
assert LOADED.request_limits is not None
RULES = LOADED.request_limits
KEYS = LimitKeys(RULES)
DAY = Period("day")

Ask = Callable[..., WorstCase]


@pytest.fixture(scope="module")
def worst_cases() -> WorstCases:
    return WorstCases(load_book(), RULES, load_limits())


def request(
    worst_cases: WorstCases,
    provider: str,
    path: str,
    body: dict[str, Any] | bytes,
    *,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    attribution: dict[str, str] | None = None,
    at_ns: int = NOW,
) -> tuple[WorstCase, int]:
    """Return the worst case of a request, and how many bytes its body has."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    known = LOADED.provider(provider)
    assert known is not None
    endpoint = known.endpoint("POST", path)
    meter = Meter(endpoint, path, "", [(b"content-type", b"application/json"), *headers])
    meter.read_limits(KEYS)
    meter.request_body(text)
    facts = meter.request_end()
    worst = worst_cases.of(
        endpoint, endpoint.path_values(path), facts, at_ns=at_ns, attribution=attribution, path=path
    )
    return worst, len(text)


def pico(input_tokens: int, per_million_in: str, output_tokens: int, per_million_out: str) -> int:
    """Return what tokens cost at prices per million, and what rounding may add."""
    from decimal import Decimal

    total = input_tokens * Decimal(per_million_in) + output_tokens * Decimal(per_million_out)
    return int(total * 10**6) + ROUNDING_PICO


ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}


def test_a_chat_is_bounded_by_its_bytes_and_its_max_tokens(worst_cases: WorstCases) -> None:
    worst, size = request(
        worst_cases,
        "anthropic",
        "/v1/messages",
        {"model": "claude-sonnet-4-5", "max_tokens": 1000, **ASKED},
    )
    assert worst == WorstCase(cost := pico(size + RULES.text_added, "3", 1000, "15"), cost)


def test_a_call_without_max_tokens_is_bounded_by_its_models_limit(worst_cases: WorstCases) -> None:
    worst, size = request(
        worst_cases, "google", "/v1beta/models/gemini-2.5-flash:generateContent", {"contents": []}
    )
    assert worst.because == ()
    limits = load_limits().of(["google"], ["gemini-2.5-flash"])
    assert limits.is_known and limits.output == 65536
    assert worst.cost_pico == pico(size + RULES.text_added, "0.3", limits.output, "2.5")


def test_input_is_never_more_than_the_context_window(worst_cases: WorstCases) -> None:
    worst, size = request(
        worst_cases,
        "anthropic",
        "/v1/messages",
        {
            "model": "claude-opus-4-1",
            "max_tokens": 1,
            "messages": [{"role": "user", "content": "x" * 900_000}],
        },
    )
    assert size > 200_000
    assert worst.cost_pico == pico(200_000, "15", 1, "75")


def test_an_unpriced_model_is_blocked_or_counted_at_a_ceiling_or_allowed_and_never_counted_zero(
    worst_cases: WorstCases,
) -> None:
    """AT-C2."""
    worst, size = request(
        worst_cases, "anthropic", "/v1/messages", {"model": "a-model-of-tomorrow", "max_tokens": 100, **ASKED}
    )
    assert worst.because == ("no_price",) and not worst.is_priced
    default = Budget(name="b", limit_pico=10**12, period=DAY)
    assert default.unpriced == "ceiling"
    claim = claim_of(worst, default)
    assert claim.amount_pico == worst.cost_pico and not claim.is_blocked
    every = [
        request(worst_cases, "anthropic", "/v1/messages", {"model": model, "max_tokens": 100, **ASKED})[0]
        for model in load_book().models("anthropic")
    ]
    assert claim.amount_pico >= max(each.cost_pico or 0 for each in every if not each.because)
    assert claim.amount_pico > size * 10**6, "more than a dollar per million bytes"
    stated = Budget(name="b", limit_pico=10**12, period=DAY, ceiling_pico=5 * 10**10)
    assert claim_of(worst, stated).amount_pico == 5 * 10**10
    blocking = Budget(name="b", limit_pico=10**12, period=DAY, unpriced="block")
    assert claim_of(worst, blocking).is_blocked
    allowing = Budget(name="b", limit_pico=10**12, period=DAY, unpriced="allow")
    assert not claim_of(worst, allowing).is_blocked and claim_of(worst, allowing).may_pass
