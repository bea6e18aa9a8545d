"""Dates in a customer's time zone. A day is a date there, 23, 24 or 25 hours long."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta, tzinfo


def add_months(day: date, months: int, anchor_day: int | None = None) -> date:
    """Return the date some months later, on `anchor_day` where the month has it, otherwise on its last day.

    The anchor day is kept by the caller, so that 31 January, 28 February is followed by 31 March;
    without one it is the date's own day.
    """
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    wanted = day.day if anchor_day is None else anchor_day
    return date(year, month + 1, min(wanted, monthrange(year, month + 1)[1]))


def local_date(moment: datetime, zone: tzinfo) -> date:
    """Return the date of an instant in a time zone."""
    return moment.astimezone(zone).date()


def days_between(start: datetime, end: datetime, zone: tzinfo) -> int:
    """Return how many days lie between two instants, counted by their dates in a time zone."""
    return (local_date(end, zone) - local_date(start, zone)).days


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return the first instant of a date in a time zone, in UTC.

    Where clocks are put forward at midnight there is no 00:00: the day starts with the change.
    """
    start = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    if start.astimezone(zone).date() < day:
        return _change(start, day, zone)
    return start


def _change(before: datetime, day: date, zone: tzinfo) -> datetime:
    """Return the first instant after `before` that is on `day`, to the second."""
    low, high = before, before + timedelta(hours=24)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (low, middle) if middle.astimezone(zone).date() >= day else (middle, high)
    return high
