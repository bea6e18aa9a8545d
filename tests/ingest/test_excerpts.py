"""Events whose usage the collector reads itself, from what an SDK left of request and response."""

from __future__ import annotations

import json
from typing import Any

import pytest

from farebox.catalog import load
from farebox.ingest.event_reading import EventReader
from farebox.ingest.limits import IngestLimits
from farebox.ingest.trust import Sender
from farebox.journal.records import Done, decode_done
from farebox.recording.invalid_event import EventInvalidError

NOW = 1_790_000_000_000_000_000
READER = EventReader(load(), IngestLimits(), b"s" * 32)
CHAT: dict[str, Any] = {
    "id": "e-1",
    "provider": "openai",
    "path": "/v1/chat/completions",
    "host": "api.openai.com",
    "status": 200,
}
JSON = {"content-type": "application/json", "x-request-id": "req_1"}
EVENTS = {"content-type": "text/event-stream"}


def read(event: dict[str, Any]) -> Done:
    return decode_done(READER.read(json.dumps(event).encode(), Sender("tok"), NOW).record)


def chat(**excerpt: Any) -> dict[str, Any]:
    return {**CHAT, "excerpt": excerpt}


def test_an_excerpt_is_read_as_the_proxy_reads_the_call() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 60}}
    body = {"id": "chatcmpl-1", "model": "gpt-4o-2024-08-06", "service_tier": "flex", "usage": usage}
    asked = {"model": "gpt-4o", "max_tokens": 50}
    done = read(chat(request=json.dumps(asked), headers=JSON, response=json.dumps(body)))
    found = done.extraction
    assert found.parts[0].quantities == {"input_uncached": 40, "cache_read": 60, "output_text": 20}
    assert found.parts[0].facts == {"service_tier": "flex"}
    assert (found.request_model, found.response_model) == ("gpt-4o", "gpt-4o-2024-08-06")
    assert (found.response_id, found.completeness, found.streamed) == ("chatcmpl-1", "final", False)
    assert (done.surface, done.max_tokens, done.request_id) == ("openai.chat", 50, "req_1")


def test_a_stream_without_usage_is_unknown_and_says_which_sides_it_lacks() -> None:
    stream = 'data: {"id":"c","model":"gpt-4o","choices":[{"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    found = read(chat(request='{"model":"gpt-4o","stream":true}', headers=EVENTS, response=stream)).extraction
    assert (found.completeness, found.lacks, found.streamed) == ("none", ("input", "output"), True)


def test_a_stream_that_broke_off_is_a_lower_bound() -> None:
    stream = (
        'data: {"type":"message_start","message":{"id":"m","model":"claude-sonnet-4-5","usage":'
        '{"input_tokens":10,"output_tokens":1}}}\n\n'
    )
    event = {**CHAT, "provider": "anthropic", "path": "/v1/messages", "outcome": "client_disconnected"}
    found = read({**event, "excerpt": {"headers": EVENTS, "response": stream}}).extraction
    assert (found.completeness, found.reason) == ("partial", "client_disconnected")
    assert found.parts[0].quantities["input_uncached"] == 10


def test_a_text_that_is_charged_by_its_length_is_never_sent() -> None:
    speech = {**CHAT, "path": "/v1/audio/speech"}
    asked = '{"model":"tts-1","input":{"@length":120}}'
    excerpt = {"request": asked, "headers": {"content-type": "audio/mpeg"}}
    found = read({**speech, "excerpt": excerpt}).extraction
    assert found.parts[0].quantities == {"input_characters": 120}


def test_an_error_costs_nothing_and_keeps_its_code() -> None:
    body = '{"error":{"code":"rate_limit_exceeded"}}'
    done = read({**chat(headers=JSON, response=body), "status": 429})
    assert (done.extraction.billable, done.extraction.error_code) == (False, "rate_limit_exceeded")
    assert done.error_class == "rate_limited"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"usage": {"input_uncached": 1}, "model": "m"}, "usage"),
        ({"completeness": "final"}, "completeness"),
        ({"excerpt": {"response_base64": "?"}}, "excerpt.response_base64"),
        ({"excerpt": {"words": "secret"}}, "excerpt.words"),
        ({"type": "outcome", "name": "n", "provider": None, "path": ""}, "excerpt"),
    ],
)
def test_an_excerpt_that_makes_no_sense_is_refused_by_its_field(more: dict[str, Any], field: str) -> None:
    with pytest.raises(EventInvalidError) as refused:
        read({**chat(headers=JSON, response="{}"), **more})
    assert refused.value.field == field


def test_what_never_reached_its_provider_costs_nothing_and_lacks_nothing() -> None:
    failed = {**CHAT, "status": 0, "outcome": "upstream_failed", "error_class": "connect_failed"}
    done = read({**failed, "billable": False, "excerpt": {"request": '{"model":"gpt-4o"}'}})
    found = done.extraction
    assert (found.billable, found.not_billable_because, found.lacks) == (False, "not_sent", ())
    assert (found.request_model, done.error_class) == ("gpt-4o", "connect_failed")
