"""The bounds of an estimate contain what is charged, or say that nothing bounds it."""

from __future__ import annotations

import base64
import gzip
import json
import random

import brotli
import pytest
import zstandard

from farebox import catalog
from farebox.estimating import counting
from farebox.wire.facts import Extraction
from farebox.wire.meter import Meter
from farebox.wire.usage.estimate_sample import SAMPLE_BYTES, Side, Unmeasured

CATALOG = catalog.load()
TEXT = "Die Bahn faehrt heute nicht, weil der Schaffner verschlafen hat. " * 200
CHAT = json.dumps(
    {"model": "gpt-4o", "messages": [{"role": "user", "content": TEXT}], "stream": True}
).encode()
CHUNK = b'data: {"id":"c1","model":"gpt-4o","choices":[{"delta":{"content":"hi"}}]}\n\n'


def broken_off(
    body: bytes, encoding: bytes = b"", stream: bytes = CHUNK, outcome: str = "client_disconnected"
) -> tuple[Extraction, Unmeasured]:
    found = CATALOG.provider("openai")
    assert found is not None
    headers = [
        (b"content-type", b"application/json"),
        *([(b"content-encoding", encoding)] if encoding else []),
    ]
    meter = Meter(found.endpoint("POST", "/v1/chat/completions"), "/v1/chat/completions", "", headers)
    for start in range(0, len(body), 1_000):
        meter.request_body(body[start : start + 1_000])
    meter.request_end()
    meter.response_head(200, [(b"content-type", b"text/event-stream")])
    meter.response_body(stream)
    extraction = meter.finish(outcome)
    return extraction, meter.unmeasured(extraction, b"e" * 16, "p", len(body))


PLAIN = counting.count(broken_off(CHAT)[1])


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (b"zstd", zstandard.compress(CHAT)),
        (b"gzip", gzip.compress(CHAT)),
        (b"br", brotli.compress(CHAT)),
        (b"gzip, zstd", zstandard.compress(gzip.compress(CHAT))),
    ],
)
def test_a_compressed_request_is_estimated_like_the_same_one_as_it_is(encoding: bytes, body: bytes) -> None:
    extraction, unmeasured = broken_off(body, encoding)
    assert extraction.request_model == "gpt-4o"
    assert extraction.lacks == ("input", "output")
    assert "input_encoded" in extraction.flags, "what its bytes say of its tokens is not bounded"
    assert counting.count(unmeasured) == PLAIN


@pytest.mark.parametrize("encoding", [b"aes128gcm", b"zstd"])
def test_a_request_that_cannot_be_decoded_has_no_bounds_by_its_bytes(encoding: bytes) -> None:
    extraction, unmeasured = broken_off(b"\x9c\x01 no text at all" * 9, encoding)
    assert "input_encoded" in extraction.flags
    assert counting.count(unmeasured).input is None


@pytest.mark.parametrize(
    "more",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": {"id": "conv_1"}},
        {"prompt": {"id": "pmpt_1"}},
        {"messages": [{"content": [{"type": "image_url", "image_url": {"url": "https://host.test/a.png"}}]}]},
        {"input": [{"content": [{"type": "input_image", "image_url": "https://host.test/a.png"}]}]},
        {"input": [{"content": [{"type": "input_file", "file_id": "file-1"}]}]},
        {"contents": [{"parts": [{"fileData": {"fileUri": "gs://bucket/film.mp4"}}]}]},
        {"cachedContent": "cachedContents/1"},
    ],
)
def test_what_a_request_only_refers_to_is_not_bounded_by_it(more: dict[str, object]) -> None:
    found = counting.count(broken_off(json.dumps({"model": "gpt-4o"} | more).encode())[1])
    assert found.input is not None
    assert found.input[2] is None


def test_a_picture_in_a_request_or_an_answer_is_within_the_bounds() -> None:
    picture = base64.b64encode(random.Random(1).randbytes(90_000)).decode()
    body = json.dumps({"model": "gpt-4o", "messages": [{"content": [{"image": picture}]}]}).encode()
    stream = b'data: {"id":"c1","model":"gpt-4o","picture":"' + picture.encode() + b'"'
    found = counting.count(broken_off(body, stream=stream)[1])
    for side in (found.input, found.output):
        assert side is not None
        assert side[2] is not None
        assert side[0] <= 1_500 <= side[2]


