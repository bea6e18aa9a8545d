"""Calls of sampled traces say that others were left out, and totals of them are lower bounds."""

from __future__ import annotations

import pytest
from otlp_requests import GPT, as_json, as_json_logs, counted, events, read, span


@pytest.mark.parametrize(
    ("fields", "unseen"),
    [
        ({"trace_state": "ot=th:8"}, 1),  # a half was kept
        ({"trace_state": "vendor=x,ot=rv:abcdef;th:c"}, 3),
        ({"trace_state": "ot=th:0"}, 0),
        ({"trace_state": "ot=th:fd70a3d70a3d7"}, 99),
        ({"trace_state": "other=th:8"}, 0),
        ({"attributes": {**GPT, "sampling.probability": 0.1}}, 9),
        ({"attributes": {**GPT, "SampleRate": 20}}, 19),
        ({"attributes": {**GPT, "sampler.param": 1}}, 0),
        ({"attributes": {**GPT, "farebox.sampled": True}}, 1),
    ],
)
def test_a_sampled_call_says_how_many_it_stands_for(fields: dict[str, object], unseen: int) -> None:
    found = read(as_json(span("a", **fields)))
    assert counted(found).get("unseen_calls", 0) == unseen
    losses = [each for each in events(found) if each.get("type") == "loss"]
    assert [(each["exchanges"], each["reason"]) for each in losses] == (
        [(unseen, "sampled")] if unseen else []
    )


def test_a_resource_may_say_that_its_traces_are_sampled() -> None:
    found = read(as_json(span("a"), resource={"farebox.sampled": "true"}))
    assert counted(found)["sampled_calls"] == 1


def test_a_request_sent_twice_leaves_out_the_same_calls_once() -> None:
    body = as_json(*(span(f"s{number}", trace_state="ot=th:8") for number in range(5)))
    first, second = (
        [each["id"] for each in events(read(body)) if each.get("type") == "loss"] for _ in range(2)
    )
    assert first == second
    assert len(first) == 1


def test_logs_of_agents_are_never_sampled() -> None:
    record = {
        "event": "claude_code.api_request",
        "attributes": {"model": "claude-sonnet-4-5", "input_tokens": "5", "output_tokens": "1"},
    }
    assert counted(read(as_json_logs(record), signal="logs")) == {"calls": 1}
