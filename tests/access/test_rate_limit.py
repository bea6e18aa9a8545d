"""Rates: how many pass, when the next may, and that no number of keys fills the memory."""

from __future__ import annotations

import random

import pytest

from farebox.access.rate_limit import RateLimit


def test_a_burst_passes_then_one_at_a_time_at_the_rate() -> None:
    limit = RateLimit(60, burst=5)
    assert [limit.take("a", 100.0) for _ in range(5)] == [0.0] * 5
    assert limit.take("a", 100.0) == pytest.approx(1.0)
    assert limit.take("a", 100.5) == pytest.approx(0.5)  # what is refused is not counted
    assert limit.take("a", 101.0) == 0.0
    assert limit.take("a", 101.0) > 0


def test_one_key_does_not_use_up_anothers_allowance() -> None:
    limit = RateLimit(60, burst=1)
    assert limit.take("a", 100.0) == 0.0
    assert limit.take("a", 100.0) > 0
    assert limit.take("b", 100.0) == 0.0


def test_ten_seconds_worth_may_come_at_once_by_default() -> None:
    limit = RateLimit(6000)
    passed = sum(limit.take("a", 5.0) == 0.0 for _ in range(5000))
    assert passed == 1000
    assert RateLimit(1).take("a", 5.0) == 0.0


def test_never_more_pass_than_the_rate_and_one_burst_allow() -> None:
    chance = random.Random(7)
    limit = RateLimit(600, burst=20)
    now, passed = 0.0, 0
    for _ in range(20_000):
        now += chance.expovariate(50)
        passed += limit.take("a", now) == 0.0
    assert now * 10 * 0.98 <= passed <= now * 10 + 20


def test_a_million_keys_leave_no_more_than_the_bound() -> None:
    limit = RateLimit(60, keys_max=500)
    for number in range(100_000):
        limit.take(f"2001:db8::{number:x}", 100.0)
    assert len(limit) == 500
