"""An everyday answer read at a glance says what the general reading says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.catalog.fixtures import FILES, NAMES, meter, read

from farebox import catalog
from farebox.wire import bodies
from farebox.wire import meter as meters
from farebox.wire.facts import Extraction
from farebox.wire.glance import glance_for
from farebox.wire.meter import Meter
from farebox.wire.plan import plan_for

CATALOG = catalog.load()
USAGE: dict[str, Any] = {
    "prompt_tokens": 19,
    "completion_tokens": 210,
    "total_tokens": 229,
    "prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 7, "accepted_prediction_tokens": 0},
}
ANSWER: dict[str, Any] = {
    "id": "c1",
    "model": "m-1",
    "choices": [],
    "usage": USAGE,
    "service_tier": "default",
}


_VALUES: tuple[Any, ...] = (0, 1, 5, 19, 229, 2**63 - 1, 2**63, 2**70, -1, 1.5, None, True, "7", [], {})


def answer(body: dict[str, Any], path: str = "/v1/chat/completions") -> Extraction:
    provider = CATALOG.provider("openai")
    assert provider is not None
    started = Meter(provider.endpoint("POST", path), path, "", [])
    started.request_body(b'{"model":"asked"}')
    started.request_end()
    started.response_head(200, ((b"content-type", b"application/json"),))
    started.response_body(json.dumps(body).encode())
    return started.finish("completed")


def _never(plan: object) -> None:
    """Stand in for `glance_for`: no format has everyday answers."""


def read_properly(body: dict[str, Any], path: str = "/v1/chat/completions") -> Extraction:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meters, "glance_for", _never)
        return answer(body, path)


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_both_readings_of_a_fixture_agree(file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fixture = read(file)
    first, again = meter(fixture, [fixture.body]), meter(fixture, [fixture.body])
    monkeypatch.setattr(meters, "glance_for", _never)
    monkeypatch.setattr(bodies, "glance_for", _never)
    assert meter(fixture, [fixture.body]) == first == again


def stream(
    events: list[dict[str, Any]], outcome: str = "completed", *, ended: bool = True, looked_at: int = -1
) -> list[Extraction]:
    """Return what is known of a stream when event `looked_at` has come, when all have, and at last."""
    provider = CATALOG.provider("openai")
    assert provider is not None
    started = Meter(provider.endpoint("POST", "/v1/chat/completions"), "/v1/chat/completions", "", [])
    started.request_body(b'{"model":"asked","stream":true}')
    started.request_end()
    started.response_head(200, ((b"content-type", b"text/event-stream"),))
    found: list[Extraction] = []
    for number, event in enumerate(events):
        started.response_body(b"data: " + json.dumps(event).encode() + b"\n\n")
        if number == looked_at:
            found.append(started.snapshot())
    started.response_body(b"data: [DONE]\n\n" if ended else b"data: {")
    if looked_at >= 0:
        found.append(started.snapshot())
    return [*found, started.finish(outcome)]


def stream_read_properly(
    events: list[dict[str, Any]], outcome: str = "completed", *, ended: bool = True, looked_at: int = -1
) -> list[Extraction]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "glance_for", _never)
        return stream(events, outcome, ended=ended, looked_at=looked_at)


EVENT: dict[str, Any] = {"id": "c1", "model": "m-1", "choices": [{"delta": {"content": "a"}}], "usage": None}
"""Of a stream that was asked for usage."""


def test_a_usual_stream_is_not_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [EVENT, EVENT, {**ANSWER, "choices": []}]
    expected = stream_read_properly(events)
    assert (expected[0].completeness, expected[0].streamed) == ("final", True)

    def gathered(*arguments: object, **more: object) -> Extraction:
        raise AssertionError("the general reading was asked")

    monkeypatch.setattr(meters, "extraction", gathered)
    assert stream(events) == expected


_TIER = st.fixed_dictionaries(
    {}, optional={"service_tier": st.sampled_from((None, "", "default", "flex", 3))}
)
_ODD = st.dictionaries(
    st.sampled_from(("id", "model", "error", "usage", "x_groq", "output", "type")),
    st.sampled_from((*_VALUES, {"prompt_tokens": 1}, {"code": "x"}, "m-2", "")),
)


@settings(max_examples=600, deadline=None)
@given(
    st.lists(st.tuples(_ODD, _TIER), min_size=0, max_size=3),
    st.tuples(_ODD, _TIER),
    st.lists(_ODD, max_size=1),
    st.sampled_from(("completed", "completed", "completed", "client_disconnected")),
    st.sampled_from((True, True, True, False)),
    st.sampled_from((-1, -1, 0, 1, 9)),
)
def test_both_readings_agree_on_odd_streams(
    before: list[tuple[dict[str, Any], dict[str, Any]]],
    last: tuple[dict[str, Any], dict[str, Any]],
    after: list[dict[str, Any]],
    outcome: str,
    ended: bool,
    looked_at: int,
) -> None:
    events = [{**EVENT, **odd, **tier} for odd, tier in before]
    events.append({**ANSWER, "service_tier": None, **last[0], **last[1]})
    events += [{**EVENT, **odd} for odd in after]
    for sent in (events, [EVENT, *events]):
        expected = stream_read_properly(sent, outcome, ended=ended, looked_at=looked_at)
        assert stream(sent, outcome, ended=ended, looked_at=looked_at) == expected


def test_an_everyday_answer_is_not_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = answer(ANSWER)

    def gathered(*arguments: object, **more: object) -> Extraction:
        raise AssertionError("the general reading was asked")

    monkeypatch.setattr(meters, "extraction", gathered)
    assert answer(ANSWER) == expected
    other = {**USAGE, "prompt_tokens": 4000, "total_tokens": 4210}
    assert answer({**ANSWER, "usage": other}).parts[0].quantities["input_uncached"] == 3995


_NUMBERS = st.sampled_from(_VALUES)
_KEYS = st.sampled_from((*USAGE, "prompt_tokens1", "total_token2s", "cost", "num_cached_tokens", "odd"))
_DETAIL_KEYS = st.sampled_from(("cached_tokens", "cached_tokens2", "audio_tokens", "odd", "text_tokens"))
_TOP = st.dictionaries(
    st.sampled_from(("id", "model", "error", "service_tier", "x_groq", "output")), _NUMBERS
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(_KEYS, _NUMBERS), st.dictionaries(_DETAIL_KEYS, _NUMBERS), _TOP, st.booleans())
def test_both_readings_agree_on_odd_answers(
    usage: dict[str, Any], details: dict[str, Any], top: dict[str, Any], fresh: bool
) -> None:
    changed = {**USAGE, **usage, "prompt_tokens_details": {**USAGE["prompt_tokens_details"], **details}}
    body = {**ANSWER, "usage": changed, **top}
    path = "/v1/responses" if fresh else "/v1/chat/completions"
    expected = read_properly(body, path)
    assert answer(body, path) == expected
    assert answer(body, path) == expected


def test_a_charged_tool_is_left_to_the_general_reading() -> None:
    call = {"type": "web_search_call", "action": {"type": "search"}}
    body = {**ANSWER, "usage": {"input_tokens": 5, "output_tokens": 3}, "output": [call, call]}
    for _ in range(3):
        assert answer(body, "/v1/responses").parts[0].quantities["calls_web_search"] == 2
        assert "calls_web_search" not in answer({**body, "output": []}, "/v1/responses").parts[0].quantities


def test_the_formats_of_most_calls_have_everyday_answers() -> None:
    for name in ("openai/chat", "openai/responses", "anthropic/messages", "google/generate", "mistral/chat"):
        provider = CATALOG.provider(name.partition("/")[0])
        assert provider is not None
        assert glance_for(plan_for(provider.formats[name])) is not None


def test_a_key_that_is_no_text_is_left_to_the_general_reading() -> None:
    for _ in range(3):
        assert answer(ANSWER).completeness == "final"
    provider = CATALOG.provider("openai")
    assert provider is not None
    broken = json.dumps(ANSWER).encode().replace(b'"prompt_tokens":', b'"prompt_\xfftokens":')
    started = Meter(provider.endpoint("POST", "/v1/chat/completions"), "/v1/chat/completions", "", [])
    started.request_body(b'{"model":"asked"}')
    started.request_end()
    started.response_head(200, ((b"content-type", b"application/json"),))
    started.response_body(broken)
    found = started.finish("completed")
    assert (found.completeness, found.reason) == ("partial", "unusable_quantity:prompt_tokens")
    assert found.parts[0].output_tokens == 210
