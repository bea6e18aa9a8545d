"""The amount below which nothing can be news of a period."""

from __future__ import annotations

import pytest

from farebox.alerts.alert import Alert
from farebox.alerts.evaluation.thresholds import find_budget, find_sum, lowest_amount
from farebox.alerts.evaluation.transitions import Rule
from farebox.budgets.budget import Period
from farebox.budgets.periods import FOR_EVER

EVER = Period("ever")


@pytest.mark.parametrize(
    ("at", "every", "lowest"), [((5, 9), None, 5), ((), 7, 7), ((5,), 2, 5), ((10**30,), None, 10**30)]
)
def test_a_sum_is_news_from_its_first_threshold_on(
    at: tuple[int, ...], every: int | None, lowest: int
) -> None:
    alert = Alert(name="x", kind="usage", subject="calls", at=at, every=every, period=EVER)
    assert lowest_amount(Rule(alert, "")) == lowest
    assert find_sum(alert, lowest - 1, 0, FOR_EVER, ()).reached == ()
    assert lowest in find_sum(alert, lowest, 0, FOR_EVER, ()).reached


@pytest.mark.parametrize("limit", [1, 3, 7, 10**12 + 1, 10**15])
@pytest.mark.parametrize("share", [1, 333_333, 500_000, 1_000_000, 1_500_000])
def test_a_budget_is_news_from_its_first_share_on(share: int, limit: int) -> None:
    rule = Rule(Alert(name="x", kind="budget", subject="b", at=(share, 2 * share)), "", limit)
    lowest = lowest_amount(rule)
    assert lowest is not None
    assert find_budget(rule, lowest - 1, 0, 0, FOR_EVER, is_fixed=True).reached == ()
    assert share in find_budget(rule, lowest, 0, 0, FOR_EVER, is_fixed=True).reached


def test_a_margin_has_no_lowest_amount() -> None:
    assert lowest_amount(Rule(Alert(name="x", kind="margin", at=(1,), period=EVER), "")) is None
