"""Whatever bytes come, the meter answers, stays small and never raises."""

from __future__ import annotations

import gzip
import json
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire import frames

from farebox import catalog
from farebox.wire.facts import Extraction
from farebox.wire.meter import Meter

CATALOG = catalog.load()
JSON = ((b"content-type", b"application/json"),)
SSE = ((b"content-type", b"text/event-stream"),)
CHUNK = b'data: {"id":"c1","model":"m","choices":[{"delta":{"content":"hi"}}]}\n\n'
USAGE = b'data: {"id":"c1","model":"m","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}\n\n'


def meter(provider: str = "openai", path: str = "/v1/chat/completions", method: str = "POST") -> Meter:
    found = CATALOG.provider(provider)
    assert found is not None
    started = Meter(found.endpoint(method, path), path, "", [])
    started.request_body(b'{"model":"asked"}')
    started.request_end()
    return started


def answer(
    body: bytes,
    headers: tuple[tuple[bytes, bytes], ...] = JSON,
    *,
    status: int = 200,
    outcome: str = "completed",
) -> Extraction:
    started = meter()
    started.response_head(status, headers)
    for start in range(0, len(body), 60_000):
        started.response_body(body[start : start + 60_000])
    return started.finish(outcome)


def said(extraction: Extraction) -> tuple[str, str | None]:
    return extraction.completeness, extraction.reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty_response"),
        (b"{", "body_incomplete"),
        (b'{"usage":', "body_incomplete"),
        (b"[" * 10_000 + b"]" * 10_000, "no_usage_in_response"),
        (b'{"usage":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "nested_too_deep"),
        (b'{"x":"' + b"a" * 200_000 + b'","usage":' + b"[" * 10_000, "nested_too_deep"),
        (b'{"usage":{"prompt_tokens":NaN}}', "no_usage_in_response"),
        (b"\xff\xfe\x00garbage", "no_usage_in_response"),
        (b"<html>busy</html>", "no_usage_in_response"),
        (b'{"id":"x","choices":[]}', "no_usage_in_response"),
        (b'{"id":"x","usage":"many"}', "no_usage_in_response"),
        (b'{"id":"x","usage":[]}', "no_usage_in_response"),
    ],
)
def test_a_body_that_cannot_be_read_says_why(body: bytes, reason: str) -> None:
    extraction = answer(body)
    assert said(extraction) == ("none", reason)
    assert extraction.request_model == "asked"
    assert not any(part.quantities for part in extraction.parts)


def test_invalid_utf8_in_the_text_does_not_hide_the_usage() -> None:
    body = b'{"id":"x","model":"m","choices":["\xff\xfe"],"usage":{"prompt_tokens":7,"completion_tokens":3}}'
    assert answer(body).parts[0].quantities == {"input_uncached": 7, "output_text": 3}


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503, 529])
def test_an_error_answer_costs_nothing(status: int) -> None:
    extraction = answer(b'{"error":{"type":"t","message":"secret prompt"}}', status=status)
    assert (extraction.billable, extraction.not_billable_because) == (False, "error_response")
    assert extraction.error_code == "t"
    assert "secret" not in repr(extraction)


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
def test_a_redirect_costs_nothing(status: int) -> None:
    extraction = answer(b"", status=status)
    assert (extraction.billable, extraction.not_billable_because) == (False, "redirect")


def test_a_large_body_is_measured_in_little_memory() -> None:
    started = meter("openai", "/v1/images/generations")
    started.response_head(200, JSON)
    tracemalloc.start()
    started.response_body(b'{"data":[{"b64_json":"')
    piece = b"A" * 65536
    for _ in range(200 * 16):
        started.response_body(piece)
    started.response_body(b'"}],"usage":{"input_tokens":5,"output_tokens":9}}')
    extraction = started.finish("completed")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert extraction.parts[0].quantities == {"input_uncached": 5, "output_image": 9}
    assert peak < 2 << 20


