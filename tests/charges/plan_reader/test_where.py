"""Whether two charges can be for the same call."""

from __future__ import annotations

import itertools

import pytest

from farebox.charges.plan_reader.where import are_disjoint
from farebox.errors import Finding

VALUES = ("", "a", "ab", "b", "*", "a*", "ab*", "ab*c", "b*")


def _may_be_one(one: str, other: str) -> bool:
    """Pair by pair, as the rule is written."""
    first, second = one.partition("*")[0], other.partition("*")[0]
    if "*" not in one and "*" not in other:
        return one == other
    if "*" not in one:
        return one.startswith(second)
    if "*" not in other:
        return other.startswith(first)
    return first.startswith(second) or second.startswith(first)


def test_two_lists_are_disjoint_exactly_where_no_pair_of_them_can_be_one_value() -> None:
    lists = [*itertools.combinations(VALUES, 1), *itertools.combinations(VALUES, 2)]
    for one, other in itertools.product(lists, lists):
        alike = any(_may_be_one(a, b) for a in one for b in other)
        assert are_disjoint({"model": one}, {"model": other}) is not alike, (one, other)


@pytest.mark.parametrize("form", ["{}", "{}*"])
def test_long_lists_are_not_compared_pair_by_pair(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up = 0

    def counted(sorted_: tuple[str, ...], text: str) -> int:
        nonlocal looked_up
        looked_up += 1
        return bisect_right(sorted_, text)

    from bisect import bisect_right

    monkeypatch.setattr("farebox.charges.plan_reader.where.bisect_right", counted)
    one = tuple(form.format(f"a{number:04}") for number in range(1_000))
    other = tuple(form.format(f"b{number:04}") for number in range(1_000))
    assert are_disjoint({"model": one}, {"model": other})
    assert looked_up <= 4_000


def test_a_finding_repeats_no_more_than_the_beginning_of_a_long_value() -> None:
    finding = Finding("plans.yaml", 1, "plans.pro.base", "9" * 1_000_000, "an amount")
    assert len(str(finding)) < 1_000
