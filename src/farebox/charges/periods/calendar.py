"""Dates in a customer's time zone. A day is a date there, 23, 24 or 25 hours long."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime, tzinfo


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
