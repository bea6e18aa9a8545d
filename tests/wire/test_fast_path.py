"""A whole response read in one step says what the meter says, or nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.catalog.fixtures import FILES, NAMES, meter, read

from farebox import catalog
from farebox.wire.facts import Extraction
from farebox.wire.fast_path.whole_response import FastPath, fast_path_for, reader_for
from farebox.wire.meter import Meter
from farebox.wire.usage.compiled_format import plan_for

CATALOG = catalog.load()
USAGE: dict[str, Any] = {
    "prompt_tokens": 19,
    "completion_tokens": 210,
    "total_tokens": 229,
    "prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 7, "accepted_prediction_tokens": 0},
}
RESPONSE: dict[str, Any] = {
    "id": "c1",
    "model": "m-1",
    "choices": [],
    "usage": USAGE,
    "service_tier": "default",
}


_VALUES: tuple[Any, ...] = (0, 1, 5, 19, 229, 2**63 - 1, 2**63, 2**70, -1, 1.5, None, True, "7", [], {})


CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
REQUEST = b'{"model":"asked"}'
JSON = ((b"content-type", b"application/json"),)


def fast_path(path: str) -> FastPath:
    provider = CATALOG.provider("openai")
    assert provider is not None
    found = fast_path_for(provider.endpoint("POST", path), path, "", [])
    assert found is not None
    return found


def read_in_one_step(text: bytes, path: str = CHAT) -> Extraction | None:
    reader = fast_path(path)
    facts = reader.request(REQUEST)
    assert facts is not None
    return reader.response(text, facts)


def metered(text: bytes, path: str = CHAT) -> Extraction:
    provider = CATALOG.provider("openai")
    assert provider is not None
    started = Meter(provider.endpoint("POST", path), path, "", [])
    started.request_body(REQUEST)
    started.request_end()
    started.response_head(200, JSON)
    started.response_body(text)
    return started.finish("completed")


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_what_is_read_of_a_fixture_in_one_step_is_what_the_meter_reads(file: Any) -> None:
    fixture = read(file)
    provider = CATALOG.provider(fixture.provider)
    assert provider is not None
    path, _, query = fixture.path.partition("?")
    headers = [(b"content-type", fixture.request_type.encode())]
    found = fast_path_for(provider.endpoint(fixture.method, path), path, query, headers)
    if fixture.messages or fixture.status != 200 or found is None:
        return  # these never come to the fast path
    facts = found.request(fixture.request)
    if facts is not None:
        whole = meter(fixture, [fixture.body])
        for _ in range(2):
            assert found.response(fixture.body, facts) in (None, whole)


def test_an_everyday_response_is_read_in_one_step() -> None:
    text = json.dumps(RESPONSE).encode()
    whole = metered(text)  # the meter learns the outline of a usage object, the fast path follows it
    assert read_in_one_step(text) == whole
    other = {**USAGE, "prompt_tokens": 4000, "total_tokens": 4210}
    found = read_in_one_step(json.dumps({**RESPONSE, "usage": other}).encode())
    assert found is not None
    assert found.parts[0].quantities["input_uncached"] == 3995


_NUMBERS = st.sampled_from(_VALUES)
_KEYS = st.sampled_from((*USAGE, "prompt_tokens1", "total_token2s", "cost", "num_cached_tokens", "odd"))
_DETAIL_KEYS = st.sampled_from(("cached_tokens", "cached_tokens2", "audio_tokens", "odd", "text_tokens"))
_TOP = st.dictionaries(
    st.sampled_from(("id", "model", "error", "service_tier", "x_groq", "output")), _NUMBERS
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(_KEYS, _NUMBERS), st.dictionaries(_DETAIL_KEYS, _NUMBERS), _TOP, st.booleans())
def test_an_odd_response_is_read_as_the_meter_reads_it_or_left_to_it(
    usage: dict[str, Any], details: dict[str, Any], top: dict[str, Any], fresh: bool
) -> None:
    changed = {**USAGE, **usage, "prompt_tokens_details": {**USAGE["prompt_tokens_details"], **details}}
    text = json.dumps({**RESPONSE, "usage": changed, **top}).encode()
    path = RESPONSES if fresh else CHAT
    whole = metered(text, path)
    for _ in range(2):
        assert read_in_one_step(text, path) in (None, whole)


def test_a_charged_tool_is_left_to_the_meter() -> None:
    call = {"type": "web_search_call", "action": {"type": "search"}}
    body = {**RESPONSE, "usage": {"input_tokens": 5, "output_tokens": 3}, "output": [call, call]}
    text = json.dumps({**body, "output": []}).encode()
    plain = metered(text, RESPONSES)
    assert read_in_one_step(text, RESPONSES) == plain and "calls_web_search" not in plain.parts[0].quantities
    assert read_in_one_step(json.dumps(body).encode(), RESPONSES) is None
    assert metered(json.dumps(body).encode(), RESPONSES).parts[0].quantities["calls_web_search"] == 2


def test_the_formats_of_most_calls_have_a_fast_path() -> None:
    for name in ("openai/chat", "openai/responses", "anthropic/messages", "google/generate", "mistral/chat"):
        provider = CATALOG.provider(name.partition("/")[0])
        assert provider is not None
        assert reader_for(plan_for(provider.formats[name])) is not None


def test_a_key_that_is_no_text_is_left_to_the_meter() -> None:
    text = json.dumps(RESPONSE).encode()
    whole = metered(text)
    assert read_in_one_step(text) == whole
    broken = text.replace(b'"prompt_tokens":', b'"prompt_\xfftokens":')
    assert read_in_one_step(broken) is None
    found = metered(broken)
    assert (found.completeness, found.reason) == ("partial", "unusable_quantity:prompt_tokens")
    assert found.parts[0].output_tokens == 210
