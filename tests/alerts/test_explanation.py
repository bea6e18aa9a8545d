"""Which groups explain an alert: those of the dimension whose shares changed most."""

from __future__ import annotations

from typing import Any, get_args

from farebox.alerts.alert import Kind
from farebox.alerts.event import AlertEvent
from farebox.alerts.explanation import Sums, dimensions, explanation, measure, spans
from farebox.analytics.dimensions import DIMENSIONS, MEASURES

USD = 10**12


def event(**more: Any) -> AlertEvent:
    said: dict[str, Any] = {
        **{
            "id": "e",
            "alert": "a",
            "kind": "spend",
            "subject": "cost",
            "severity": "info",
            "state": "firing",
        },
        **{"unit": "pico_usd", "since_ns": 0, "at_ns": 900, "seq": 1, "from_ns": 600, "until_ns": 900},
    }
    return AlertEvent(**said | more)


def explained(names: list[str], rows: list[Sums], **more: Any) -> Any:
    before, after = sum(each.before for each in rows), sum(each.after for each in rows)
    return explanation(event(**more), names, rows, before, after, lambda name, value: value or f"no {name}")


def test_the_dimension_whose_shares_changed_is_shown_with_the_groups_that_changed_most() -> None:
    found = explained(
        ["model", "app"],
        [
            Sums(("gpt", "web"), 10 * USD, 10 * USD),
            Sums(("gpt", "ingest"), 1 * USD, 31 * USD),
            Sums(("o3", "web"), 10 * USD, 11 * USD),
            Sums(("o3", "ingest"), 1 * USD, 30 * USD),
        ],
    )
    assert (found.dimension, found.measure, found.before, found.after) == ("app", "cost", "$22.00", "$82.00")
    assert [(each.value, each.before, each.after) for each in found.groups] == [
        ("ingest", "$2.00", "$61.00"),
        ("web", "$20.00", "$21.00"),
    ]


def test_three_groups_are_shown_and_the_others_counted() -> None:
    rows = [Sums((f"m{n}",), 0, (n + 1) * USD) for n in range(7)]
    found = explained(["model"], rows)
    assert [each.value for each in found.groups] == ["m6", "m5", "m4"]
    assert found.rest_groups == 4


def test_a_dimension_with_one_value_explains_nothing_beside_one_with_several() -> None:
    rows = [Sums(("gpt", "a"), USD, 5 * USD), Sums(("gpt", "b"), USD, USD)]
    assert explained(["model", "customer"], rows).dimension == "customer"
    fresh = [Sums(("gpt", "a"), 0, 5 * USD), Sums(("gpt", "b"), 0, USD)]
    assert explained(["model", "customer"], fresh).dimension == "customer"


def test_where_everything_grew_alike_the_first_dimension_is_shown() -> None:
    rows = [Sums(("gpt", "a"), USD, 2 * USD), Sums(("o3", "b"), USD, 2 * USD)]
    assert explained(["model", "app"], rows).dimension == "model"


def test_calls_that_say_nothing_are_a_group_and_what_vanished_explains_too() -> None:
    found = explained(
        ["model"], [Sums(("",), 8, 0), Sums(("gpt",), 1, 1)], kind="no_data", subject="", unit="s"
    )
    assert [(each.value, each.before, each.after) for each in found.groups] == [("no model", "8", "0")]


def test_nothing_that_changed_is_no_explanation() -> None:
    assert explained(["model"], []) is None
    assert explained(["model"], [Sums(("gpt",), 5, 5)]) is None
    assert explained(["model"], [Sums(("gpt",), 5, 9)], kind="prices", subject="stale") is None


def test_what_is_compared_is_what_the_alert_does_not_fix() -> None:
    fixed = event(where={"customer": ("acme",), "model": ("gpt*",), "app": ("a", "b")})
    assert dimensions(fixed) == ["model", "app", "agent", "user", "project", "key"]
    assert set(dimensions(event())) <= set(DIMENSIONS)


def test_the_time_before_is_as_long_as_the_time_it_is_about() -> None:
    assert spans(event()) == (300, 600, 900)
    assert spans(event(until_ns=600)) == (300, 600, 900)


def test_every_kind_has_a_measure_of_the_analytics_or_none() -> None:
    for kind in get_args(Kind):
        found = measure(event(kind=kind, subject="p95" if kind == "latency" else "cost"))
        assert found is None or found[0] in MEASURES, kind
    assert measure(event(kind="usage", subject="output_tokens")) == ("output_tokens", "output tokens")
    assert measure(event(kind="anomaly", subject="price")) == ("charge_pico", "price")
