"""A parent's totals are never added to its children's, in whatever requests they come."""

from __future__ import annotations

import itertools
import random

from otlp_requests import GPT, as_json, counted, events, hexadecimal, read, span

from farebox.catalog import load
from farebox.telemetry.otlp_in.parent_totals import ParentTotals
from farebox.telemetry.otlp_in.reception import OtlpReader

TOTALS = {**GPT, "gen_ai.usage.input_tokens": 240, "gen_ai.usage.output_tokens": 90}


def ids(found: object) -> set[str]:
    return {each["id"].partition("/")[2] for each in events(found)}  # type: ignore[arg-type]


def test_of_a_call_in_a_call_the_inner_one_counts() -> None:
    outer, inner = span("outer", attributes=TOTALS), span("inner", parent="outer")
    for order in ((outer, inner), (inner, outer)):
        found = read(as_json(*order))
        assert ids(found) == {hexadecimal("inner", 8)}
        assert counted(found) == {"calls": 1, "parent_totals": 1}


def test_a_parent_that_comes_with_a_later_request_does_not_count() -> None:
    reader = OtlpReader(load)
    chain = span("chain", parent="outer", attributes={"openinference.span.kind": "CHAIN"})
    assert ids(read(as_json(span("inner", parent="chain")), reader=reader))
    assert not ids(read(as_json(chain), reader=reader))
    assert not ids(read(as_json(span("outer", attributes=TOTALS)), reader=reader))


def test_children_of_a_call_that_was_counted_do_not_count() -> None:
    reader = OtlpReader(load)
    assert ids(read(as_json(span("outer", attributes=TOTALS)), reader=reader))
    chain = span("chain", parent="outer", attributes={"openinference.span.kind": "CHAIN"})
    assert not ids(read(as_json(chain), reader=reader))
    assert not ids(read(as_json(span("one", parent="chain"), span("two", parent="chain")), reader=reader))
    assert ids(read(as_json(span("outer", attributes=TOTALS)), reader=reader)), "sent again it is a duplicate"


def test_siblings_count_each_and_so_do_other_traces() -> None:
    spans = [span("a", parent="p"), span("b", parent="p"), span("a2", "t2", parent="p")]
    assert len(ids(read(as_json(*spans)))) == 3


def test_in_every_order_and_split_of_requests_the_sum_is_that_of_the_calls() -> None:
    agent = span("agent", attributes={**TOTALS, "gen_ai.operation.name": "invoke_agent"})
    outer = span("outer", parent="agent", attributes=TOTALS)
    inner = [span("one", parent="outer"), span("two", parent="outer")]
    for order in itertools.permutations([agent, outer, *inner]):
        for cut in range(5):
            reader = OtlpReader(load)
            found = [
                each
                for part in (order[:cut], order[cut:])
                for each in events(read(as_json(*part), reader=reader))
            ]
            assert sum(each["parts"][0]["usage"]["input_uncached"] for each in found) == 240


def test_spans_that_are_each_others_parents_end() -> None:
    found = read(as_json(span("a", parent="b"), span("b", parent="a")))
    assert len(events(found)) == 1


def test_old_traces_are_forgotten() -> None:
    kept = ParentTotals(traces_max=10)
    reader = OtlpReader(load)
    reader._parents = kept  # pyright: ignore[reportPrivateUsage]
    for number in range(50):
        read(as_json(span("inner", f"t{number}", parent="outer")), reader=reader)
    assert len(kept._traces) == 10  # pyright: ignore[reportPrivateUsage]


def test_random_trees_in_random_requests_never_count_a_token_twice() -> None:
    rng = random.Random(15)
    for _ in range(60):
        leaves, spans = 0, [span("root", attributes={**GPT, "gen_ai.operation.name": "invoke_agent"})]
        names = ["root"]
        for number in range(rng.randrange(1, 12)):
            parent = rng.choice(names)
            name = f"n{number}"
            is_call = rng.random() < 0.6
            spans.append(span(name, parent=parent, attributes=GPT if is_call else {"name": "chain"}))
            leaves += is_call
            if not is_call:
                names.append(name)
        rng.shuffle(spans)
        reader, total = OtlpReader(load), 0
        while spans:
            part = [spans.pop() for _ in range(min(len(spans), rng.randrange(1, 5)))]
            total += len(events(read(as_json(*part), reader=reader)))
        assert total == leaves
