"""Billing periods in a customer's time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.charges.periods.billing_periods import (
    BillingPeriod,
    billed_period,
    period_at,
    period_before,
    periods_between,
)
from farebox.charges.periods.calendar import add_months, days_between
from farebox.charges.plan import Interval

NEW_YORK = ZoneInfo("America/New_York")
MONTHLY = Interval()
ANNIVERSARY = Interval(kind="anniversary")
HOUR_NS = 3600 * 10**9


def instant(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)) * 10**9


def test_at_midnight_utc_of_1_march_new_york_is_billed_for_january() -> None:
    period = billed_period(MONTHLY, datetime(2026, 3, 1, tzinfo=UTC), NEW_YORK)
    assert period == BillingPeriod(date(2026, 1, 1), date(2026, 2, 1))
    assert period.bounds_ns(NEW_YORK) == (instant("2026-01-01T05:00:00Z"), instant("2026-02-01T05:00:00Z"))
    five_hours_later = billed_period(MONTHLY, datetime(2026, 3, 1, 5, tzinfo=UTC), NEW_YORK)
    assert five_hours_later == BillingPeriod(date(2026, 2, 1), date(2026, 3, 1))


def test_the_days_on_which_clocks_change_are_days_of_23_and_25_hours() -> None:
    spring = period_at(Interval(unit="day"), date(2026, 3, 8)).bounds_ns(NEW_YORK)
    autumn = period_at(Interval(unit="day"), date(2026, 11, 1)).bounds_ns(NEW_YORK)
    assert spring[1] - spring[0] == 23 * HOUR_NS
    assert autumn[1] - autumn[0] == 25 * HOUR_NS
    march = period_at(MONTHLY, date(2026, 3, 8))
    assert march.days == 31
    start, end = march.bounds_ns(NEW_YORK)
    assert end - start == (31 * 24 - 1) * HOUR_NS
    night = datetime(2026, 3, 8, 4, 59, tzinfo=UTC), datetime(2026, 3, 9, 4, 0, tzinfo=UTC)
    assert days_between(*night, NEW_YORK) == 2


def test_a_day_starts_with_the_change_where_midnight_does_not_exist() -> None:
    zone = ZoneInfo("America/Sao_Paulo")
    start, end = period_at(Interval(unit="day"), date(2018, 11, 4)).bounds_ns(zone)
    assert start == instant("2018-11-04T03:00:00Z")
    assert end - start == 23 * HOUR_NS


def test_an_anniversary_on_the_31st_returns_to_the_31st_after_shorter_months() -> None:
    anchor = date(2027, 1, 31)
    starts = [period.start for period in periods_between(ANNIVERSARY, anchor, date(2027, 7, 1), anchor)]
    assert starts == [
        date(2027, 1, 31),
        date(2027, 2, 28),
        date(2027, 3, 31),
        date(2027, 4, 30),
        date(2027, 5, 31),
        date(2027, 6, 30),
    ]
    assert period_at(ANNIVERSARY, date(2028, 2, 29), anchor).start == date(2028, 2, 29)
    assert period_before(
        ANNIVERSARY, BillingPeriod(date(2027, 3, 31), date(2027, 4, 30)), anchor
    ) == BillingPeriod(date(2027, 2, 28), date(2027, 3, 31))


@pytest.mark.parametrize(
    ("interval", "start", "until"),
    [
        (Interval(unit="quarter"), date(2026, 4, 1), date(2026, 7, 1)),
        (Interval(unit="year"), date(2026, 1, 1), date(2027, 1, 1)),
        (Interval(unit="week"), date(2026, 5, 4), date(2026, 5, 11)),
        (Interval(unit="day"), date(2026, 5, 6), date(2026, 5, 7)),
        (Interval(unit="month", count=2), date(2026, 5, 1), date(2026, 7, 1)),
    ],
)
def test_calendar_periods_start_on_firsts_mondays_and_days(
    interval: Interval, start: date, until: date
) -> None:
    assert period_at(interval, date(2026, 5, 6)) == BillingPeriod(start, until)


def test_an_anniversary_without_an_anchor_is_refused() -> None:
    with pytest.raises(ValueError, match="anchor"):
        period_at(ANNIVERSARY, date(2026, 5, 6))


def test_months_are_added_by_the_anchor_day_across_years() -> None:
    assert add_months(date(2026, 12, 31), 2) == date(2027, 2, 28)
    assert add_months(date(2027, 2, 28), 1, 31) == date(2027, 3, 31)
    assert add_months(date(2026, 1, 31), -2) == date(2025, 11, 30)


INTERVALS = st.builds(
    Interval,
    kind=st.sampled_from(["calendar", "anniversary"]),
    unit=st.sampled_from(["day", "week", "month", "quarter", "year"]),
    count=st.integers(1, 5),
)
DATES = st.dates(date(1990, 1, 1), date(2090, 1, 1))


@given(INTERVALS, DATES, DATES)
def test_every_day_is_in_one_period_and_periods_join(interval: Interval, anchor: date, day: date) -> None:
    period = period_at(interval, day, anchor)
    assert period.start <= day < period.until
    assert period_at(interval, period.start, anchor) == period
    assert period_at(interval, period.until - timedelta(days=1), anchor) == period
    assert period_before(interval, period, anchor).until == period.start
    following = list(periods_between(interval, day, day + timedelta(days=400), anchor))
    assert all(one.until == other.start for one, other in pairwise(following))


def test_the_part_of_a_period_in_which_a_subscription_runs() -> None:
    period = BillingPeriod(date(2026, 3, 1), date(2026, 4, 1))
    assert period.overlap(date(2026, 3, 15), None) == BillingPeriod(date(2026, 3, 15), date(2026, 4, 1))
    assert period.overlap(date(2026, 1, 1), date(2026, 3, 2)) == BillingPeriod(
        date(2026, 3, 1), date(2026, 3, 2)
    )
    assert period.overlap(date(2026, 4, 1), None) is None
    assert period.overlap(date(2026, 1, 1), date(2026, 3, 1)) is None
