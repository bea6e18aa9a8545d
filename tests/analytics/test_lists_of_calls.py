"""Calls in an order, page by page, and the values of tags: both equal plain Python."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from ledgers import START, Call, Record, matches, traffic

from farebox.analytics.dimensions import CALL_ORDERS
from farebox.analytics.query import Place
from farebox.analytics.questions import Questions, Selection
from farebox.errors import UsageError


def corrected(record: Record, rng: random.Random) -> dict[int, Call]:
    """Write calls, correct some, and return each as it is now by its number."""
    for first in rng.sample(record.append(traffic(rng, 400)), 60):
        record.correct(first, cost_state="priced", cost_pico=rng.randrange(10**15), **{"tag.team": "moved"})
    return record.now


def value(call: Call, order: str) -> int:
    match order:
        case "time":
            return call["occurred_at"]
        case "cost":
            cost = call.get("cost_pico")
            return -1 if cost is None else cost
        case "total":
            return call["total_us"]
        case "first_byte":
            return call["first_byte_us"]
        case _:
            return call["input_tokens"] + call["output_tokens"]


@pytest.mark.parametrize("order", CALL_ORDERS)
@pytest.mark.parametrize("ascending", [False, True])
def test_pages_in_an_order_are_every_call_once(
    record: Record, questions: Questions, order: str, *, ascending: bool
) -> None:
    calls = corrected(record, random.Random(3))
    chosen = Selection(since_ns=START, where={"app": ["api", ""]})
    wanted = sorted(
        ((value(call, order), seq) for seq, call in calls.items() if matches(call, {"app": ["api", ""]})),
        reverse=not ascending,
    )
    found: list[tuple[int, int]] = []
    after: Place | None = None
    while page := questions.sorted_calls(chosen, order, 37, ascending=ascending, after=after):
        found += [(each.value, each.seq) for each in page]
        after = page[-1]
    assert found == wanted
    assert len(found) > 100


def test_an_order_that_is_none_is_refused(record: Record, questions: Questions) -> None:
    record.append(traffic(random.Random(1), 3))
    with pytest.raises(UsageError, match="there is no order 'price'"):
        questions.sorted_calls(Selection(), "price", 10)


@pytest.mark.parametrize("text", ["", "S", "team", "MOVED", "search, and", "%", "nothing"])
def test_tags_are_found_by_their_name_and_by_any_part_of_their_value(
    record: Record, questions: Questions, text: str
) -> None:
    calls = corrected(record, random.Random(5))
    where: dict[str, Any] = {"provider": ["openai"]}
    counts: Counter[tuple[str, str]] = Counter(
        (name[4:], call[name])
        for call in calls.values()
        if matches(call, where)
        for name in call
        if name.startswith("tag.") and (text.lower() in call[name].lower() or text.lower() in name[4:])
    )
    found = questions.tags(Selection(where=where), text, 50)
    assert {(each.name, each.value): each.calls for each in found} == counts
    assert [each.calls for each in found] == sorted((each.calls for each in found), reverse=True)
    assert len(questions.tags(Selection(where=where), "", 2)) == 2
