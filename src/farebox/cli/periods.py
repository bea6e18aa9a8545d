"""Turn `--since` and `--until` into a half-open period of instants."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple

from farebox.errors import UsageError
from farebox.time_expressions import moment_ns


class Period(NamedTuple):
    """Instants in nanoseconds, `[since, until)`; None is open."""

    since_ns: int | None
    until_ns: int | None
    zone: tzinfo
    label: str
    """Its name: `today`, `2026-11-01 – 2026-11-08`."""

    @property
    def zone_name(self) -> str:
        return str(getattr(self.zone, "key", None) or self.zone)


def days_of(found: Period, now_ns: int) -> tuple[date, date]:
    """Return the days of a period, `[since, until)`: what begins on one of them begins in it."""
    start = date(1970, 1, 1) if found.since_ns is None else _day(found.since_ns, found.zone)
    last = _day((now_ns if found.until_ns is None else found.until_ns) - 1, found.zone)
    return start, last + timedelta(days=1)


def _day(moment_ns: int, zone: tzinfo) -> date:
    return datetime.fromtimestamp(moment_ns // 10**9, UTC).astimezone(zone).date()


def period(since: str | None, until: str | None, now: datetime, *, default: str | None = None) -> Period:
    """Return the period the flags name; `default` says where it starts without `--since`."""
    zone = now.tzinfo or UTC
    start = since if since is not None else default
    since_ns = None if start in (None, "all") else moment_ns(start, now)
    until_ns = None if until is None else moment_ns(until, now)
    if since_ns is not None and until_ns is not None and until_ns <= since_ns:
        raise UsageError(f"--until {until} is not after {start}")
    label = "everything" if start in (None, "all") else start
    if until is not None:
        label = f"{start} until {until}" if start else f"until {until}"
    elif start is not None and start not in ("today", "week", "month", "all"):
        label = f"since {start}"
    return Period(since_ns, until_ns, zone, label)
