"""Periods are written as days of the customer's zone, the last one included."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from farebox.billing.documents.dates import day, period


def ns(text: str, zone: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("start", "end", "zone", "text"),
    [
        ("2026-11-01", "2026-12-01", "America/New_York", "1 – 30 November 2026"),
        ("2026-03-15", "2026-04-15", "Europe/Berlin", "15 March – 14 April 2026"),
        ("2026-12-15", "2027-01-15", "UTC", "15 December 2026 – 14 January 2027"),
        ("2026-11-05", "2026-11-06", "UTC", "5 November 2026"),
        ("2026-11-05", "2026-11-06T13:30", "UTC", "5 November 2026, 00:00 – 6 November 2026, 13:30"),
        ("2026-02-28", "2026-03-31", "Asia/Tokyo", "28 February – 30 March 2026"),
        (
            "2018-11-04T01:00",
            "2018-12-01",
            "America/Sao_Paulo",
            "4 – 30 November 2018",
        ),  # midnight did not exist
    ],
)
def test_a_period_names_its_first_and_last_day(start: str, end: str, zone: str, text: str) -> None:
    assert period(ns(start, zone), ns(end, zone), zone) == text


def test_a_zone_that_this_machine_does_not_know_is_shown_in_utc() -> None:
    assert day(ns("2026-11-01T23:00", "UTC"), "Mars/Olympus") == "1 November 2026"
