"""A moment is named in the user's zone, and days are the zone's own."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from farebox.errors import UsageError
from farebox.time_expressions import day_start, moment_ns, zone_named

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 18, 15, 30, tzinfo=BERLIN)  # a Wednesday
SECOND = 1_000_000_000
HOUR = 3600 * SECOND


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("today", "2026-11-18T00:00+01:00"),
        ("yesterday", "2026-11-17T00:00+01:00"),
        ("week", "2026-11-16T00:00+01:00"),
        ("month", "2026-11-01T00:00+01:00"),
        ("prev-month", "2026-10-01T00:00+02:00"),
        ("2026-07-01", "2026-07-01T00:00+02:00"),
        ("2026-07-01T09:30", "2026-07-01T09:30+02:00"),
        ("2026-07-01T09:30Z", "2026-07-01T09:30+00:00"),
        ("15m", "2026-11-18T15:15+01:00"),
        ("12h", "2026-11-18T03:30+01:00"),
        ("7d", "2026-11-11T15:30+01:00"),
        ("2w", "2026-11-04T15:30+01:00"),
    ],
)
def test_a_moment_is_named_in_the_users_zone(text: str, instant: str) -> None:
    assert moment_ns(text, NOW) == ns(instant)


def test_days_ago_keep_the_time_on_the_wall_over_a_clock_change() -> None:
    after_the_change = datetime(2026, 10, 26, 12, 0, tzinfo=BERLIN)
    assert ns("2026-10-26T12:00+01:00") - moment_ns("2d", after_the_change) == 49 * HOUR


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 11, 18), 24)])
def test_a_day_with_a_clock_change_is_shorter_or_longer(day: tuple[int, int, int], hours: int) -> None:
    first = date(*day)
    assert day_start(date(first.year, first.month, first.day + 1), BERLIN) - day_start(first, BERLIN) == (
        hours * HOUR
    )


def test_a_day_without_a_midnight_starts_at_the_change() -> None:
    assert day_start(date(2018, 11, 4), ZoneInfo("America/Sao_Paulo")) == ns("2018-11-04T01:00-02:00")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "7",
        "7y",
        "2026-13-01",
        "2026-02-30",
        "2026-1-1",
        "1.5h",
        "-7d",
        "999999w",
        "1969-12-31",
        "2201-01-01T00:00",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        moment_ns(text, NOW)


def test_an_unknown_zone_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="Europe/Berlin"):
        zone_named("Europe/Berln")
