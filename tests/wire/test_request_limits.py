"""What a request's body says about what its call can cost, read in the pass that reads it anyway."""

from __future__ import annotations

import gzip
import json
import random
from typing import Any

import pytest

from farebox import catalog
from farebox.wire.meter import Meter
from farebox.wire.request import SMALL_BYTES, RequestFacts, plain_facts
from farebox.wire.request_limits import MEDIA, NOT_READ, PLAIN, LimitKeys, RequestKind, RequestLimits

LOADED = catalog.load()
assert LOADED.request_limits is not None
KEYS = LimitKeys(LOADED.request_limits)
JSON = [(b"content-type", b"application/json")]
CHAT = "/v1/chat/completions"
TEXT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def read(
    body: dict[str, Any] | bytes,
    provider: str = "openai",
    path: str = CHAT,
    headers: list[tuple[bytes, bytes]] = JSON,
    rng: random.Random | None = None,
) -> RequestFacts:
    """Return what a meter reads of a request, in pieces where there is an `rng`."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    known = LOADED.provider(provider)
    assert known is not None
    meter = Meter(known.endpoint("POST", path), path, "", headers)
    meter.read_limits(KEYS)
    position = 0
    while position < len(text):
        size = len(text) if rng is None else rng.choice((1, 5, 60, 700, 40_000))
        meter.request_body(text[position : position + size])
        position += size
    return meter.request_end()


def limits(*arguments: Any, **named: Any) -> RequestLimits:
    found = read(*arguments, **named).limits
    assert found is not None
    return found


def kind(*arguments: Any, **named: Any) -> RequestKind:
    return limits(*arguments, **named).kind


def test_nobody_who_does_not_ask_pays_for_it() -> None:
    text = json.dumps(TEXT).encode()
    facts = plain_facts(text, JSON, CHAT)
    assert facts is not None and facts.limits is None
    asked = plain_facts(text, JSON, CHAT, None, KEYS)
    assert asked is not None and asked.limits == RequestLimits(PLAIN, len(text))


def test_text_alone_is_bounded_by_its_bytes() -> None:
    assert limits(TEXT) == RequestLimits(PLAIN, len(json.dumps(TEXT)))


@pytest.mark.parametrize(
    "part",
    [
        PICTURE,
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "tool_result", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"file_data": {"file_uri": "gs://bucket/a.mp4"}},
        {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
        {"type": "container_upload", "file_id": "f"},
    ],
)
def test_what_has_more_tokens_than_bytes_is_recognised_wherever_it_stands(part: dict[str, Any]) -> None:
    body = {**TEXT, "messages": [{"role": "user", "content": [{"type": "text", "text": "see"}, part]}]}
    assert MEDIA in kind(body).causes
    spaced = json.dumps(body, indent=2, separators=(" , ", " : ")).encode()
    assert MEDIA in kind(spaced).causes
    large = {**body, "messages": [{"role": "user", "content": "x" * SMALL_BYTES}, *body["messages"]]}
    rng = random.Random(3)
    assert all(MEDIA in kind(large, rng=rng).causes for _ in range(5))


def test_a_text_that_talks_about_pictures_is_no_picture() -> None:
    quoted = json.dumps(PICTURE)
    body = {**TEXT, "messages": [{"role": "user", "content": f"what is {quoted}? {{'image': [1]}}"}]}
    assert limits(body) == RequestLimits(PLAIN, len(json.dumps(body)))


@pytest.mark.parametrize(
    "more",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"cachedContent": "cachedContents/1"},
        {"prompt": {"id": "pmpt_1"}},
        {"container": "cntr_1"},
        {"web_search_options": {"search_context_size": "high"}},
        {"mcp_servers": [{"url": "https://example.com"}]},
        {"context_management": {"edits": [{"type": "compact_20260112"}]}},
        {"models": ["a", "b"]},
        {"background": True},
    ],
)
def test_input_that_is_elsewhere_and_work_of_the_provider_are_named(more: dict[str, Any]) -> None:
    assert kind({**TEXT, **more}).causes == tuple(more)
    assert kind({**TEXT, **more, "metadata": {"a": "b"}}).causes == tuple(more), "by the closer look"
    assert kind({**TEXT, **dict.fromkeys(more)}).causes == (), "null says nothing"


@pytest.mark.parametrize(
    ("tool", "cause"),
    [
        ({"type": "function", "function": {"name": "f"}}, ()),
        ({"type": "function", "name": "f"}, ()),
        ({"name": "f", "input_schema": {"type": "object"}}, ()),
        ({"type": "bash_20250124", "name": "bash"}, ()),
        ({"functionDeclarations": [{"name": "f"}]}, ()),
        ({"type": "web_search_20250305", "name": "web_search"}, ("web_search_20250305",)),
        ({"type": "code_interpreter", "container": {"type": "auto"}}, ("code_interpreter",)),
        ({"googleSearch": {}}, ("googleSearch",)),
        ({"functionDeclarations": [{"name": "f"}], "codeExecution": {}}, ("codeExecution",)),
        ({"type": "a_tool_of_tomorrow"}, ("a_tool_of_tomorrow",)),
        ({"aToolOfTomorrow": {}}, ("tools",)),
        ("a text", ("tools",)),
    ],
)
def test_a_tool_that_the_provider_runs_is_told_from_one_of_the_client(
    tool: Any, cause: tuple[str, ...]
) -> None:
    own = {"type": "function", "function": {"name": "own"}}
    body = {**TEXT, "tools": [own, tool]}
    large = {**body, "messages": [{"role": "user", "content": "x" * SMALL_BYTES}]}
    for each in (body, {**body, "metadata": {"a": "b"}}, large):
        found = kind(each)
        assert (found.causes, found.has_tools) == (cause, True)


def test_text_that_is_to_be_cached_is_recognised_with_its_time() -> None:
    cached = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    hour = {**cached, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    body = {**TEXT, "system": [cached]}
    assert kind(TEXT).writes == "none"
    assert kind(body).writes == "5m"
    assert kind({**body, "messages": [{"role": "user", "content": [hour]}]}).writes == "1h"
    assert kind({**TEXT, "system": [{"cachePoint": {"type": "default"}}]}).writes == "5m"


def test_how_many_responses_are_asked_for() -> None:
    assert limits(TEXT).choices == 1
    assert limits({**TEXT, "n": 4}).choices == 4
    assert limits({**TEXT, "n": 2, "best_of": 5}).choices == 5
    gemini = "/v1beta/models/gemini-2.5-flash:generateContent"
    asked = limits({"contents": [], "generationConfig": {"candidateCount": 3}}, "google", gemini)
    assert asked.choices == 3
    assert limits({**TEXT, "n": -1}).choices == 1
    assert limits({**TEXT, "n": "7"}).choices == 7, "as a lenient server reads it"
    assert limits({**TEXT, "n": 2.5}).choices == 3
    assert limits({**TEXT, "n": "many"}).choices == 1


def test_what_moves_the_rate_is_read_as_it_is_asked_for() -> None:
    assert kind({**TEXT, "service_tier": "Flex"}).facts == (("service_tier", "flex"),)
    assert kind({**TEXT, "service_tier": "auto"}).facts == ()
    assert kind({**TEXT, "serviceTier": {"type": "priority"}}).facts == (("service_tier", "priority"),)
    assert kind({**TEXT, "speed": "fast"}).facts == (("speed", "fast"),)
    assert kind({**TEXT, "inference_geo": "us"}).facts == (("geo", "us"),)


def test_a_wider_context_window_is_recognised() -> None:
    wide = [*JSON, (b"anthropic-beta", b"context-1m-2025-08-07")]
    assert not kind(TEXT).is_wide
    assert kind(TEXT, headers=wide).is_wide
    assert kind({**TEXT, "anthropic_beta": ["context-1m-2025-08-07"]}).is_wide


@pytest.mark.parametrize("body", [b"{broken", b'{"model": "m", "messages": [', b"[1, 2]", b"", b"\xff\xfe"])
def test_a_body_that_is_not_understood_may_ask_for_anything(body: bytes) -> None:
    assert kind(body).causes == (NOT_READ,)


def test_a_large_body_that_breaks_off_may_ask_for_anything() -> None:
    text = json.dumps({**TEXT, "messages": [{"role": "user", "content": "x" * 2 * SMALL_BYTES}]}).encode()
    assert kind(text).causes == ()
    assert kind(text[:-3]).causes == (NOT_READ,)


def test_a_compressed_body_counts_as_long_as_it_is_decoded() -> None:
    text = json.dumps({**TEXT, "messages": [{"role": "user", "content": "x" * 50_000}]}).encode()
    packed = gzip.compress(text)
    assert len(packed) < 1000
    found = limits(packed, headers=[*JSON, (b"content-encoding", b"gzip")])
    assert found.body_bytes == len(text) and found.kind == PLAIN
    unknown = limits(packed, headers=[*JSON, (b"content-encoding", b"secret")])
    assert unknown.kind.causes == (NOT_READ,)


def test_reading_in_pieces_says_the_same() -> None:
    rng = random.Random(11)
    bodies: list[dict[str, Any]] = [
        TEXT,
        {**TEXT, "n": 3, "tools": [{"type": "web_search"}]},
        {**TEXT, "messages": [{"role": "user", "content": [PICTURE, {"cache_control": {"ttl": "1h"}}]}] * 3},
        {**TEXT, "service_tier": "priority", "messages": [{"role": "user", "content": "y" * SMALL_BYTES}]},
    ]
    for body in bodies:
        whole = limits(body)
        assert all(limits(body, rng=rng) == whole for _ in range(20))


def test_by_which_name_a_response_is_limited_is_kept() -> None:
    def lengths(**more: Any) -> tuple[str, str]:
        asked = ({**TEXT, **more}, {**TEXT, **more, "metadata": {"a": "b"}})
        return kind(asked[0]).lengths.strip(), kind(asked[1]).lengths.strip()

    assert lengths() == ("", "")
    assert lengths(max_tokens=5) == ("max_tokens", "max_tokens")
    assert lengths(max_output_tokens=5, max_tokens=7) == ("max_tokens max_output_tokens",) * 2
    assert lengths(generationConfig={"maxOutputTokens": 5}) == ("generationConfig",) * 2
    assert lengths(generationConfig={}, max_tokens="5") == ("", "")


@pytest.mark.parametrize(
    "text",
    [
        rb'{"model": "m", "\u006e": 50, "messages": []}',
        rb'{"model": "m", "messages": [{"content": [{"type": "im\u0061ge_url", "image_url": "x"}]}]}',
        b'{"model": "m", "messages": [{"content": [{"type"' + b" " * 30 + b': "image_url"}]}]}',
        b'{"model": "m", "messages": [{"content": [{"type"' + b" " * 99 + b': "image_url"}]}]}',
        b'{"model": "m", "messages": [{"content": [{"type": ' + b" " * 99 + b'"image_url"}]}]}',
    ],
)
def test_what_is_written_so_that_it_is_passed_over_may_be_anything(text: bytes) -> None:
    """Nobody who writes requests escapes a letter of a key or puts lines of blanks at a colon."""
    large = text.replace(b'"messages"', b'"metadata": {"x": "' + b"y" * SMALL_BYTES + b'"}, "messages"')
    for each in (text, large):
        found = kind(each)
        assert set(found.causes) & {NOT_READ, MEDIA}, each[:200]


def test_escapes_that_encoders_write_say_nothing() -> None:
    text = r'{"model": "m", "messages": [{"role": "user", "content": "\u003cb\u003e caf\u00e9 \\u0041 \n"}]}'
    assert kind(text.encode()) == PLAIN


def test_a_form_with_files_is_read_for_pictures_and_sound() -> None:
    boundary = "x" * 20
    headers = [(b"content-type", f"multipart/form-data; boundary={boundary}".encode())]
    part = '--{0}\r\nContent-Disposition: form-data; name="{1}"\r\n\r\n{2}\r\n'
    text = (
        part.format(boundary, "model", "gpt-image-1")
        + part.format(boundary, "n", "3")
        + f"--{boundary}--\r\n"
    )
    found = limits(text.encode(), "openai", "/v1/images/edits", headers)
    assert MEDIA in found.kind.causes and found.choices == 3
