"""Charts of text: they say how much of what there is, and fit."""

from __future__ import annotations

import pytest

from farebox.cli.charts import NOTHING, bar, columns, gathered, share, sparkline


def test_the_largest_is_the_highest_and_nothing_is_not_the_lowest() -> None:
    assert sparkline([0, 1, 4, 8]) == f"{NOTHING}▂▅█"
    assert sparkline([0, 0]) == NOTHING * 2
    assert sparkline([1, 10**18]) == "▁█"


@pytest.mark.parametrize("width", [1, 7, 24, 100])
def test_values_are_added_up_to_fit_and_none_is_lost(width: int) -> None:
    values = list(range(24))
    found = gathered(values, width)
    assert len(found) <= width
    assert sum(found) == sum(values)
    assert len(sparkline(values, width)) == len(found)


def test_a_bar_is_as_long_as_its_share_and_something_is_never_nothing() -> None:
    assert bar(5, 10, 4) == "██"
    assert bar(1, 10**9, 10) == "▏"
    assert bar(0, 10, 4) == ""
    assert bar(20, 10, 4) == "████"
    assert [share(part, 1000) for part in (0, 1, 15, 1000)] == ["–", "< 1 %", "1 %", "100 %"]


def test_columns_are_as_high_as_they_may_be() -> None:
    assert columns([0, 4, 8], height=2, width=3) == ["  █", " ██"]
    assert columns([0, 1, 1000], height=2, width=3) == ["  █", " ▁█"]
    assert columns([0, 0], height=1, width=2) == ["  "]
