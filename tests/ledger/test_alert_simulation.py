"""What alerts would have said of the record: the same as they did say."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from alert_home import AlertHome, MakeHome
from calls import DAY, HOUR, MINUTE, NOON, PICO_PER_TOKEN

from farebox.alerts.alert import Alert
from farebox.budgets.budget import Period
from farebox.home import Home
from farebox.ledger.alerting.simulation import simulate

CALL = 15 * PICO_PER_TOKEN
RULES = (
    Alert(name="day", kind="spend", subject="cost", at=(40 * CALL, 80 * CALL), period=Period("day")),
    Alert(name="each", kind="usage", subject="calls", each="app", at=(7,), every=10, period=Period("hour")),
    Alert(name="errors", kind="errors", at=(300_000,), over_s=3600, least=5),
    Alert(name="models", kind="new", subject="model"),
    Alert(name="silent", kind="no_data", over_s=1800),
)


@pytest.fixture
def make(home: Home) -> Iterator[MakeHome]:
    made: list[AlertHome] = []

    def make_home(*alerts: Alert, **more: Any) -> AlertHome:
        made.append(AlertHome(home, *alerts, **more))
        made[-1].run()
        return made[-1]

    yield make_home
    for each in made:
        each.alerting.close()
        each.ledger.connection.close()


def test_a_simulation_says_what_was_said(make: MakeHome, home: Home) -> None:
    one = make(*RULES)
    rng = random.Random(5)
    for minute in range(0, 2 * 24 * 60, 7):
        one.at(NOON + minute * MINUTE)
        calls: list[Any] = []
        for _ in range(rng.choice((0, 0, 1, 2)) if minute % 600 > 60 else 0):
            status = 500 if rng.random() < 0.2 else 200
            model = rng.choice(("gpt-4o", "gpt-4o", "gpt-5")) if minute > 900 else "gpt-4o"
            calls.append(one.call(status=status, model=model, attribution={"app": rng.choice("ab")}))
        if calls:
            one.append(*calls)
    real = [each for each in one.history() if not (each.kind == "new" and each.state == "recovered")]
    found = simulate(home, RULES, NOON, one.now_ns)

    def of(events: Any) -> list[tuple[Any, ...]]:
        return [(each.alert, each.value, each.threshold, each.state) for each in events]

    for rule in RULES:
        assert of(each for each in found if each.alert == rule.name) == of(
            each for each in real if each.alert == rule.name
        ), rule.name
    assert {each.alert for each in found} == {rule.name for rule in RULES}


def test_what_was_passed_before_the_span_is_not_told_again(make: MakeHome, home: Home) -> None:
    one = make()
    for hour in range(3):
        one.now_ns = NOON + hour * HOUR
        one.append(*(one.call() for _ in range(30)))
    found = simulate(home, RULES[:1], NOON + 90 * MINUTE, NOON + DAY)
    assert [(each.threshold, each.state) for each in found] == [
        (80 * CALL, "firing"),
        (40 * CALL, "recovered"),
        (80 * CALL, "recovered"),
    ]
    assert found[0].at_ns == NOON + 2 * HOUR


def test_whoever_asks_hears_how_far_it_is_and_may_end_it(make: MakeHome, home: Home) -> None:
    one = make()
    one.append(*(one.call() for _ in range(10)))
    heard: list[tuple[int, int]] = []
    simulate(home, RULES, NOON - HOUR, NOON + HOUR, lambda done, of: heard.append((done, of)))
    assert heard[-1] == (10, 10)

    def end(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(home, RULES, NOON - HOUR, NOON + HOUR, end)


def test_a_home_without_a_record_has_nothing_to_say(home: Home) -> None:
    assert simulate(home, RULES, 0, NOON) == []
