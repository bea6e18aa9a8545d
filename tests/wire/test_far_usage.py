"""Usage is found however much stands before, behind and between, and whatever nobody reads looks like."""

from __future__ import annotations

import json
import tracemalloc

import brotli
import pytest
import zstandard

from farebox import catalog
from farebox.wire.facts import Extraction
from farebox.wire.meter import Meter

CATALOG = catalog.load()
JSON, SSE = b"application/json", b"text/event-stream"
USAGE = {"prompt_tokens": 7, "completion_tokens": 3}
READ = {"input_uncached": 7, "output_text": 3}
CHAT = json.dumps({"id": "c1", "model": "m", "choices": [], "usage": USAGE}).encode()
CHUNK = b'data: {"id":"c1","model":"m","choices":[{"delta":{"content":"hi"}}]}\n\n'
END = b"data: " + CHAT + b"\n\ndata: [DONE]\n\n"
PIECE = 40_000


def measured(
    body: bytes,
    kind: bytes = JSON,
    *,
    provider: str = "openai",
    path: str = "/v1/chat/completions",
    encoding: bytes = b"",
    outcome: str = "completed",
    request: bytes = b'{"model":"asked"}',
    piece: int = PIECE,
) -> Extraction:
    found = CATALOG.provider(provider)
    assert found is not None
    meter = Meter(found.endpoint("POST", path), path, "", [])
    meter.request_body(request)
    meter.request_end()
    head = [(b"content-type", kind)]
    meter.response_head(200, [*head, (b"content-encoding", encoding)] if encoding else head)
    for start in range(0, len(body), piece):
        meter.response_body(body[start : start + piece])
    return meter.finish(outcome)


def check(found: Extraction, wanted: dict[str, int] = READ) -> None:
    assert (found.completeness, found.reason) == ("final", None)
    assert found.parts[0].quantities == wanted


@pytest.mark.parametrize(
    "blank", [b" " * 513, b"\n" * 600, b"\r\n" * 2_000_000, b"\xef\xbb\xbf" + b" " * 600]
)
@pytest.mark.parametrize("piece", [1, PIECE])
def test_any_amount_of_white_space_may_stand_before_a_body(blank: bytes, piece: int) -> None:
    if len(blank) < 10_000 or piece > 1:
        check(measured(blank + CHAT, piece=piece))
        check(measured(blank + CHUNK + END, SSE, piece=piece))


@pytest.mark.parametrize("blank", [b" " * 3_000_000, b"\n\t" * 500_000])
def test_any_amount_of_white_space_may_stand_in_and_behind_a_body(blank: bytes) -> None:
    text = blank.join(
        (b"{", b'"model"', b":", b'"m"', b",", b'"usage"', b":", b"{", b'"prompt_tokens"', b":")
    )
    text += blank.join((b"7", b",", b'"completion_tokens"', b":", b"3", b"}", b"}", b""))
    check(measured(text))
    check(measured(CHAT + blank))


@pytest.mark.parametrize(
    "before",
    [
        b": keep-alive\n\n" * 100_000,
        b"\n" * 1_000_000,
        b": keep-alive\n" * 100_000,
        b"\r\n" * 300_000,
        b"event: ping\ndata:\n\n" * 50_000,
    ],
    ids=["comments", "empty lines", "comments of one event", "CRLF", "events without data"],
)
def test_any_number_of_comments_may_stand_before_an_event(before: bytes) -> None:
    check(measured(before + CHUNK + before + END, SSE))


GENERATE = "/v1beta/models/gemini-3-pro-image:streamGenerateContent"
GEMINI_USAGE = {
    "promptTokenCount": 12,
    "candidatesTokenCount": 2000,
    "totalTokenCount": 2012,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 2000}],
}
PICTURE = {"content": {"parts": [{"inlineData": {"data": "A" * 9_000_000}}]}, "finishReason": "STOP"}
PAINTED = {"input_uncached": 12, "output_image": 2000, "output_text": 0}


@pytest.mark.parametrize("usage_first", [False, True])
@pytest.mark.parametrize(
    "framing", ["event", "events in CRLF", "lines of an event", "list", "document", "line"]
)
def test_usage_beside_nine_megabytes_in_one_event_is_read(framing: str, usage_first: bool) -> None:
    body: dict[str, object] = {"candidates": [PICTURE], "usageMetadata": GEMINI_USAGE}
    text = json.dumps(dict(reversed(body.items())) if usage_first else body).encode()
    stream, kind = {
        "event": (b"data: " + text + b"\n\n", SSE),
        "events in CRLF": (b": x\r\ndata: " + text + b"\r\n\r\n: y\r\n\r\n", SSE),
        "lines of an event": (b"data: " + text.replace(b", ", b",\r\ndata: ") + b"\r\n\r\n", SSE),
        "list": (b"[" + text + b"\n,\n" + text + b"]", JSON),
        "document": (text, JSON),
        "line": (text + b"\n", b"application/x-ndjson"),
    }[framing]
    check(measured(stream, kind, provider="google", path=GENERATE), PAINTED)


def test_a_picture_in_an_event_takes_little_memory() -> None:
    event = json.dumps({"candidates": [PICTURE], "usageMetadata": GEMINI_USAGE})
    stream = b"data: " + event.encode() + b"\n\n"
    tracemalloc.start()
    check(measured(stream, SSE, provider="google", path=GENERATE), PAINTED)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20


