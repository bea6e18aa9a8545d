"""Windows of every period: they follow each other without a gap, in every zone, through clock changes."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from farebox.budgets.budget import Budget, Period, PeriodKind
from farebox.budgets.periods import SECOND_NS, Window, Windows, rolling_part_ns, window, windows
from farebox.time_expressions import ns_of

BERLIN = "Europe/Berlin"
ZONES = {
    *(BERLIN, "UTC", "America/Sao_Paulo", "America/Havana", "Asia/Kathmandu", "Pacific/Apia"),
    *("Africa/Casablanca", "Australia/Lord_Howe", "Pacific/Chatham", "Antarctica/Troll"),
}


def budget(kind: PeriodKind, zone: str = "UTC", rolling_s: int = 0) -> Budget:
    return Budget(name="b", limit_pico=1, period=Period(kind=kind, rolling_s=rolling_s), timezone=zone)


def at(text: str, zone: str = "UTC") -> int:
    return ns_of(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


@pytest.mark.parametrize(
    ("kind", "start", "end"),
    [
        ("hour", "2026-11-29T13:00", "2026-11-29T14:00"),
        ("day", "2026-11-29T00:00", "2026-11-30T00:00"),
        ("week", "2026-11-23T00:00", "2026-11-30T00:00"),
        ("month", "2026-11-01T00:00", "2026-12-01T00:00"),
    ],
)
def test_a_period_is_the_zones_own(kind: PeriodKind, start: str, end: str) -> None:
    found = window(budget(kind, BERLIN), at("2026-11-29T13:37", BERLIN))
    assert found == Window(at(start, BERLIN), at(end, BERLIN))


def test_a_day_with_a_clock_change_has_23_or_25_hours() -> None:
    hours = [
        (found.end_ns or 0) - found.start_ns
        for day in ("2026-03-29", "2026-10-25", "2026-06-01")
        for found in [window(budget("day", BERLIN), at(f"{day}T12:00", BERLIN))]
    ]
    assert [each // (3600 * SECOND_NS) for each in hours] == [23, 25, 24]


def test_december_ends_with_the_year() -> None:
    found = window(budget("month"), at("2026-12-31T23:59"))
    assert found == Window(at("2026-12-01T00:00"), at("2027-01-01T00:00"))


def test_a_half_hours_clock_change_ends_an_hour_early() -> None:
    """Lord Howe Island goes back from 02:00 to 01:30 on 2026-04-05: 15:00 UTC the day before."""
    change = at("2026-04-04T15:00")
    before = window(budget("hour", "Australia/Lord_Howe"), change - 1)
    after = window(budget("hour", "Australia/Lord_Howe"), change)
    assert before.end_ns == change == after.start_ns


@pytest.mark.parametrize("kind", ["hour", "day", "week", "month"])
@pytest.mark.parametrize("zone", sorted(ZONES & available_timezones()))
def test_windows_follow_each_other_without_gap_or_overlap(kind: PeriodKind, zone: str) -> None:
    each = budget(kind, zone)
    steps = {"hour": 24 * 400, "day": 1_500, "week": 200, "month": 40}[kind]
    moment = at("2010-12-01T00:00")
    if kind == "hour":
        moment = at("2026-01-01T00:00")
    for _ in range(steps):
        found = window(each, moment)
        assert found.end_ns is not None and found.start_ns <= moment < found.end_ns
        assert window(each, found.end_ns - 1) == found, "the same window to its last moment"
        assert window(each, found.end_ns).start_ns == found.end_ns, "the next one begins where it ends"
        moment = found.end_ns


@pytest.mark.parametrize("rolling_s", [60, 90, 100, 3_600, 86_400, 7 * 86_400])
def test_a_rolling_window_counts_at_least_its_own_length(rolling_s: int) -> None:
    """Its oldest part counts whole: nothing younger than the window is ever left out."""
    part = rolling_part_ns(rolling_s)
    for moment in (at("2026-11-29T13:37") + step * part // 7 for step in range(50)):
        parts = windows(budget("rolling", rolling_s=rolling_s), moment)
        assert parts[0].start_ns <= moment - rolling_s * SECOND_NS < parts[0].start_ns + part
        assert parts[-1].holds(moment)
        assert all(one.end_ns == after.start_ns for one, after in itertools.pairwise(parts))
        assert len(parts) <= 61


@pytest.mark.parametrize("kind", ["ever", "session"])
def test_what_counts_for_ever_has_one_window(kind: PeriodKind) -> None:
    assert window(budget(kind, BERLIN), at("2026-11-29T13:37")) == Window(0, None)


def test_kept_windows_are_renewed_when_they_end() -> None:
    daily = Windows(budget("day", BERLIN))
    noon = at("2026-11-29T12:00", BERLIN)
    assert daily.at(noon) is daily.at(noon + 1), "the negative control: they are kept"
    tomorrow = noon + timedelta(days=1) // timedelta(microseconds=1) * 1000
    assert daily.at(tomorrow) == windows(budget("day", BERLIN), tomorrow)
    assert daily.at(noon) == windows(budget("day", BERLIN), noon), "and for an earlier call again"


def test_every_zone_of_this_machine_has_a_day_now() -> None:
    now = ns_of(datetime(2026, 11, 29, 12, tzinfo=UTC))
    for zone in sorted(available_timezones() - {"localtime"}):
        assert window(budget("day", zone), now).holds(now)
