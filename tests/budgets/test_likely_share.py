"""`reserve: likely`: what calls like this one really cost, and by exactly how much a limit may be passed."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from farebox.budgets.budget import Budget, Period
from farebox.budgets.likely_share import CALLERS_MAX, SEEN_MIN, STEPS, LikelyShares
from farebox.budgets.worst_case import Claim, WorstCase, claim_of

WORST = 64_000_000
LIKELY = Budget(name="daily", limit_pico=10**12, period=Period("day"), reserve="likely")
CAREFUL = Budget(name="daily", limit_pico=10**12, period=Period("day"))
CALLER = ("daily", "acme", "gpt-4o-mini")


def seen(costs: list[int], budget: Budget = LIKELY) -> LikelyShares:
    shares = LikelyShares()
    for cost in costs:
        shares.settled(Claim(WORST), budget, CALLER, cost)
    return shares


def test_a_caller_hardly_seen_is_held_at_its_worst_case() -> None:
    shares = seen([1] * (SEEN_MIN - 1))
    assert shares.claim(Claim(WORST), LIKELY, CALLER) == Claim(WORST)
    assert shares.claim(Claim(WORST), LIKELY, ("daily", "other", "gpt-4o-mini")) == Claim(WORST)


def test_what_99_of_100_calls_cost_is_held() -> None:
    shares = seen([WORST // 10] * 99 + [WORST])
    claim = shares.claim(Claim(WORST), LIKELY, CALLER)
    assert WORST // 10 <= claim.amount_pico <= WORST // 10 + WORST // STEPS
    assert claim.may_pass and claim.beyond_pico == WORST - claim.amount_pico
    assert seen([WORST // 10] * 95 + [WORST] * 5).claim(Claim(WORST), LIKELY, CALLER) == Claim(WORST)


def test_a_budget_that_holds_worst_cases_is_left_alone() -> None:
    shares = seen([1] * 100, CAREFUL)
    assert shares.claim(Claim(WORST), CAREFUL, CALLER) == Claim(WORST)
    assert shares.claim(Claim(WORST), LIKELY, CALLER) == Claim(WORST), "nothing was counted for it"


def test_what_is_blocked_stays_blocked() -> None:
    blocked = claim_of(WorstCase(None, None, ("socket",), is_bound=False), LIKELY)
    assert seen([1] * 100).claim(blocked, LIKELY, CALLER) is blocked and blocked.is_blocked


@given(st.lists(st.tuples(st.integers(1, 10**15), st.integers(0, 100)), max_size=80), st.randoms())
def test_a_limit_may_be_passed_by_exactly_what_calls_in_flight_can_cost_beyond_what_is_held(
    calls: list[tuple[int, int]], rng: random.Random
) -> None:
    shares = seen([WORST // 20] * 50)
    in_flight: list[tuple[Claim, int]] = []
    for worst, percent in calls:
        in_flight.append((shares.claim(Claim(worst), LIKELY, CALLER), worst))
        assert in_flight[-1][0].amount_pico + in_flight[-1][0].beyond_pico == worst
        if rng.random() < 0.5:
            claim, its_worst = in_flight.pop(rng.randrange(len(in_flight)))
            shares.settled(claim, LIKELY, CALLER, its_worst * percent // 100)
        expected = sum(worst - claim.amount_pico for claim, worst in in_flight)
        assert shares.may_pass_by(LIKELY) == expected
    for claim, _ in in_flight:
        shares.settled(claim, LIKELY, CALLER, None)
    assert shares.may_pass_by(LIKELY) == 0


def test_a_caller_who_changes_is_followed() -> None:
    shares = seen([WORST // 50] * 1000)
    for _ in range(200):
        shares.settled(Claim(WORST), LIKELY, CALLER, WORST // 2)
    assert shares.claim(Claim(WORST), LIKELY, CALLER).amount_pico >= WORST // 2


def test_only_so_many_callers_are_remembered() -> None:
    shares = LikelyShares()
    for number in range(CALLERS_MAX + 10):
        shares.settled(Claim(WORST), LIKELY, number, 1)
    assert len(shares._seen) == CALLERS_MAX  # pyright: ignore[reportPrivateUsage]
