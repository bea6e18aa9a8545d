"""The overview's own questions: what moved, when it is spent, what the month comes to."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from fake_ledger import FakeLedger, call
from served import Site, day_of_calls
from test_api import BERLIN, agrees_with_snapshot

from farebox.home import Home
from farebox.server.api.filters import instant_ns
from farebox.server.api.overview.projection import Day, Left, projected
from farebox.server.assets import Assets


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("movers", f"movers?by=app,model&{BERLIN}"),
        ("heat_map", f"heat-map?since=7d&{BERLIN}"),
        ("projection_too_early", f"projection?{BERLIN}"),
    ],
)
def test_the_answer_is_the_snapshot(site: Site, name: str, target: str) -> None:
    answer = site.get(f"/api/v1/{target}")
    assert answer.status == 200, answer.body
    agrees_with_snapshot(f"api/{name}.json", answer.json())


def test_a_month_with_days_before_it_is_projected(home: Home, web: Path) -> None:
    rows = FakeLedger(
        call(number, instant_ns(f"2026-11-{number:02d}T12:00:00Z"), tokens=(1_000_000, 0))
        for number in range(1, 21)
    )
    answer = Site(home, rows, Assets(web)).get(f"/api/v1/projection?{BERLIN}").json()
    agrees_with_snapshot("api/projection.json", answer)
    # 20 days of $0.15, the first is no whole day; today has spent its share already, 10 days are left.
    assert answer["spent"]["sums"]["cost_usd"] == "3"
    assert (answer["days_used"], answer["days_left"]) == (18, 10)
    assert answer["low_usd"] == answer["likely_usd"] == answer["high_usd"]  # no day was another
    rest = Fraction(0) + Fraction(7 * 3600 + 59 * 60 + 30, 86400)
    assert Fraction(answer["likely_pico"]) == int(3 * 10**12 + 15 * 10**10 * (10 + rest))


def moved(site: Site, query: str) -> dict[str, Any]:
    answer = site.get(f"/api/v1/movers?{query}")
    assert answer.status == 200, answer.body
    return answer.json()


def test_the_changes_add_up_to_the_change_of_the_total(site: Site) -> None:
    whole = moved(site, f"by=model,app&{BERLIN}")
    some = moved(site, f"by=model,app&limit=1&{BERLIN}")
    summary = site.get(f"/api/v1/summary?{BERLIN}").json()
    change = int(summary["sums"]["cost_pico"]) - int(summary["previous"]["sums"]["cost_pico"])
    for answer in (whole, some):
        listed = sum(int(each["change_pico"]) for each in answer["movers"])
        assert listed + int(answer["rest_change_pico"]) == int(answer["total_change_pico"]) == change
    assert whole["rest_groups"] == 0 < some["rest_groups"]
    sizes = [abs(int(each["change_pico"])) for each in whole["movers"]]
    assert sizes == sorted(sizes, reverse=True)
    assert whole["previous"]["until"] <= whole["span"]["since"]


def test_a_value_that_has_gone_moves_too(site: Site) -> None:
    found = moved(site, f"by=app&since=2026-11-20T00:00&{BERLIN}")["movers"]
    night = next(each for each in found if each["keys"]["app"] == "night")
    assert (night["cost_pico"], night["calls"], night["before_calls"]) == ("0", 0, 1)
    assert int(night["change_pico"]) == -int(night["before_pico"]) < 0


def test_the_heat_map_adds_up_to_the_total_and_has_the_zones_hours(site: Site) -> None:
    found = site.get(f"/api/v1/heat-map?since=7d&{BERLIN}").json()
    total = site.get(f"/api/v1/summary?since=7d&{BERLIN}").json()["sums"]
    assert sum(map(int, found["cost_pico"])) == int(total["cost_pico"])
    assert sum(found["calls"]) == total["calls"] and len(found["calls"]) == 168
    assert sum(found["unpriced_calls"]) == total["unpriced_calls"]
    friday = 4 * 24
    assert found["calls"][friday + 9] == 1  # 08:15 in UTC
    assert found["calls"][friday] == 1  # Thursday 23:30 in UTC


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("movers?by=nothing", "invalid_parameter"),
        ("movers?by=app,app", "invalid_parameter"),
        ("movers?by=app,model,user,key", "invalid_parameter"),
        ("movers?since=all", "invalid_parameter"),
        ("movers?limit=0", "invalid_parameter"),
        ("heat-map?by=model", "unknown_parameter"),
        ("projection?since=7d", "unknown_parameter"),
        ("projection?tz=Nowhere", "invalid_parameter"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_can(site: Site, target: str, code: str) -> None:
    answer = site.get(f"/api/v1/{target}")
    assert (answer.status, answer.json()["code"]) == (422, code)
    assert answer.json()["details"]["allowed"]


def test_filters_narrow_all_of_them(site: Site) -> None:
    where = f"app=ingest&{BERLIN}"
    assert {each["keys"]["app"] for each in moved(site, f"by=app&{where}")["movers"]} == {"ingest"}
    assert sum(site.get(f"/api/v1/heat-map?since=7d&{where}").json()["calls"]) == 2
    assert site.get(f"/api/v1/projection?{where}").json()["spent"]["sums"]["calls"] == 2


def test_a_projection_knows_weekdays_once_it_has_two_weeks() -> None:
    weeks = [Day(day % 7, 100 if day % 7 < 5 else 10) for day in range(14)]
    left = [Left(5, Fraction(1, 2)), Left(6, Fraction(1)), Left(0, Fraction(1))]
    assert projected(1_000, weeks, left) == (1_115, 1_115, 1_115)
    assert projected(1_000, weeks[:2], left) is None
    flat = projected(1_000, weeks[:13], left)
    assert flat is not None and flat.low_pico < flat.likely_pico < flat.high_pico


def test_a_projection_is_never_below_what_is_spent_and_wider_the_more_days_vary() -> None:
    calm, wild = ([Day(0, 100 + spread * (-1) ** day) for day in range(10)] for spread in (5, 90))
    left = [Left(0, Fraction(1))] * 5
    narrow, wide = projected(50, calm, left), projected(50, wild, left)
    assert narrow is not None and wide is not None
    assert narrow.likely_pico == wide.likely_pico == 550
    assert wide.high_pico - wide.low_pico > 10 * (narrow.high_pico - narrow.low_pico) // 2
    assert wide.low_pico >= 50
    assert projected(50, wild, []) == (50, 50, 50)


def test_eight_of_ten_months_end_within_the_bounds() -> None:
    import random

    rng = random.Random(11)
    inside = 0
    for _ in range(1_000):
        days = [int(rng.lognormvariate(10, 0.5)) for _ in range(48)]
        estimate = projected(
            0,
            [Day(number % 7, cost) for number, cost in enumerate(days[:28])],
            [Left(number % 7, Fraction(1)) for number in range(20)],
        )
        assert estimate is not None
        inside += estimate.low_pico <= sum(days[28:]) <= estimate.high_pico
    assert 750 <= inside <= 850, inside


def test_tags_are_found_with_every_other_value(home: Home, web: Path) -> None:
    rows = day_of_calls()
    tagged = call(10, instant_ns("2026-11-20T15:00:06Z"))
    tagged.attribution["tag.feature"] = "Summaries"
    rows.rows.append(tagged)
    site = Site(home, rows, Assets(web))
    found = site.get("/api/v1/values?contains=summ").json()["values"]
    assert [(each["dimension"], each["value"], each["calls"]) for each in found] == [
        ("tag.feature", "Summaries", 1)
    ]
    by_name = site.get("/api/v1/values?contains=feat&tag.feature=other").json()["values"]
    assert [each["dimension"] for each in by_name] == ["tag.feature"]


@pytest.mark.parametrize("direction", ["desc", "asc"])
def test_calls_are_sorted_page_by_page(site: Site, direction: str) -> None:
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        target = f"/api/v1/calls?since=7d&order=cost&direction={direction}&limit=3{more}"
        answer = site.get(target)
        assert answer.status == 200, answer.body
        found += answer.json()["calls"]
        cursor = answer.json()["next_cursor"]
        pages += 1
    costs = [-1 if each["cost_pico"] is None else int(each["cost_pico"]) for each in found]
    assert costs == sorted(costs, reverse=direction == "desc")
    assert len({each["seq"] for each in found}) == len(found) == 8 and pages == 3


@pytest.mark.parametrize(
    "query",
    ["order=price", "order=cost&direction=up", "order=cost&cursor=1", "order=cost&before=3", "cursor=1:2"],
)
def test_an_order_that_cannot_be_is_refused(site: Site, query: str) -> None:
    answer = site.get(f"/api/v1/calls?{query}")
    assert (answer.status, answer.json()["code"]) == (422, "invalid_parameter")
