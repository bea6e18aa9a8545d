"""What events say in one line, for every kind, firing and recovered."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from farebox.alerts.alert import Kind
from farebox.alerts.event import AlertEvent
from farebox.alerts.event_words import amount, duration, exact, words

USD = 10**12
SAID: dict[str, tuple[dict[str, Any], str]] = {
    "spend": ({"subject": "price", "measured": 12 * USD, "unit": "pico_usd"}, "a: $12.00 charged"),
    "usage": (
        {"subject": "input_tokens", "measured": 1_200, "threshold": 1_000, "unit": "tokens"},
        "a: 1,200 tokens (input tokens), threshold 1,000 tokens",
    ),
    "budget": (
        {"subject": "daily", "measured": 801_000, "threshold": 800_000, "unit": "ppm"},
        "a: 80.1 % of budget daily used, threshold 80 %",
    ),
    "wallet": (
        {"subject": "*", "value": "acme", "measured": 4 * USD, "unit": "pico_currency", "currency": "EUR"},
        "a: the wallet of acme has 4 EUR left",
    ),
    "rise": ({"subject": "cost", "measured": 1_500_000, "unit": "ppm"}, "a: cost rose by 150 %"),
    "anomaly": (
        {"subject": "cost", "measured": 12 * USD, "unit": "pico_usd", "value": "x", "is_at_least": True},
        "a for x: unusual cost in this hour: at least $12.00",
    ),
    "new": ({"subject": "model", "value": "gpt-9", "unit": "calls"}, "a: new model: gpt-9"),
    "unpriced": ({"measured": 1, "unit": "calls"}, "a: 1 call without a price"),
    "prices": ({"subject": "stale", "unit": "calls"}, "a: prices are stale"),
    "cache_hits": ({"subject": "fall", "measured": 600_000, "unit": "ppm"}, "a: cache hits fell by 60 %"),
    "cache_lifetime": (
        {"measured": 333_333, "unit": "ppm"},
        "a: the lifetime of cached input shifted by 33.33 %",
    ),
    "retries": ({"measured": 350_000, "unit": "ppm"}, "a: 35 % of calls are retries"),
    "errors": ({"measured": 120_000, "unit": "ppm"}, "a: 12 % of calls failed"),
    "latency": (
        {"subject": "p95", "measured": 4_200_000, "threshold": 900_000, "unit": "us"},
        "a: p95 latency 4.2 s, threshold 900 ms",
    ),
    "margin": ({"measured": -50_000, "threshold": 200_000, "unit": "ppm"}, "a: margin -5 %, threshold 20 %"),
    "no_data": ({"measured": 1_800, "unit": "s"}, "a: no calls for 30 minutes"),
    "missing": ({"measured": 12, "unit": "calls"}, "a: 12 calls missing from the record"),
    "unmetered": ({"measured": 172_800, "unit": "s", "value": "codex"}, "a: codex is not metered for 2 days"),
}


def event(kind: Kind, state: str = "firing") -> AlertEvent:
    said: dict[str, Any] = {
        "alert": "a",
        "severity": "info",
        "since_ns": 0,
        "at_ns": 0,
        "seq": 0,
        "from_ns": 0,
    }
    return AlertEvent(id="x", kind=kind, state=state, until_ns=1, **said | SAID[kind][0])  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_says_what_happened(kind: Kind) -> None:
    assert words(event(kind)) == SAID[kind][1]
    assert "recovered: " in words(event(kind, "recovered"))


def test_a_recovery_says_what_is_well_again() -> None:
    assert words(event("no_data", "recovered")) == "a recovered: calls come again"
    assert words(event("unmetered", "recovered")) == "a recovered: codex is metered again"


def test_figures_are_exact_for_programs_and_short_for_people() -> None:
    assert exact(1_234_567_890, "pico_usd") == "0.00123456789"
    assert exact(500_000, "ppm") == "500000"
    assert exact(None, "ppm") is None
    assert amount(1_005_000, "ppm") == "100.5 %"
    assert amount(12_344, "ppm") == "1.23 %"
    assert [duration(each) for each in (1, 90, 120, 5_400, 86_400, 100_000)] == [
        *("1 second", "90 seconds", "2 minutes", "90 minutes", "1 day", "27 hours")
    ]
