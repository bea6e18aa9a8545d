"""Spans of time: words, ages, dates, zones, and what a figure is compared with."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from farebox.analytics.query import Measures
from farebox.clock import iso
from farebox.server.api.coverage.coverage_views import Coverage
from farebox.server.api.filters import previous_window, read_moment, read_selection
from farebox.server.api.spending.reports import bucket_starts
from farebox.server.api.spending.spend_views import change_percent, sums

WHOLE = Coverage(complete=True, pending_calls=0, words=[])

BERLIN = ZoneInfo("Europe/Berlin")
FRIDAY = datetime(2026, 11, 20, 15, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", "2026-11-20T15:00:30"),
        ("today", "2026-11-19T23:00:00"),
        ("yesterday", "2026-11-18T23:00:00"),
        ("week", "2026-11-15T23:00:00"),
        ("month", "2026-10-31T23:00:00"),
        ("prev-month", "2026-09-30T22:00:00"),
        ("90s", "2026-11-20T14:59:00"),
        ("15m", "2026-11-20T14:45:30"),
        ("2w", "2026-11-06T15:00:30"),
        ("2026-11-01", "2026-10-31T23:00:00"),
        ("2026-11-01T09:30", "2026-11-01T08:30:00"),
        ("2026-11-01T09:30:00Z", "2026-11-01T09:30:00"),
        ("2026-11-01T09:30:00-05:00", "2026-11-01T14:30:00"),
    ],
)
def test_a_moment_is_read_in_its_zone(text: str, moment: str) -> None:
    assert iso(read_moment("since", text, BERLIN, FRIDAY))[:19] == moment


@pytest.mark.parametrize(
    ("since", "until", "before"),
    [
        ("today", "now", ("2026-11-18T23:00:00", "2026-11-19T15:00:30")),
        ("1h", "now", ("2026-11-20T13:00:30", "2026-11-20T14:00:30")),
        ("7d", "now", ("2026-11-06T15:00:30", "2026-11-13T15:00:30")),
        ("month", "now", ("2026-09-30T22:00:00", "2026-10-20T14:00:30")),
        ("prev-month", "month", ("2026-08-31T22:00:00", "2026-09-30T22:00:00")),
    ],
)
def test_a_span_is_compared_with_the_one_before(since: str, until: str, before: tuple[str, str]) -> None:
    selection = read_selection({"since": since, "until": until, "tz": "Europe/Berlin"}.items(), now=FRIDAY)
    found = previous_window(selection)
    assert found is not None
    assert tuple(iso(edge)[:19] for edge in found) == before


def test_a_whole_month_is_compared_with_the_whole_month_before() -> None:
    in_march = datetime(2027, 3, 10, tzinfo=UTC)
    selection = read_selection({"since": "prev-month", "until": "month", "tz": "UTC"}.items(), now=in_march)
    found = previous_window(selection)
    assert found is not None
    assert [iso(edge)[:10] for edge in found] == ["2027-01-01", "2027-02-01"]


def test_all_time_has_nothing_before_it() -> None:
    assert previous_window(read_selection({"since": "all", "tz": "UTC"}.items(), now=FRIDAY)) is None


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-20", 24)])
def test_a_day_of_the_zone_can_have_23_or_25_hours(day: str, hours: int) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=BERLIN)
    end = start.replace(day=start.day + 1)
    edges = [int(moment.timestamp()) * 10**9 for moment in (start, end)]
    assert len(bucket_starts(edges[0], edges[1], "hour", BERLIN)) == hours
    assert bucket_starts(edges[0], edges[1], "day", BERLIN) == [edges[0]]


def test_a_zone_of_half_hours_begins_its_hours_on_the_half_hour() -> None:
    kolkata = ZoneInfo("Asia/Kolkata")
    start = int(FRIDAY.timestamp()) * 10**9
    assert iso(bucket_starts(start, start + 1, "hour", kolkata)[0])[:19] == "2026-11-20T14:30:00"


@pytest.mark.parametrize(
    ("now", "before", "percent"),
    [
        (150, 100, "+50.0"),
        (100, 100, "+0.0"),
        (0, 100, "-100.0"),
        (1, 3, "-66.7"),
        (5, 0, None),
        (10**30, 10**28, "+9900.0"),
    ],
)
def test_a_change_is_exact_to_a_tenth_of_a_percent(now: int, before: int, percent: str | None) -> None:
    assert change_percent(now, before) == percent


def test_coverage_is_rounded_down_so_that_only_all_is_a_hundred() -> None:
    assert sums(Measures(calls=100_000, unpriced_calls=1), WHOLE).priced_percent == "99.9"
    assert sums(Measures(calls=100_000), WHOLE).priced_percent == "100.0"
    assert sums(Measures(calls=3, unpriced_calls=3), WHOLE).priced_percent == "0.0"
