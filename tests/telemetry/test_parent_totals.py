"""A parent's totals are never added to its children's, in whatever requests they come."""

from __future__ import annotations

import itertools
import random

from otlp_requests import AS_JSON, GPT, as_json, counted, events, hexadecimal, read, span

from farebox.catalog import load
from farebox.telemetry.otlp_in import parent_totals
from farebox.telemetry.otlp_in.parent_totals import SPANS_MAX, ParentTotals
from farebox.telemetry.otlp_in.reception import OtlpReader
from farebox.telemetry.otlp_in.records import Span

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


def test_what_is_inside_of_a_counted_call_does_not_count_when_it_is_sent_again() -> None:
    reader = OtlpReader(load)
    assert ids(read(as_json(span("outer", attributes=TOTALS)), reader=reader))
    chain = span("chain", parent="outer", attributes={"openinference.span.kind": "CHAIN"})
    for _ in range(3):
        assert not ids(read(as_json(chain, span("one", parent="chain")), reader=reader))


def test_above_a_parent_of_an_earlier_request_nothing_counts() -> None:
    reader = OtlpReader(load)
    assert ids(read(as_json(span("inner", parent="outer")), reader=reader))
    outer = span("outer", parent="around", attributes=TOTALS)
    assert not ids(read(as_json(outer, span("around", attributes=TOTALS)), reader=reader))


def test_a_trace_of_more_spans_than_are_remembered_is_told_apart_within_its_request() -> None:
    spans = [
        Span(trace_id="t", span_id=f"{kind}{number}", parent_id=parent, attributes={}, resource={})
        for number in range(SPANS_MAX)
        for kind, parent in (("call", f"total{number}"), ("total", "root"))
    ]
    selected = ParentTotals().select(spans, spans)
    assert {each.span_id for each in selected} == {f"call{number}" for number in range(SPANS_MAX)}


def test_spans_in_spans_are_read_in_a_time_that_grows_with_their_number_alone() -> None:
    steps = 0

    class Counting(dict[str, str]):
        def get(self, key: str, default: str = "") -> str:  # type: ignore[override]
            nonlocal steps
            steps += 1
            return super().get(key, default)

    chain = Counting({f"s{number}": f"s{number - 1}" for number in range(1, 20_000)})
    calls = [Span(trace_id="t", span_id=each, attributes={}, resource={}) for each in chain]
    selected = parent_totals._select(parent_totals._Trace(), chain, calls)
    assert [each.span_id for each in selected] == ["s19999"]
    assert steps < 10 * len(chain)


def test_spans_that_are_their_own_parents_are_read_all_the_same() -> None:
    ring = [span("a", parent="c"), span("b", parent="a"), span("c", parent="b")]
    assert len(ids(read(as_json(*ring)))) == 1
    assert len(ids(read(as_json(span("self", parent="self"))))) == 1


def test_a_token_for_one_customer_hides_no_calls_of_another_by_the_ids_of_its_trace() -> None:
    reader = OtlpReader(load)
    stranger = as_json(span("stranger", parent="call"), span("above"))
    for whose in ("[('customer', 'other')]", ""):
        reader.read("traces", AS_JSON, stranger, "[('customer', 'evil')]")
        assert len(ids(reader.read("traces", AS_JSON, as_json(span("call", parent="above")), whose))) == 1