def test_what_was_not_kept_may_be_a_token_for_each_byte() -> None:
    kept = json.dumps({"messages": [{"role": "user", "content": " " * SAMPLE_BYTES}]}).encode()[:SAMPLE_BYTES]
    request = Side(kept, 3 * SAMPLE_BYTES)
    found = counting.count(
        Unmeasured(
            event_id=b"", source="", model="claude", lacks=("input",), request=request, response=Side()
        )
    )
    assert found.input is not None
    assert found.input[2] is not None
    assert found.input[2] >= 2 * SAMPLE_BYTES


USAGE = b'"usage":{"prompt_tokens":7,"completion_tokens":58,"total_tokens":65}'
LONG = b'data: {"id":"c1","model":"m","choices":[{"delta":{"content":"' + b"word " * 400 + b'"}}]}\n\n'


@pytest.mark.parametrize(
    "end",
    [
        b'data: {"error":{"code":"overloaded"},' + USAGE + b"}\n\n",
        b'data: {"choices":[],' + USAGE + b'}\n\ndata: {"error":{"code":"overloaded"}}\n\n',
        b'data: {"error":{"code":"overloaded"}}\n\ndata: {"choices":[],' + USAGE + b"}\n\n",
    ],
)
def test_usage_stated_beside_an_error_is_not_estimated_over(end: bytes) -> None:
    extraction, _ = broken_off(CHAT, stream=LONG + end, outcome="completed")
    assert (extraction.completeness, extraction.reason) == ("partial", "error_in_stream")
    assert extraction.parts[0].quantities == {"input_uncached": 7, "output_text": 58}
    assert extraction.lacks == ()


def test_what_a_stream_began_with_is_not_its_whole_output() -> None:
    found = CATALOG.provider("anthropic")
    assert found is not None
    meter = Meter(found.endpoint("POST", "/v1/messages"), "/v1/messages", "", [])
    meter.request_body(b'{"model":"claude-sonnet-4-5","stream":true}')
    meter.request_end()
    meter.response_head(200, [(b"content-type", b"text/event-stream")])
    usage = b'{"input_tokens":9,"output_tokens":1}'
    meter.response_body(b'data: {"type":"message_start","message":{"id":"m","usage":' + usage + b"}}\n\n")
    meter.response_body(b'data: {"type":"error","error":{"type":"overloaded_error"}}\n\n')
    assert meter.finish("completed").lacks == ("more_output",)


def test_a_stated_output_stands_where_only_the_input_is_missing() -> None:
    found = CATALOG.provider("ollama")
    assert found is not None
    meter = Meter(found.endpoint("POST", "/api/chat"), "/api/chat", "", [])
    meter.request_body(b'{"model":"qwen3:8b"}')
    meter.request_end()
    meter.response_head(200, [(b"content-type", b"application/x-ndjson")])
    meter.response_body(b'{"model":"q","message":{"content":"' + b"word " * 90 + b'"},"done":false}\n')
    meter.response_body(b'{"model":"q","message":{"content":""},"done":true,"eval_count":58}\n')
    extraction = meter.finish("completed")
    assert (extraction.completeness, extraction.lacks) == ("partial", ("input",))
    assert extraction.parts[0].quantities == {"output_text": 58}


@pytest.mark.parametrize(
    ("encoding", "body"),
    [(b"dcb", b"\x01\x02" * 99), (b"gzip", b"no gzip at all"), (b"gzip", gzip.compress(b"A" * (70 << 20)))],
)
def test_a_response_that_cannot_be_decoded_is_not_estimated_by_what_was_seen(
    encoding: bytes, body: bytes
) -> None:
    found = CATALOG.provider("openai")
    assert found is not None
    meter = Meter(found.endpoint("POST", "/v1/chat/completions"), "/v1/chat/completions", "", [])
    meter.request_body(CHAT)
    meter.request_end()
    meter.response_head(200, [(b"content-type", b"application/json"), (b"content-encoding", encoding)])
    meter.response_body(body)
    extraction = meter.finish("completed")
    assert extraction.completeness == "none"
    assert "output_encoded" in extraction.flags
    assert counting.count(meter.unmeasured(extraction, b"e" * 16, "p", len(CHAT))).output is None