@pytest.mark.parametrize(
    "piece",
    [CHUNK * 100, b": ping\n\n" * 100, b"data: " + b"x" * 5000, b"\r\n" * 5000, b"\r" * 1000, b"a" * 9000],
)
def test_an_endless_stream_is_measured_in_little_memory(piece: bytes) -> None:
    started = meter()
    started.response_head(200, SSE)
    started.response_body(CHUNK)
    tracemalloc.start()
    for _ in range(3000):
        started.response_body(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
    extraction = started.finish("client_disconnected")
    assert said(extraction) == ("none", "client_disconnected")
    assert extraction.response_model == "m"


@pytest.mark.parametrize(
    "event", [b"data: " + b"y" * (5 << 20), b": " + b"y" * (5 << 20), b": ping\n" * 200_000]
)
def test_a_large_event_without_json_does_not_hide_what_follows(event: bytes) -> None:
    extraction = answer(CHUNK + event + b"\n\n" + USAGE + b"data: [DONE]\n\n", SSE)
    assert extraction.parts[0].quantities == {"input_uncached": 7, "output_text": 3}
    assert said(extraction) == ("final", None)


def test_a_large_event_is_cut_down_and_read() -> None:
    image = json.dumps({"type": "image_generation.completed", "b64_json": "A" * 3_000_000}).encode()[:-1]
    started = meter("openai", "/v1/images/generations")
    started.response_head(200, SSE)
    body = b"data: " + image + b',"usage":{"input_tokens":5,"output_tokens":9}}\n\n'
    for start in range(0, len(body), 60_000):
        started.response_body(body[start : start + 60_000])
    assert started.finish("completed").parts[0].quantities == {"input_uncached": 5, "output_image": 9}


def test_a_bomb_is_stopped_and_said_so() -> None:
    bomb = gzip.compress(b'{"x":"' + b"\0" * (80 << 20))
    extraction = answer(bomb, (*JSON, (b"content-encoding", b"gzip")))
    assert said(extraction) == ("none", "decoded_body_too_large")


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"zstd", b"deflate"])
def test_a_broken_encoding_is_said_so(encoding: bytes) -> None:
    extraction = answer(b"\x01\x02 not encoded at all" * 20, (*JSON, (b"content-encoding", encoding)))
    assert said(extraction) == ("none", "content_encoding_broken")


def test_an_encoding_nobody_knows_is_said_so() -> None:
    extraction = answer(b"???", (*JSON, (b"content-encoding", b"rot13")))
    assert said(extraction) == ("none", "content_encoding:rot13")


def test_a_stream_may_be_encoded() -> None:
    extraction = answer(gzip.compress(CHUNK + USAGE), (*SSE, (b"content-encoding", b"gzip")))
    assert extraction.parts[0].quantities == {"input_uncached": 7, "output_text": 3}


@pytest.mark.parametrize("outcome", ["client_disconnected", "upstream_failed", "timed_out"])
def test_a_stream_that_breaks_off_keeps_what_it_told(outcome: str) -> None:
    assert said(answer(CHUNK, SSE, outcome=outcome)) == ("none", outcome)
    assert said(answer(CHUNK + USAGE + b"data: [DONE]\n\n", SSE, outcome=outcome)) == ("final", None)


@pytest.mark.parametrize("lines", [10, 3000])
def test_lines_without_a_content_type_are_read_as_lines(lines: int) -> None:
    started = meter("ollama", "/api/chat")
    started.response_head(200, ())
    line = b'{"model":"llama","message":{"content":"hello there"},"done":false}\n'
    body = line * lines + b'{"model":"llama","done":true,"prompt_eval_count":4,"eval_count":9}\n'
    for start in range(0, len(body), 5000):
        started.response_body(body[start : start + 5000])
    extraction = started.finish("completed")
    assert extraction.parts[0].quantities == {"input_uncached": 4, "output_text": 9}
    assert (extraction.completeness, extraction.streamed) == ("final", True)


def test_a_snapshot_knows_what_has_arrived_and_disturbs_nothing() -> None:
    started = meter("anthropic", "/v1/messages")
    started.response_head(200, SSE)
    start = b'data: {"type":"message_start","message":{"id":"m1","model":"c","usage":{"input_tokens":9}}}\n\n'
    started.response_body(start + b'data: {"type":"message_del')
    early = started.snapshot()
    assert (early.completeness, early.response_id) == ("partial", "m1")
    assert early.parts[0].quantities == {"input_uncached": 9}
    started.response_body(b'ta","usage":{"output_tokens":4}}\n\ndata: {"type":"message_stop"}\n\n')
    final = started.finish("completed")
    assert final.completeness == "final"
    assert final.parts[0].quantities == {"input_uncached": 9, "output_text": 4}


