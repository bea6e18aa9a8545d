"""Asking for usage changes one option; taking the extra chunk out changes nothing else."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.wire.http.include_usage import UsageChunkFilter, inject


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        (
            b'{"model":"m","stream":true}',
            b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
        ),
        (b"{}", b'{"stream_options":{"include_usage":true}}'),
        (b'{ "a" : 1 }\n', b'{ "a" : 1 ,"stream_options":{"include_usage":true}}\n'),
        (b'{"stream_options":null,"a":1}', b'{"stream_options":{"include_usage":true},"a":1}'),
        (b'{"stream_options": {} }', b'{"stream_options": {"include_usage":true} }'),
        (
            b'{"stream_options":{"include_usage": false,"x":[1,2]},"z":0}',
            b'{"stream_options":{"include_usage": true,"x":[1,2]},"z":0}',
        ),
        (
            b'{"stream_options":{"x":{"include_usage":false}}}',
            b'{"stream_options":{"x":{"include_usage":false},"include_usage":true}}',
        ),
        (
            b'{"a":{"stream_options":{}},"t":"\\"stream_options\\":{}"}',
            b'{"a":{"stream_options":{}},"t":"\\"stream_options\\":{}","stream_options":{"include_usage":true}}',
        ),
    ],
)
def test_only_the_option_is_added(body: bytes, asked: bytes) -> None:
    assert inject(body) == asked


@pytest.mark.parametrize("body", [b"", b"[1]", b"nope", b'{"a":', b'"text"', b"\xff\xfe", b"[" * 10_000])
def test_what_is_not_a_json_object_stays_as_it_is(body: bytes) -> None:
    assert inject(body) == body


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text() | st.just("stream_options"), _JSON, max_size=5), st.sampled_from((None, 1)))
def test_any_request_asks_for_usage_and_keeps_the_rest(body: dict[str, object], indent: int | None) -> None:
    asked = json.loads(inject(json.dumps(body, indent=indent).encode()))
    options = asked.pop("stream_options")
    assert options["include_usage"] is True
    before = body.pop("stream_options", None)
    if isinstance(before, dict):
        assert {**before, "include_usage": True} == options
    assert asked == body


CHUNK = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"\\"choices\\":[]"}}],"usage":null}'
EXTRA = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}'
FILTERS = b'data: {"id":"","choices":[],"prompt_filter_results":[]}'


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
def test_the_extra_chunk_is_taken_out_however_the_stream_is_cut(end: bytes) -> None:
    stream = end.join((FILTERS, b": comment", CHUNK, CHUNK, EXTRA, b"data: [DONE]", b""))
    wanted = end.join((FILTERS, b": comment", CHUNK, CHUNK, b"data: [DONE]", b""))
    rng = random.Random(3)
    for _ in range(1000):
        taken = UsageChunkFilter()
        sent = b""
        position = 0
        while position < len(stream):
            size = rng.choice((1, 3, 40, 200))
            sent += taken.feed(stream[position : position + size])
            position += size
        assert sent + taken.end() == wanted
        assert taken.removed


def test_every_complete_event_passes_at_once() -> None:
    taken = UsageChunkFilter()
    assert taken.feed(CHUNK + b"\n\n" + CHUNK[:10]) == CHUNK + b"\n\n"
    assert taken.feed(CHUNK[10:]) == b""
    assert taken.feed(b"\n\n") == CHUNK + b"\n\n"


def test_a_stream_that_breaks_off_passes_to_its_last_byte() -> None:
    taken = UsageChunkFilter()
    assert taken.feed(CHUNK[:30]) + taken.end() == CHUNK[:30]


def test_an_endless_event_is_not_held_back() -> None:
    taken = UsageChunkFilter()
    piece = b"data: " + b"x" * 100_000
    assert taken.feed(piece) == piece


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"choices":[],"usage":null}',
        b'data: {"choices":[],"usage":{"a":1}',
        b'data: {"x":{"choices":[]},"usage":{"a":1},"choices":[{}]}',
        b"data: [DONE]",
    ],
)
def test_other_events_are_kept(event: bytes) -> None:
    assert UsageChunkFilter().feed(event + b"\n\n") == event + b"\n\n"


@pytest.mark.parametrize("odd", [b'"\\ud83d"', b"NaN", b'"a\x01"'])
def test_what_nobody_reads_in_a_request_does_not_keep_it_from_asking_for_usage(odd: bytes) -> None:
    body = b'{"stream":true,"messages":[{"content":' + odd + b"}]} "
    assert inject(body) == body[:-2] + b',"stream_options":{"include_usage":true}} '
    for more in (b"{}", b"x", b"}"):
        assert inject(body + more) == body + more