def test_a_picture_before_the_event_with_usage_does_not_hide_it() -> None:
    picture = json.dumps({"candidates": [PICTURE]}).encode()
    usage = json.dumps({"usageMetadata": GEMINI_USAGE}).encode()
    stream = b"data: " + picture + b"\n\ndata: " + usage + b"\n\n"
    check(measured(stream, SSE, provider="google", path=GENERATE), PAINTED)


def test_an_error_in_a_large_event_is_seen() -> None:
    broken = b'data: {"pad":"' + b"A" * 5_000_000 + b'","error":{"code":"overloaded"}}\n\n'
    found = measured(CHUNK + broken, SSE)
    assert (found.completeness, found.error_code) == ("none", "overloaded")


def test_a_long_list_of_chunks_is_read_to_its_end() -> None:
    chunk = {
        "candidates": [{"groundingMetadata": {"webSearchQueries": ["a" * 900]}}],
        "usageMetadata": {"promptTokenCount": 1},
    }
    chunks = [chunk] * 5_000 + [{"usageMetadata": GEMINI_USAGE, "candidates": [{"finishReason": "STOP"}]}]
    found = measured(json.dumps(chunks).encode(), provider="google", path=GENERATE)
    check(found, {**PAINTED, "calls_web_search": 1})


def test_a_megabyte_of_log_probabilities_does_not_hide_usage() -> None:
    body = {
        "id": "r",
        "model": "m",
        "output": [
            {"type": "message", "content": [{"logprobs": [{"token": "a", "logprob": -0.5}] * 90_000}]}
        ],
        "usage": {"input_tokens": 7, "output_tokens": 3},
    }
    check(measured(json.dumps(body).encode(), path="/v1/responses"))


@pytest.mark.parametrize(
    "odd",
    [
        b'"\\ud83d"',
        b'"\\ude00 \\ud83d"',
        b'"\xff\xfe"',
        b'"a\x01\tb"',
        b'"\\q"',
        b"NaN",
        b"-Infinity",
        b"[Infinity, 1e400, 007]",
        b"[" * 5_000 + b"]" * 5_000,
    ],
)
@pytest.mark.parametrize("pad", [b"", b'"pad":"' + b"A" * 300_000 + b'",'], ids=["small", "large"])
def test_what_nobody_reads_may_be_anything(odd: bytes, pad: bytes) -> None:
    body = b"{" + pad + b'"logprobs":' + odd + b"," + CHAT[1:]
    check(measured(body))
    check(measured(CHUNK + b"data: " + body + b"\n\ndata: [DONE]\n\n", SSE))
    check(measured(json.dumps(json.loads(CHAT), indent=1).encode().replace(b"[]", odd)))


def test_half_a_surrogate_in_a_request_does_not_hide_its_model() -> None:
    request = b'{"model":"asked","messages":[{"content":"\\ud83d"}],"stream":true}'
    assert measured(CHAT, request=request).request_model == "asked"


def test_the_last_of_equal_keys_counts() -> None:
    twice = CHAT[:-1] + b',"usage":{"prompt_tokens":9,"completion_tokens":3}}'
    check(measured(twice), {"input_uncached": 9, "output_text": 3})
    check(measured(b'{"pad":"' + b"A" * 300_000 + b'",' + twice[1:]), {"input_uncached": 9, "output_text": 3})


@pytest.mark.parametrize("junk", [b"\0" * 700, b"garbage", b"\x1f"])
@pytest.mark.parametrize("piece", [1, PIECE])
def test_bytes_behind_a_compressed_body_are_none_of_it(junk: bytes, piece: int) -> None:
    import gzip
    import zlib

    for encoding, encoded in (
        (b"gzip", gzip.compress(CHAT) + junk),
        (b"gzip", gzip.compress(CHAT[:40]) + gzip.compress(CHAT[40:]) + junk),
        (b"deflate", zlib.compress(CHAT) + junk),
        (b"zstd", zstandard.compress(CHAT) + junk),
    ):
        check(measured(encoded, encoding=encoding, piece=piece))


@pytest.mark.parametrize("piece", [1, PIECE])
def test_several_encodings_are_undone_one_after_the_other(piece: int) -> None:
    import gzip

    check(measured(brotli.compress(gzip.compress(CHAT)), encoding=b"gzip, br", piece=piece))
    check(measured(gzip.compress(zstandard.compress(CHAT)), encoding=b"identity,zstd , GZIP", piece=piece))


def test_a_body_that_decodes_to_more_than_the_limit_is_read_while_it_is_no_bomb() -> None:
    import gzip
    import random

    picture = random.Random(1).randbytes(1 << 20).hex().encode()
    body = b'{"pad":"' + picture * 34 + b'",' + CHAT[1:]
    assert len(body) > 64 << 20
    check(measured(gzip.compress(body, 1), encoding=b"gzip"))


@pytest.mark.parametrize("cut", [len(CHAT) + 30, len(CHAT) + 90_000])
def test_usage_that_came_before_a_body_broke_off_is_kept(cut: int) -> None:
    body = CHAT[:-1] + b',"pad":"' + b"A" * 200_000 + b'"}'
    found = measured(body[:cut], outcome="upstream_failed")
    assert (found.completeness, found.reason) == ("partial", "upstream_failed")
    assert found.parts[0].quantities == READ
