"""Which sides of an answer without its usage are worth an estimate."""

from __future__ import annotations

import json

import pytest

from farebox import catalog
from farebox.wire.meter import Meter

CATALOG = catalog.load()
JSON = ((b"content-type", b"application/json"),)


@pytest.mark.parametrize(
    ("provider", "path", "body", "lacks"),
    [
        ("openai", "/v1/chat/completions", {"id": "x", "choices": []}, ("input", "output")),
        ("openai", "/v1/embeddings", {"data": []}, ("input",)),
        ("google", "/v1beta/models/m:embedContent", {"embedding": {}}, ("input",)),
        # Zeros are left out: a prompt that was blocked used nothing.
        ("google", "/v1beta/models/m:generateContent", {"usageMetadata": {"trafficType": "ON_DEMAND"}}, ()),
        # The bytes of a picture say nothing about tokens.
        ("openai", "/v1/images/generations", {"data": [{"b64_json": "aaaa"}]}, ()),
        ("openai", "/v1/chat/completions", {"usage": {"prompt_tokens": 5}}, ("output",)),
        ("openai", "/v1/chat/completions", {"usage": {"prompt_tokens": 0, "completion_tokens": 0}}, ()),
        ("openai", "/v1/moderations", {"results": []}, ()),
    ],
)
def test_what_is_charged_and_not_stated_lacks(
    provider: str, path: str, body: dict[str, object], lacks: tuple[str, ...]
) -> None:
    found = CATALOG.provider(provider)
    assert found is not None
    meter = Meter(found.endpoint("POST", path), path, "", [])
    meter.request_body(b'{"model":"m"}')
    meter.request_end()
    meter.response_head(200, JSON)
    meter.response_body(json.dumps(body).encode())
    assert meter.finish("completed").lacks == lacks


def test_a_stream_that_broke_off_may_have_more_output_than_it_said() -> None:
    found = CATALOG.provider("anthropic")
    assert found is not None
    meter = Meter(found.endpoint("POST", "/v1/messages"), "/v1/messages", "", [])
    meter.request_body(b'{"model":"m","stream":true}')
    meter.request_end()
    meter.response_head(200, ((b"content-type", b"text/event-stream"),))
    usage = {"input_tokens": 9, "output_tokens": 1}
    start = {"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": usage}}
    meter.response_body(b"event: message_start\ndata: " + json.dumps(start).encode() + b"\n\n")
    ended = meter.finish("client_disconnected")
    assert (ended.completeness, ended.lacks) == ("partial", ("more_output",))
    assert ended.parts[0].quantities == {"input_uncached": 9, "output_text": 1}
