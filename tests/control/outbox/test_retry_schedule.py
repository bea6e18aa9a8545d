"""When a failed delivery is tried again."""

from __future__ import annotations

import pytest

from farebox.control.outbox.retry_schedule import DELAYS_S, JITTER, RETRY_AFTER_MAX_S, next_delay_s

NOW = 1_800_000_000 * 10**9  # Fri, 15 Jan 2027 08:00:00 GMT


def test_attempts_are_spread_over_three_days_and_then_end() -> None:
    waits = [next_delay_s(attempts, None, NOW, 0.5) for attempts in range(1, len(DELAYS_S) + 2)]
    assert waits[:7] == [5, 30, 120, 600, 3_600, 10_800, 21_600]
    assert waits[-1] is None
    assert 2.5 * 86_400 < sum(wait for wait in waits if wait is not None) < 3.5 * 86_400


def test_delays_are_spread_by_chance() -> None:
    assert next_delay_s(1, None, NOW, 0.0) == pytest.approx(5 * (1 - JITTER))
    assert next_delay_s(1, None, NOW, 1.0) == pytest.approx(5 * (1 + JITTER))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("90", 90),
        (" 90 ", 90),
        ("1", 5),
        ("0", 5),
        ("-5", 5),
        ("soon", 5),
        ("", 5),
        ("9" * 60, RETRY_AFTER_MAX_S),
        ("Fri, 15 Jan 2027 08:10:00 GMT", 600),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 5),
        ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_MAX_S),
        ("Fri, 99 Jan 2027 08:10:00 GMT", 5),
        ("٣", 5),
    ],
)
def test_retry_after_makes_a_wait_longer_within_bounds_and_never_shorter(header: str, seconds: int) -> None:
    assert next_delay_s(1, header, NOW, 0.5) == seconds
    assert next_delay_s(len(DELAYS_S) + 1, header, NOW, 0.5) is None
