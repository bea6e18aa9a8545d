"""When it was spent: buckets of a period, in the zone whose days are meant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from ledgers import Call, Record

from farebox.cli.access import open_questions
from farebox.cli.options import selection_of
from farebox.cli.periods import Period, period
from farebox.cli.reports.timeline import Timeline, timeline, timeline_line
from farebox.home import Home
from farebox.time_expressions import ns_of

DOLLAR = 10**12
KOLKATA, BERLIN = ZoneInfo("Asia/Kolkata"), ZoneInfo("Europe/Berlin")


def call(dollars: int, moment: datetime) -> Call:
    return {"occurred_at": ns_of(moment), "cost_pico": dollars * DOLLAR}


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    made = Record(Home(tmp_path / "home"))
    yield made
    made.close()


def spent(record: Record, chosen: Period, now: datetime) -> Timeline | None:
    with open_questions(record.home) as questions:
        return timeline(questions, selection_of(chosen), chosen, ns_of(now))


def test_hours_are_the_zones_own_and_empty_ones_are_there(record: Record) -> None:
    now = datetime(2026, 5, 4, 5, 10, tzinfo=KOLKATA)
    record.append(
        [
            call(2, datetime(2026, 5, 4, 1, 59, tzinfo=KOLKATA)),
            call(3, datetime(2026, 5, 4, 4, 0, tzinfo=KOLKATA)),
        ]
    )
    chosen = period("today", None, now)
    found = spent(record, chosen, now)
    assert found is not None
    assert (found.bucket, found.cost_pico) == ("hour", [0, 2 * DOLLAR, 0, 0, 3 * DOLLAR, 0])
    assert timeline_line(found, chosen) == "by hour ·▆··█· most $3.00, 04:00"


def test_days_are_the_zones_own_over_a_change_of_the_clock(record: Record) -> None:
    now = datetime(2026, 3, 31, 12, 0, tzinfo=BERLIN)
    record.append([call(1, datetime(2026, 3, 29, 23, 30, tzinfo=BERLIN))])
    found = spent(record, period("2026-03-28", None, now), now)
    assert found is not None
    assert (found.bucket, found.cost_pico) == ("day", [0, DOLLAR, 0, 0])


def test_what_has_no_beginning_or_nothing_in_it_has_no_chart(record: Record) -> None:
    now = datetime(2026, 5, 4, 5, 10, tzinfo=KOLKATA)
    assert spent(record, period("all", None, now), now) is None
    chosen = period("today", None, now)
    assert timeline_line(spent(record, chosen, now), chosen) is None
