"""Periods are half-open."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from farebox.cli.periods import period
from farebox.errors import UsageError
from farebox.time_expressions import ns_of

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 18, 15, 30, tzinfo=BERLIN)


def test_a_period_without_since_starts_at_the_commands_default() -> None:
    assert period(None, None, NOW, default="today").since_ns == ns_of(datetime(2026, 11, 18, tzinfo=BERLIN))
    assert period(None, None, NOW).since_ns is None
    assert period("all", None, NOW, default="today").since_ns is None


def test_a_period_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(UsageError, match="not after"):
        period("2026-11-02", "2026-11-02", NOW)


def test_the_zone_is_part_of_what_is_shown() -> None:
    assert period("7d", None, NOW).zone_name == "Europe/Berlin"
    assert period("7d", None, NOW.astimezone(UTC)).zone_name == "UTC"
