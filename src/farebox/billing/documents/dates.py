"""Days and periods as documents write them, in the customer's zone: `1 November 2026`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

# strftime's names would follow the machine's language.
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_NS = 10**9


def day(moment_ns: int, zone: str) -> str:
    """Return the day of a moment."""
    return _day(_local(moment_ns, zone))


def moment(moment_ns: int, zone: str) -> str:
    """Return a moment with its zone: `3 December 2026, 00:00 America/New_York`."""
    local = _local(moment_ns, zone)
    return f"{_day(local)}, {local:%H:%M} {local.tzname() if local.tzinfo is UTC else zone}"


def period(from_ns: int, until_ns: int, zone: str) -> str:
    """Return a half-open period: first and last day, with times only where it begins or ends within one."""
    start, end = _local(from_ns, zone), _local(until_ns, zone)
    if _within_a_day(from_ns, start) or _within_a_day(until_ns, end):
        return f"{_day(start)}, {start:%H:%M} – {_day(end)}, {end:%H:%M}"
    last = end.replace(tzinfo=None) - timedelta(days=1)
    if last.date() <= start.date():
        return _day(start)
    if last.year != start.year:
        return f"{_day(start)} – {_day(last)}"
    if last.month != start.month:
        return f"{start.day} {_MONTHS[start.month - 1]} – {_day(last)}"
    return f"{start.day} – {_day(last)}"


def first_and_last_day(from_ns: int, until_ns: int, zone: str) -> tuple[str, str]:
    """Return a half-open period as days of the zone, both included: `("2026-11-01", "2026-11-30")`."""
    return f"{_local(from_ns, zone).date()}", f"{_local(until_ns - 1, zone).date()}"


def _local(moment_ns: int, zone: str) -> datetime:
    """Return the moment in the zone; in UTC where this machine knows no such zone."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=moment_ns // _NS)).astimezone(_known(zone))


@lru_cache
def _known(zone: str) -> tzinfo:
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return UTC


def _within_a_day(moment_ns: int, local: datetime) -> bool:
    """Whether it is no day's first instant; some days begin at 01:00, when clocks change at midnight."""
    before = (local.astimezone(UTC) - timedelta(seconds=1)).astimezone(local.tzinfo)
    return moment_ns % _NS != 0 or before.date() == local.date()


def _day(local: datetime) -> str:
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}"
