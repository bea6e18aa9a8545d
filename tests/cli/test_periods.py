"""Periods are half-open and made of the zone's own days."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from farebox.cli.periods import day_start, moment, period, zone_named
from farebox.errors import UsageError

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
    assert moment(text, NOW) == ns(instant)


def test_days_ago_keep_the_time_on_the_wall_over_a_clock_change() -> None:
    after_the_change = datetime(2026, 10, 26, 12, 0, tzinfo=BERLIN)
    assert ns("2026-10-26T12:00+01:00") - moment("2d", after_the_change) == 49 * HOUR


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 11, 18), 24)])
def test_a_day_with_a_clock_change_is_shorter_or_longer(day: tuple[int, int, int], hours: int) -> None:
    first = date(*day)
    assert day_start(date(first.year, first.month, first.day + 1), BERLIN) - day_start(first, BERLIN) == (
        hours * HOUR
    )


def test_a_day_without_a_midnight_starts_at_the_change() -> None:
    assert day_start(date(2018, 11, 4), ZoneInfo("America/Sao_Paulo")) == ns("2018-11-04T01:00-02:00")


@pytest.mark.parametrize(
    "text", ["", "soon", "7", "7y", "2026-13-01", "2026-02-30", "2026-1-1", "1.5h", "-7d", "999999w"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        moment(text, NOW)


def test_a_period_without_since_starts_at_the_commands_default() -> None:
    assert period(None, None, NOW, default="today").since_ns == ns("2026-11-18T00:00+01:00")
    assert period(None, None, NOW).since_ns is None
    assert period("all", None, NOW, default="today").since_ns is None


def test_a_period_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(UsageError, match="not after"):
        period("2026-11-02", "2026-11-02", NOW)


def test_the_zone_is_part_of_what_is_shown() -> None:
    assert period("7d", None, NOW).zone_name == "Europe/Berlin"
    assert period("7d", None, NOW.astimezone(UTC)).zone_name == "UTC"


def test_an_unknown_zone_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="Europe/Berlin"):
        zone_named("Europe/Berln")
