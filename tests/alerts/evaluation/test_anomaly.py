"""How often an anomaly is a false alarm, and how soon a real one is found."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from farebox.alerts.alert import Alert, Sensitivity
from farebox.alerts.evaluation.anomaly import (
    HISTORY_NS,
    History,
    Usual,
    expected,
    find_anomaly,
    hour_of_week,
    is_normal,
)
from farebox.budgets.periods import HOUR_NS

START = 1_767_571_200 * 10**9
"""Monday, 5 January 2026, 0:00 UTC."""
PART_NS = HOUR_NS // 12
DOLLAR = 10**12
ALERT = Alert(name="jump", kind="anomaly", subject="cost")
WEEKS = 60


def season(hour: int, weekday: int) -> int:
    """Return what an hour comes to without noise: nights are quiet, and weekends."""
    level = 2 + 10 * max(0, 6 - abs(hour - 13))
    return level * DOLLAR // (4 if weekday >= 5 else 1) // 10


class Simulated:
    """One value, five minutes at a time, judged after each of them as the ledger process does."""

    def __init__(
        self, seed: int, spread: float, growth: float = 1.0, jump: Callable[[int], int] | None = None
    ):
        self.rng = random.Random(seed)
        self.spread, self.growth = spread, growth
        self.jump = jump or (lambda at_ns: 1)
        self.hours: dict[int, int] = {}
        self.parts: list[int] = []
        self.fired: list[int] = []
        self.recovered: list[int] = []
        self.firing_since: int | None = None
        self.relative: int | None = None
        self.least = 0

    def first_ns(self) -> int:
        return next(iter(self.hours))

    def run(self, until_ns: int, begin_ns: int = START) -> None:
        this: Usual | None = None
        for hour_ns in range(begin_ns, until_ns, HOUR_NS):
            last_ns = hour_ns - HOUR_NS
            last, this = this, None  # as there
            if self.hours:
                if (hour_ns - START) % (24 * HOUR_NS) == 0:  # once a day, as there
                    self.relative = None
                    self.hours = {
                        at: it for at, it in self.hours.items() if at >= hour_ns - HISTORY_NS - HOUR_NS
                    }
                history = History(self.hours, self.first_ns(), last_ns, "UTC", self.relative)
                last, this = last or history.usual(last_ns), history.usual(hour_ns)
                self.relative = history.relative_ppm
                if last is not None and this is not None:  # between the two is what is judged by
                    self.least = min(expected(ALERT, each, each, 0).most for each in (last, this))
            level = self.level(hour_ns)
            for part in range(12):
                at_ns = hour_ns + part * PART_NS
                noise = self.rng.lognormvariate(0, self.spread)
                amount = int(level * noise * self.jump(at_ns)) // 12
                self.parts = [*self.parts[-11:], amount]
                self.hours[hour_ns] = self.hours.get(hour_ns, 0) + amount
                if last is not None and this is not None:
                    self.judge(hour_ns, at_ns + PART_NS - 1, last, this)

    def level(self, hour_ns: int) -> int:
        hour = hour_of_week(hour_ns, "UTC")
        weeks = (hour_ns - START) / HISTORY_NS * 8
        slow = self.rng.lognormvariate(0, self.spread)  # an hour as a whole is busy, not its minutes alone
        return int(season(hour.hour, hour.weekday) * slow * self.growth**weeks)

    def judge(self, hour_ns: int, now_ns: int, last: Usual, this: Usual) -> None:
        if self.firing_since is None and sum(self.parts) <= self.least:
            return
        most = expected(ALERT, last, this, now_ns - hour_ns)
        since = self.firing_since
        has_ended = (
            since is not None
            and since < hour_ns
            and is_normal(self.hours.get(hour_ns - HOUR_NS, 0), expected(ALERT, last, last, 0))
        )
        found = find_anomaly(ALERT, sum(self.parts), 100, 0, most, now_ns, has_ended=has_ended)
        if found.reached and since is None:
            self.firing_since = now_ns
            self.fired.append(now_ns)
        elif since is not None and not found.reached and not found.kept:
            self.firing_since = None
            self.recovered.append(now_ns)


@pytest.mark.parametrize(("seed", "spread", "growth"), [(1, 0.2, 1.0), (2, 0.25, 1.01), (12, 0.4, 1.0)])
def test_sixty_weeks_of_seasonal_noise_are_at_most_one_false_alarm_a_month(
    seed: int, spread: float, growth: float
) -> None:
    simulated = Simulated(seed, spread, growth)
    simulated.run(START + WEEKS * 7 * 24 * HOUR_NS)
    months = WEEKS * 7 / 30
    assert len(simulated.fired) <= months, simulated.fired


class Sessions(Simulated):
    """One who works now and then, for some hours, and seldom at the same ones."""

    def __init__(self, seed: int, begins: float, size: float) -> None:
        super().__init__(seed, 0.2)
        self.begins, self.size = begins, size
        self.left = 0

    def level(self, hour_ns: int) -> int:
        if self.left:
            self.left -= 1
        elif self.rng.random() < self.begins:
            self.left = self.rng.randrange(1, 4)
        return int(DOLLAR * self.rng.lognormvariate(0, self.size)) if self.left else 0


@pytest.mark.parametrize(("begins", "size"), [(0.02, 0.8), (0.1, 0.5), (0.3, 0.5)])
def test_hours_in_which_somebody_works_now_and_then_are_not_unusual(begins: float, size: float) -> None:
    simulated = Sessions(70, begins, size)
    simulated.run(START + 30 * 7 * 24 * HOUR_NS)
    assert len(simulated.fired) <= 30 * 7 / 30, simulated.fired


def test_far_more_than_ever_is_found_where_hours_have_no_rhythm() -> None:
    begins = START + 12 * 7 * 24 * HOUR_NS
    simulated = Sessions(71, 0.1, 0.3)
    simulated.jump = lambda at_ns: 20 if at_ns >= begins else 1
    simulated.run(begins + 7 * 24 * HOUR_NS)
    assert simulated.fired and simulated.fired[0] >= begins


def test_hours_without_calls_are_compared_with_those_that_have_some() -> None:
    until = START + 5 * 7 * 24 * HOUR_NS
    amounts = {START + day * 24 * HOUR_NS + day % 24 * HOUR_NS: DOLLAR for day in range(35)}
    usual = history(amounts, until).usual(until + 14 * HOUR_NS)
    assert usual is not None
    assert (usual.median, usual.words) == (DOLLAR, "as high as all but a twentieth of 35 hours with calls")
    few = dict(list(amounts.items())[:20])
    assert history(few, until).usual(until + 14 * HOUR_NS) is None, "too little is known"


@pytest.mark.parametrize("minute", [0, 20, 31, 45])
@pytest.mark.parametrize(("day", "hour"), [(1, 13), (2, 9), (3, 18), (5, 3)])
def test_three_times_as_much_is_found_within_the_hour(day: int, hour: int, minute: int) -> None:
    begins = START + (9 * 7 + day) * 24 * HOUR_NS + hour * HOUR_NS + minute * HOUR_NS // 60
    simulated = Simulated(3, 0.1, jump=lambda at_ns: 3 if begins <= at_ns < begins + 2 * HOUR_NS else 1)
    simulated.run(begins // HOUR_NS * HOUR_NS + 6 * HOUR_NS, START + 3 * 7 * 24 * HOUR_NS)
    assert [at for at in simulated.fired if at < begins] == []
    assert simulated.fired and simulated.fired[0] <= begins + HOUR_NS
    assert len(simulated.recovered) == len(simulated.fired) == 1


def test_too_little_is_known_of_the_first_days() -> None:
    simulated = Simulated(4, 0.2, jump=lambda at_ns: 50 if at_ns > START + 60 * HOUR_NS else 1)
    simulated.run(START + 70 * HOUR_NS)
    assert simulated.fired == []


def history(amounts: dict[int, int], until_ns: int, timezone: str = "UTC") -> History:
    return History(amounts, START, until_ns, timezone)


def test_the_same_hour_of_the_week_is_compared_once_four_weeks_are_known() -> None:
    amounts = {
        START + week * 7 * 24 * HOUR_NS + 14 * HOUR_NS: amount * DOLLAR
        for week, amount in enumerate((10, 12, 11, 50))
    }
    known = history(amounts, START + 4 * 7 * 24 * HOUR_NS)
    usual = known.usual(START + (4 * 7 * 24 + 14) * HOUR_NS)
    assert usual is not None
    assert usual.median == 11_500_000_000_000, "one unusual Monday moves it little"
    assert usual.words == "over 4 Mondays, 14:00-15:00"


def test_working_days_and_all_hours_stand_in_for_weeks_that_are_not_known() -> None:
    def usual_after(days: int) -> Usual | None:
        until = START + days * 24 * HOUR_NS
        amounts = {at: season(hour_of_week(at, "UTC").hour, 0) for at in range(START, until, HOUR_NS)}
        return history(amounts, until).usual(until + 14 * HOUR_NS)

    assert usual_after(2) is None
    few, more = usual_after(3), usual_after(14)
    assert few is not None and few.words == "as high as all but a twentieth of 72 hours"
    assert more is not None and more.words == "over 10 working days, 14:00-15:00"


def test_hours_are_those_of_the_zones_own_clock_across_a_change() -> None:
    """From 29 March 2026 on, nine o'clock in Berlin is an hour earlier in UTC."""
    nine_in_winter = 1_774_252_800 * 10**9  # Monday, 23 March, 8:00 UTC
    nine_in_summer = nine_in_winter + (7 * 24 - 1) * HOUR_NS
    before, after = (
        hour_of_week(nine_in_winter, "Europe/Berlin"),
        hour_of_week(nine_in_summer, "Europe/Berlin"),
    )
    assert before == after and before.hour == 9


def test_both_the_deviation_and_the_factor_have_to_be_passed() -> None:
    steady = Usual(100 * DOLLAR, 0, "")
    loose = Usual(100 * DOLLAR, 30 * DOLLAR, "")
    assert expected(ALERT, steady, steady, 0).most == 200 * DOLLAR
    assert expected(ALERT, loose, loose, 0).most == 100 * DOLLAR * 13**6 // 10**6, "deviations multiply"
    highest = Usual(100 * DOLLAR, 30 * DOLLAR, "", is_highest=True)
    assert expected(ALERT, highest, highest, 0).most == 280 * DOLLAR
    assert expected(ALERT, steady, highest, HOUR_NS // 4).most == 220 * DOLLAR, "a quarter of the way"
    strict = Alert(name="j", kind="anomaly", subject="cost", sensitivity=Sensitivity(2, 1_100_000))
    assert expected(strict, loose, loose, 0).most == 169 * DOLLAR
    floor = Alert(name="j", kind="anomaly", subject="cost", amount_min=900 * DOLLAR)
    assert expected(floor, loose, loose, 0).most == 900 * DOLLAR
