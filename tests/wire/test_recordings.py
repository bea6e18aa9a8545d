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
    return [entry for entry in recorded.load(recordings) if entry.plain_http]


def test_splits_of_recorded_answers_measure_the_same(exchanges: list[recorded.Recording]) -> None:
    loaded = catalog.load()
    rng = random.Random(7)
    differing: list[str] = []
    for exchange in exchanges:
        results = {repr(direct.extract(loaded, exchange, rng.getrandbits(32))) for _ in range(SPLITS)}
        if len(results) != 1:
            differing.append(exchange.id)
    assert differing == []


def test_metered_surfaces_measure_what_is_held_to_be_right(exchanges: list[recorded.Recording]) -> None:
    loaded = catalog.load()
    wrong: list[str] = []
    judged = 0
    for exchange in exchanges:
        provider = direct.provider_of(loaded, exchange)
        assert provider is not None
        if not exchange.billable or not exchange.canonical:
            continue
        if not provider.endpoint(exchange.method, exchange.path).metered:
            continue  # a surface that is not read yet
        judged += 1
        if judging.usage_difference(exchange, direct.extract(loaded, exchange, 1).parts):
            wrong.append(exchange.id)
    assert len(wrong) <= judged * 3 // 100, wrong
