"""Turn `--since`, `--until` and `--tz` into a half-open period of instants.

Pure: the moment "now" and the zone are arguments. Days are the zone's own days, so that one
with a clock change has 23 or 25 hours.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple

from farebox.errors import UsageError

_AGO = re.compile(r"(\d{1,6})(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
WANTED = (
    "a date (2026-11-01), a moment (2026-11-01T09:30), 15m, 12h, 7d, 4w, "
    "today, yesterday, week, month, prev-month or all"
)


class Period(NamedTuple):
    """Instants in nanoseconds, `[since, until)`; None is open."""

    since_ns: int | None
    until_ns: int | None
    zone: tzinfo
    label: str
    """What to call it: `today`, `2026-11-01 – 2026-11-08`."""

    @property
    def zone_name(self) -> str:
        return str(getattr(self.zone, "key", None) or self.zone)


def day_start(day: date, zone: tzinfo) -> int:
    """Return the first instant of `day` in `zone`, also where midnight does not exist."""
    return _ns(datetime(day.year, day.month, day.day, tzinfo=zone))


def moment(text: str, now: datetime) -> int:
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
        return _ns(now)
    ago = _AGO.fullmatch(word)
    if ago:
        return _ago(int(ago[1]), ago[2], now, text)
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", word):
            return day_start(date.fromisoformat(word), zone)
        if re.match(r"\d{4}-\d\d-\d\d[t ]\d\d:\d\d", word):
            stamp = datetime.fromisoformat(text.strip())
            return _ns(stamp if stamp.tzinfo else stamp.replace(tzinfo=zone))
    except ValueError as error:
        raise UsageError(f"{text!r} is not a date: {error}") from None
    raise UsageError(f"{text!r} is not a moment; write {WANTED}")


def period(since: str | None, until: str | None, now: datetime, *, default: str | None = None) -> Period:
    """Return the period the flags name; `default` says where it starts without `--since`."""
    zone = now.tzinfo or UTC
    start = since if since is not None else default
    since_ns = None if start in (None, "all") else moment(start, now)
    until_ns = None if until is None else moment(until, now)
    if since_ns is not None and until_ns is not None and until_ns <= since_ns:
        raise UsageError(f"--until {until} is not after {start}")
    label = "everything" if start in (None, "all") else start
    if until is not None:
        label = f"{start} until {until}" if start else f"until {until}"
    elif start is not None and start not in ("today", "week", "month", "all"):
        label = f"since {start}"
    return Period(since_ns, until_ns, zone, label)


def zone_named(name: str | None) -> tzinfo:
    """Return the zone called `name`, the system's own for None.

    Raises:
        UsageError: There is no such zone.
    """
    import zoneinfo

    if name is None:
        return _system_zone()
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        from farebox.config import did_you_mean

        hint = did_you_mean(name, sorted(zoneinfo.available_timezones()))
        raise UsageError(f"no time zone is called {name!r}; write one as Europe/Berlin{hint}") from None


def _system_zone() -> tzinfo:
    import os
    import zoneinfo
    from pathlib import Path

    names = [os.environ.get("TZ", "").lstrip(":")]
    target = str(Path("/etc/localtime").resolve())
    if "/zoneinfo/" in target:
        names.append(target.partition("/zoneinfo/")[2])
    for name in names:
        try:
            if name:
                return zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return UTC


def _ago(count: int, unit: str, now: datetime, text: str) -> int:
    try:
        if unit in _SECONDS:
            return _ns(now) - count * _SECONDS[unit] * 1_000_000_000
        days = count * 7 if unit == "w" else count
        return _ns((now.replace(tzinfo=None) - timedelta(days=days)).replace(tzinfo=now.tzinfo))
    except (OverflowError, ValueError):
        raise UsageError(f"{text!r} is before the calendar begins") from None


def _ns(stamp: datetime) -> int:
    delta = stamp.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1000
