"""Group H of what users complain about: moments are kept in UTC, days and months are the customer's own.

The calendar itself is in tests/charges/periods, days of the viewer's zone in tests/server/test_filters.py,
and the record's questions by local hours and days in tests/billing/usage and tests/analytics.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.billing.invoices.billed_customers import MARKUP, USD, Billed, at, subscription
from tests.billing.usage_in_memory import call

from farebox.charges.plan import Customer, Interval
from farebox.home import Home

NOV = date(2026, 11, 1)


def test_at_h1_new_york_is_billed_on_1_march_for_february_from_05_utc(home: Home) -> None:
    plan = replace(MARKUP, base=Decimal(1))
    on = Billed(home, plan)
    on.subscribe(subscription(plan, date(2026, 1, 1)))
    assert [e.invoice.from_ns for e in on.run("2026-03-01T00:00", final=False).drafts] == [
        at("2026-01-01T05:00")
    ]
    on.run("2026-03-01T00:00")
    report = on.run("2026-03-01T05:00", final=False)
    (draft,) = report.drafts
    assert (draft.invoice.from_ns, draft.invoice.until_ns) == (
        at("2026-02-01T05:00"),
        at("2026-03-01T05:00"),
    )


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 6, 1), 24)]
)
def test_at_h1_a_day_of_a_clock_change_is_one_day_of_23_or_25_hours(
    home: Home, day: date, hours: int
) -> None:
    plan = replace(MARKUP, interval=Interval(unit="day"), base=Decimal(1))
    on = Billed(home, plan)
    on.subscribe(subscription(plan, day, day.replace(day=day.day + 1)))
    made = on.run(f"{day.replace(day=day.day + 4)}T12:00").final[0]
    assert made.until_ns - made.from_ns == hours * 3_600 * 10**9
    assert made.lines[0].amount_minor == 100


def test_at_h1_an_anniversary_of_the_31st_comes_back_to_the_31st(home: Home) -> None:
    plan = replace(MARKUP, interval=Interval(kind="anniversary"), base=Decimal(1))
    on = Billed(home, plan, customers=(Customer(id="acme"),))
    on.subscribe(subscription(plan, date(2026, 1, 31)))
    made = on.run("2026-05-10T00:00").final
    assert [(each.from_ns, each.until_ns) for each in made] == [
        (at("2026-01-31T00:00"), at("2026-02-28T00:00")),
        (at("2026-02-28T00:00"), at("2026-03-31T00:00")),
        (at("2026-03-31T00:00"), at("2026-04-30T00:00")),
    ]


def test_at_h1_a_call_at_the_border_is_billed_in_exactly_one_period(home: Home) -> None:
    on = Billed(home, MARKUP)
    on.subscribe(subscription(MARKUP, NOV))
    border = at("2026-12-01T00:00", "America/New_York")
    on.usage.add(
        call("acme", border - 1, output_cost_pico=USD), call("acme", border, output_cost_pico=10 * USD)
    )
    first, second = on.run("2027-01-04T00:00").final
    assert (first.lines[0].amount_minor, second.lines[0].amount_minor) == (120, 1200)


@pytest.mark.parametrize(
    ("moment", "months"),
    [
        ("2026-12-01T04:59:59", {"tokyo": 12, "utc": 12, "new-york": 11}),
        ("2026-12-01T05:00:00", {"tokyo": 12, "utc": 12, "new-york": 12}),
        ("2026-11-30T15:00:00", {"tokyo": 12, "utc": 11, "new-york": 11}),
        ("2026-11-30T14:59:59", {"tokyo": 11, "utc": 11, "new-york": 11}),
    ],
)
def test_at_h1_one_instant_is_in_the_month_of_each_customers_own_zone(
    home: Home, moment: str, months: dict[str, int]
) -> None:
    zones = {"tokyo": "Asia/Tokyo", "utc": "UTC", "new-york": "America/New_York"}
    on = Billed(
        home, MARKUP, customers=tuple(Customer(id=name, timezone=zone) for name, zone in zones.items())
    )
    for name in zones:
        on.subscribe(subscription(MARKUP, NOV, customer=name))
        on.usage.add(call(name, at(moment), output_cost_pico=USD))
    issued = on.run("2027-01-05T00:00").final
    for name, month in months.items():
        mine = [each for each in issued if each.customer == name and each.total_minor]
        (invoice,) = mine
        assert invoice.from_ns == at(f"2026-{month}-01T00:00", zones[name])


@pytest.mark.parametrize(("first", "hours"), [(date(2026, 3, 1), 743), (date(2026, 11, 1), 721)])
def test_at_h1_a_month_with_a_clock_change_has_every_hour_of_it_once_and_its_days_whole(
    home: Home, first: date, hours: int
) -> None:
    """A base fee for half of such a month is by days, whatever their hours."""
    plan = replace(MARKUP, base=Decimal("31.00") if first.month == 3 else Decimal("30.00"))
    on = Billed(home, plan, customers=(Customer(id="acme", timezone="America/New_York"),))
    on.subscribe(subscription(plan, first.replace(day=11), anchor=first))
    start = at(f"{first}T00:00", "America/New_York")
    on.usage.add(*(call("acme", start + hour * 3_600 * 10**9, output_cost_pico=USD) for hour in range(hours)))
    on.usage.add(call("acme", start + hours * 3_600 * 10**9, output_cost_pico=USD))  # of the next month
    made = on.run(f"{first.year}-{first.month % 12 + 1:02d}-05T00:00").final[0]
    assert made.until_ns == start + hours * 3_600 * 10**9
    skipped = at(f"{first.replace(day=11)}T00:00", "America/New_York") - start
    amounts = {line.kind: line.amount_minor for line in made.lines}
    days = 21 if first.month == 3 else 20
    assert amounts == {"base": days * 100, "usage": (hours - skipped // (3_600 * 10**9)) * 120}