def test_a_stream_of_text_in_pieces_of_an_event_stream_is_read_as_it_comes() -> None:
    """SageMaker wraps the pieces of what a container streams, wherever they were cut."""
    started = meter("sagemaker", "/endpoints/e/invocations-response-stream")
    started.response_head(200, ((b"content-type", b"application/vnd.amazon.eventstream"),))
    started.response_body(frames.event("PayloadPart", CHUNK + USAGE[:30]))
    assert started.snapshot().completeness == "none"
    started.response_body(frames.event("PayloadPart", USAGE[30:]))
    assert said(started.snapshot()) == ("partial", "in_progress")
    started.response_body(frames.event("PayloadPart", b"data: [DONE]\n\n"))
    final = started.finish("completed")
    assert said(final) == ("final", None)
    assert final.parts[0].quantities == {"input_uncached": 7, "output_text": 3}


def test_only_the_events_that_matter_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    from farebox.wire.usage.json_reader import Reader

    decoded: list[bytes] = []
    read = Reader.read
    monkeypatch.setattr(Reader, "read", lambda self, text: decoded.append(text) or read(self, text))  # type: ignore[func-returns-value]
    quiet = CHUNK.replace(b"}]}", b'}],"usage":null}')
    answer(quiet * 300 + USAGE + b"data: [DONE]\n\n", SSE)
    assert len(decoded) == 2  # the first one, which names the model, and the one with usage


def test_a_mistake_of_ours_never_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    from farebox.wire.framing.events import EventScanner

    def broken(self: EventScanner, data: bytes) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(EventScanner, "feed", broken)
    assert said(answer(CHUNK + USAGE, SSE)) == ("none", "meter_failed:ZeroDivisionError")


def test_prompts_and_answers_are_not_in_the_result() -> None:
    canary = "canary-7f3a"
    deep = {"inputTextTokenCount": 4, "results": [{"tokenCount": 5, "outputText": canary}]}
    details = {"generated_tokens": 5, "tokens": [canary]}
    for provider, path, body in (
        (
            "openai",
            "/v1/responses",
            {"output": [{"content": canary}], "usage": {"input_tokens": 3, "output_tokens": 2}},
        ),
        ("ollama", "/api/chat", {"message": {"content": canary}, "eval_count": 3, "prompt_eval_count": 1}),
        (
            "watsonx",
            "/ml/v1/text/generation",
            {"results": [{"text": canary, "input_token_count": 3, "generated_token_count": 1}]},
        ),
        ("bedrock", "/model/m/invoke", deep),
        ("huggingface", "/", [{"generated_text": canary, "details": details}]),
    ):
        started = meter(provider, path)
        started.response_head(200, ((b"content-type", b"application/json"), (b"x-prompt-tokens", b"3")))
        started.response_body(json.dumps(body).encode())
        extraction = started.finish("completed")
        assert canary not in repr(extraction)
        assert extraction.completeness == "final"


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=3000),
    st.sampled_from((*JSON, *SSE, (b"content-type", b"application/x-ndjson"), (b"x", b"y"))),
    st.sampled_from((b"", b"gzip", b"br", b"zstd", b"deflate")),
    st.sampled_from((0, 200, 204, 304, 400)),
    st.sampled_from(sorted(CATALOG.providers)),
    st.randoms(use_true_random=False),
)
def test_any_bytes_at_all_have_a_result(
    body: bytes, kind: tuple[bytes, bytes], encoding: bytes, status: int, name: str, rng: random.Random
) -> None:
    provider = CATALOG.providers[name]
    entry = rng.choice(provider.endpoints)
    path = entry.path.replace("/**", "").replace("{model}", "m")
    started = Meter(provider.endpoint(entry.method, path), path, "model=x", [kind])
    started.request_body(body)
    started.request_end()
    started.response_head(status, (kind, (b"content-encoding", encoding)))
    started.response_body(body[:100])
    started.snapshot()
    started.response_body(body[100:])
    extraction = started.finish(rng.choice(("completed", "client_disconnected", "refused")))
    assert "meter_failed" not in (extraction.reason or "")
