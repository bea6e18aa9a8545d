"""Words for how many units a quoted price covers, and for when it holds."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from itertools import pairwise

from farebox.pricing.price_rows import WEEK, Window

PER = {
    "1": 1,
    "token": 1,
    "call": 1,
    "request": 1,
    "second": 1,
    "page": 1,
    "image": 1,
    "character": 1,
    "minute": 60,
    "1k": 1000,
    "1000": 1000,
    "thousand": 1000,
    "hour": 3600,
    "1m": 10**6,
    "1000000": 10**6,
    "million": 10**6,
    "1g": 10**9,
}
"""What may follow `per_` in a price file: `per_1m`, `per_1k`, `per_token`, `per_hour` …"""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:[Zz]|[+-]\d{2}:\d{2})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def per_of(word: str) -> int | None:
    """Return the units that `per_…` (without the `per_`) covers, None for an unknown word."""
    return PER.get(word.lower())


def per_word(per: int) -> str:
    """Return how a quotation of `per` units is written: `1m`, `1k`, `hour`, `1`."""
    return {1: "1", 60: "minute", 1000: "1k", 3600: "hour", 10**6: "1m", 10**9: "1g"}.get(per, str(per))


def instant_ns(text: str) -> int | None:
    """Return the UTC nanoseconds of a date or of an instant with its offset, None for neither.

    A date means its first moment in UTC.
    """
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            day = date.fromisoformat(text)
            moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
        elif _INSTANT.fullmatch(text):
            moment = datetime.fromisoformat(text.upper().replace(" ", "T"))
        else:
            return None
    except ValueError:
        return None
    passed = moment - _EPOCH
    return ((passed.days * 86_400 + passed.seconds) * 10**6 + passed.microseconds) * 1000


def month_of(at_ns: int) -> str:
    """Return the UTC calendar month of a moment: `2026-11`."""
    day = date.fromordinal(_EPOCH.toordinal() + at_ns // (86_400 * 10**9))
    return f"{day:%Y-%m}"


def window_of(hours: str | None, days: str | None) -> Window | None:
    """Return the window of `01:00-04:00` and `mon-fri` or `sat,sun`, None for a wrong text."""
    start, end = 0, 86_400
    if hours is not None:
        found = _HOURS.fullmatch(hours.strip())
        if not found:
            return None
        a, b, c, d = (int(group) for group in found.groups())
        start, end = a * 3600 + b * 60, c * 3600 + d * 60
        if end > 86_400 or start == end:
            return None
    mask = WEEK if days is None else _day_mask(days)
    return Window(start, end, mask) if mask else None


def _day_mask(text: str) -> int:
    mask = 0
    for piece in text.lower().split(","):
        ends = [name.strip()[:3] for name in piece.split("-")]
        if len(ends) > 2 or any(end not in DAYS for end in ends):
            return 0
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        for step in range((last - first) % 7 + 1):
            mask |= 1 << (first + step) % 7
    return mask


def window_text(window: Window) -> str:
    """Return a window as it is written: `00:30-16:30`, `01:00-04:00 mon-fri`."""
    hours = "-".join(
        f"{second // 3600:02d}:{second % 3600 // 60:02d}" for second in (window.start_s, window.end_s)
    )
    return hours if window.days == WEEK else f"{hours} {_days_text(window.days)}"


def _days_text(mask: int) -> str:
    chosen = [index for index in range(7) if mask >> index & 1]
    if len(chosen) > 2 and all(b - a == 1 for a, b in pairwise(chosen)):
        return f"{DAYS[chosen[0]]}-{DAYS[chosen[-1]]}"
    return ",".join(DAYS[index] for index in chosen)
