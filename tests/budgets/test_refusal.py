"""What a refused caller is told: which budget, its limit, what is left, when it begins anew."""

from __future__ import annotations

from farebox.budgets import refusal
from farebox.budgets.budget import Budget, Period, Stop

DOLLAR = 10**12
DAILY = Budget(
    name="acme-daily", limit_pico=25 * DOLLAR, period=Period("day"), timezone="Europe/Berlin", wait_s=20
)
MIDNIGHT = 1_795_993_200 * 10**9
"""2026-11-30 in Berlin."""


def test_a_budget_without_room_says_its_limit_what_is_left_what_was_asked_and_when_it_resets() -> None:
    why = refusal.over_limit(
        DAILY, None, left=3 * DOLLAR // 100, asked=48 * DOLLAR // 100, end_ns=MIDNIGHT, waited_s=20
    )
    assert (why.status, why.slug, why.retry_after_s) == (429, "budget_exceeded", None)
    assert why.message == (
        "budget acme-daily has $0.03 left of $25.00 a day; this call can cost up to $0.48, and none came "
        "free within 20 s. It resets at 2026-11-30T00:00:00+01:00."
    )


def test_a_budget_for_each_value_names_the_value_and_a_rolling_one_its_window() -> None:
    each = Budget(
        name="per-session", limit_pico=2 * DOLLAR, each="session", period=Period("rolling", 24 * 3600)
    )
    why = refusal.over_limit(each, "s-1", left=0, asked=DOLLAR, end_ns=0)
    assert "budget per-session of session s-1 has $0.00 left of $2.00 in any 24h" in why.message
    assert why.message.endswith("Room comes back as the window moves on.")


def test_what_nothing_bounds_says_why_and_what_would_let_it_pass() -> None:
    why = refusal.unbounded(DAILY, None, ("media", "web_search"), MIDNIGHT)
    assert (why.status, why.slug) == (429, "budget_unbounded")
    assert "(media, web_search)" in why.message and "`unpriced: allow`" in why.message


def test_a_stop_says_who_stopped_it_and_why() -> None:
    why = refusal.stopped(Stop(dimension="session", value="s-1", reason="loops", since_ns=1, by="ann"))
    assert (why.status, why.slug) == (429, "stopped")
    assert why.message == "calls of session s-1 are stopped by ann until that is lifted: loops."


def test_only_what_may_change_by_itself_is_worth_another_try() -> None:
    for why in (refusal.unusable(), refusal.opening(DAILY, None)):
        assert (why.status, why.slug) == (503, "budgets_unavailable")
        assert why.retry_after_s
