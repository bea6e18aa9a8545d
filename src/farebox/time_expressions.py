"""Times as people write them, in the same words in the command line, the API and the address bar.

Pure but for the system's own zone: the moment "now" and the zone are arguments. Days are the zone's own
days, so that one with a clock change has 23 or 25 hours.
"""

from __future__ import annotations

import os
import re
import zoneinfo
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path

from farebox.errors import UsageError

FORMS = (
    "now",
    "today",
    "yesterday",
    "tomorrow",
    "week",
    "month",
    "prev-month",
    "15m, 12h, 7d, 4w … (ago)",
    "2026-11-01",
    "2026-11-01T09:30 (in the zone)",
    "2026-11-01T09:30:00Z",
)
"""Everything `moment_ns` reads; `all`, where it is allowed, is no moment."""

_AGO = re.compile(r"(\d{1,6})(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_FIRST_YEAR, _LAST_YEAR = 1970, 2200


def moment_ns(text: str, now: datetime) -> int:
    """Return the instant `text` names; `now` is aware, and its zone is the user's.

    Raises:
        UsageError: `text` is none of the accepted forms.
    """
    zone = now.tzinfo or UTC
    word = text.strip().lower()
    today = now.date()
    named = {
        "today": today,
        "yesterday": today - timedelta(days=1),
        "tomorrow": today + timedelta(days=1),
        "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1),
        "prev-month": (today.replace(day=1) - timedelta(days=1)).replace(day=1),
    }
    if word in named:
        return day_start(named[word], zone)
    if word == "now":
        return ns_of(now)
    ago = _AGO.fullmatch(word)
    if ago:
        return _ago(int(ago[1]), ago[2], now, text)
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", word):
            return day_start(_in_calendar(date.fromisoformat(word)), zone)
        if re.match(r"\d{4}-\d\d-\d\d[t ]\d\d:\d\d", word):
            stamp = datetime.fromisoformat(text.strip())
            _in_calendar(stamp.date())
            return ns_of(stamp if stamp.tzinfo else stamp.replace(tzinfo=zone))
    except ValueError as error:
        raise UsageError(f"{text!r} is not a date: {error}") from None
    raise UsageError(f"{text!r} is not a moment; write one of: {'; '.join(FORMS)}; or all")


def moment_of(text: str, zone: str, now_ns: int) -> int:
    """Return the instant `text` names on the clock of the zone called `zone`.

    Raises:
        UsageError: `text` is none of the accepted forms, or there is no such zone.
    """
    now = datetime.fromtimestamp(now_ns // 10**9, UTC).astimezone(zone_named(zone))
    return moment_ns(text, now)


def day_start(day: date, zone: tzinfo) -> int:
    """Return the first instant of `day` in `zone`, also where midnight does not exist."""
    return ns_of(datetime(day.year, day.month, day.day, tzinfo=zone))


def ns_of(stamp: datetime) -> int:
    """Return nanoseconds since 1970, computed in integers."""
    span = stamp.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return ((span.days * 86_400 + span.seconds) * 10**6 + span.microseconds) * 1000


def zone_named(name: str | None) -> tzinfo:
    """Return the zone called `name`, the system's own for None.

    Raises:
        UsageError: There is no such zone.
    """
    if name is None:
        name = system_zone_name()
        if name == "UTC":
            return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        from farebox.nearest import did_you_mean

        hint = did_you_mean(name, sorted(zoneinfo.available_timezones()))
        raise UsageError(f"no time zone is called {name!r}; write one as Europe/Berlin{hint}") from None


def system_zone_name() -> str:
    """Return this machine's IANA zone, `UTC` where it cannot be told."""
    candidates = [os.environ.get("TZ", "").lstrip(":")]
    resolved = str(Path("/etc/localtime").resolve())
    if "/zoneinfo/" in resolved:
        candidates.append(resolved.partition("/zoneinfo/")[2])
    for name in candidates:
        try:
            if name:
                zoneinfo.ZoneInfo(name)
                return name
        except (KeyError, ValueError, OSError):
            continue
    return "UTC"


def _ago(count: int, unit: str, now: datetime, text: str) -> int:
    try:
        if unit in _SECONDS:
            return ns_of(now) - count * _SECONDS[unit] * 1_000_000_000
        days = count * 7 if unit == "w" else count
        return ns_of((now.replace(tzinfo=None) - timedelta(days=days)).replace(tzinfo=now.tzinfo))
    except (OverflowError, ValueError):
        raise UsageError(f"{text!r} is before the calendar begins") from None


def _in_calendar(day: date) -> date:
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise ValueError(f"years go from {_FIRST_YEAR} to {_LAST_YEAR}")
    return day
