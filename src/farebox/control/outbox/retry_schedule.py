"""When a failed delivery is tried again: for about three days, then it is a dead letter."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

DELAYS_S = (5, 30, 120, 600, 3_600, 3 * 3_600, 6 * 3_600, *[12 * 3_600] * 5)
"""Before the second attempt, the third, and so on: three days in all."""

JITTER = 0.2
"""A delay is up to this part shorter or longer, so that receivers are not tried all at once."""

RETRY_AFTER_MAX_S = 24 * 3_600
"""A receiver that wants to be left alone for longer is tried after this all the same."""


def left_ns(due_ns: int, now_ns: int) -> int:
    """Return how long it is until an attempt is due, 0 where it is.

    What is due later than it can be is due now: the clock was ahead, and was put back.
    """
    left = due_ns - now_ns
    return left if 0 < left <= RETRY_AFTER_MAX_S * 10**9 else 0


def next_delay_s(attempts: int, retry_after: str | None, now_ns: int, chance: float) -> float | None:
    """Return how long to wait after the `attempts`-th failure, None where it was the last attempt.

    `retry_after` is the response's header: a wait is made longer by it, never shorter. `chance` is a random
    number from 0 to 1.
    """
    if attempts > len(DELAYS_S):
        return None
    delay = DELAYS_S[attempts - 1] * (1 - JITTER + 2 * JITTER * chance)
    return max(delay, min(_seconds(retry_after, now_ns), RETRY_AFTER_MAX_S))


def _seconds(retry_after: str | None, now_ns: int) -> float:
    """Return what `Retry-After` asks for, as seconds or as a date (RFC 9110 §10.2.3); zero for none."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    now = datetime.fromtimestamp(now_ns / 10**9, UTC)
    return max((moment - now).total_seconds(), 0.0)
