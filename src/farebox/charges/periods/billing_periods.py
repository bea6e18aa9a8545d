"""Billing periods: half-open, from one local midnight to another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo

import msgspec

from farebox.charges.periods.calendar import add_months, local_date
from farebox.charges.plan import Interval
from farebox.time_expressions import day_start

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS = {"day": 1, "week": 7}
_MONDAY = date(1970, 1, 5)


class BillingPeriod(msgspec.Struct, frozen=True, order=True):
    """The local dates of a period; `until` is the first one after it."""

    start: date
    until: date

    @property
    def days(self) -> int:
        return (self.until - self.start).days

    def bounds_ns(self, zone: tzinfo) -> tuple[int, int]:
        """Return the instants at which it starts and ends, in nanoseconds since 1970; the end is excluded."""
        return day_start(self.start, zone), day_start(self.until, zone)

    def overlap(self, start: date, until: date | None) -> BillingPeriod | None:
        """Return the part of it between two dates, None where there is none."""
        first = max(self.start, start)
        last = self.until if until is None else min(self.until, until)
        return BillingPeriod(first, last) if first < last else None


def period_at(interval: Interval, day: date, anchor: date | None = None) -> BillingPeriod:
    """Return the period that a local date is in.

    Calendar periods start on the first of a month or year, on Mondays, or daily; several units
    together are counted from January of year 1, weeks and days from Monday, 5 January 1970.
    Anniversary periods start on the anchor, and each later one on the anchor's day of the month,
    or on the last day of a month that has no such day.

    Raises ValueError for an anniversary without an anchor.
    """
    if interval.kind == "anniversary" and anchor is None:
        raise ValueError("an anniversary period needs an anchor")
    if interval.unit in _DAYS:
        length = timedelta(days=_DAYS[interval.unit] * interval.count)
        origin = anchor if interval.kind == "anniversary" and anchor is not None else _MONDAY
        start = origin + (day - origin) // length * length
        return BillingPeriod(start, start + length)
    months = _MONTHS[interval.unit] * interval.count
    origin = anchor if interval.kind == "anniversary" and anchor is not None else date(1, 1, 1)
    number = ((day.year - origin.year) * 12 + day.month - origin.month) // months
    if add_months(origin, number * months) > day:
        number -= 1
    return BillingPeriod(add_months(origin, number * months), add_months(origin, (number + 1) * months))


def period_before(interval: Interval, period: BillingPeriod, anchor: date | None = None) -> BillingPeriod:
    """Return the period that ends where this one starts."""
    return period_at(interval, period.start - timedelta(days=1), anchor)


def billed_period(
    interval: Interval, at: datetime, zone: tzinfo, anchor: date | None = None, *, in_advance: bool = False
) -> BillingPeriod:
    """Return the period that is billed at an instant: the last one that has ended, by the local date.

    In advance it is the one that has just started.
    """
    current = period_at(interval, local_date(at, zone), anchor)
    return current if in_advance else period_before(interval, current, anchor)


def periods_between(
    interval: Interval, start: date, until: date, anchor: date | None = None
) -> Iterator[BillingPeriod]:
    """Yield the periods that have a day in `[start, until)`, oldest first and whole."""
    day = start
    while day < until:
        period = period_at(interval, day, anchor)
        yield period
        day = period.until
