"""Recorded traffic of real providers, where it is at hand: splits, and counts that are known."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from farebox import catalog
from replaying import direct, judging
from replaying import recordings as recorded

SPLITS = 3
"""Per recording and run; the seeds of runs differ by recording. Fixtures are cut far more often."""


@pytest.fixture(scope="module")
def exchanges(recordings: Path) -> list[recorded.Recording]:
    return recorded.load(recordings)


def test_splits_of_recorded_answers_measure_the_same(exchanges: list[recorded.Recording]) -> None:
    loaded = catalog.load()
    rng = random.Random(7)
    differing: list[str] = []
    for exchange in exchanges:
        results = {repr(direct.extract(loaded, exchange, rng.getrandbits(32))) for _ in range(SPLITS)}
        if len(results) != 1:
            differing.append(exchange.id)
    assert differing == []


def test_every_billable_exchange_measures_what_is_held_to_be_right(
    exchanges: list[recorded.Recording],
) -> None:
    loaded = catalog.load()
    judged = [exchange for exchange in exchanges if exchange.billable and exchange.canonical]
    assert len(judged) > 700
    differing = {
        exchange.id: judging.usage_difference(exchange, direct.extract(loaded, exchange, 1).parts)
        for exchange in judged
    }
    assert {identity: found for identity, found in differing.items() if found} == {}


def test_money_is_judged_only_where_the_library_priced_the_same_cache_counts(
    exchanges: list[recorded.Recording],
) -> None:
    judged = [exchange for exchange in exchanges if judging.expected_cost_pico(exchange)]
    by_library = [
        each for each in judged if (judging.expected_cost_pico(each) or (0, ""))[1] == "genai-prices"
    ]
    assert len(by_library) > 250
    for exchange in by_library:
        usage = exchange.expected["genai_prices"].get("usage") or {}
        assert usage.get("cache_read_tokens", 0) == exchange.canonical.get("cache_read", 0), exchange.id
        assert usage.get("cache_write_tokens", 0) == exchange.canonical.get("cache_write", 0), exchange.id


def test_what_costs_nothing_is_not_billed_and_says_why(exchanges: list[recorded.Recording]) -> None:
    loaded = catalog.load()
    silent: list[str] = []
    for exchange in exchanges:
        if not exchange.not_billable:
            continue
        extraction = direct.extract(loaded, exchange, 1)
        if exchange.batch and any(part.facts.get("batch") == "true" for part in extraction.parts):
            continue  # the results of a batch, which are billed line by line
        if extraction.billable or not extraction.not_billable_because:
            silent.append(exchange.id)
    assert silent == []
