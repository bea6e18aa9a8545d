"""What the request says: model, stream, who is asking; from any body, however large."""

from __future__ import annotations

import json
import random

import pytest

from farebox import catalog
from farebox.wire.meter import Meter
from farebox.wire.request import RequestFacts, plain_facts

CATALOG = catalog.load()


def facts(
    body: bytes,
    *headers: tuple[bytes, bytes],
    provider: str = "openai",
    path: str = "/v1/chat/completions",
    query: str = "",
    seed: int = 0,
) -> RequestFacts:
    found = CATALOG.provider(provider)
    assert found is not None
    meter = Meter(found.endpoint("POST", path), path, query, headers)
    rng = random.Random(seed)
    position = 0
    while position < len(body):
        size = rng.choice((1, 9, 500, 60_000))
        meter.request_body(body[position : position + size])
        position += size
    return meter.request_end()


def test_a_json_body_says_model_stream_and_usage() -> None:
    body = {"messages": [], "model": "m", "stream": True, "stream_options": {"include_usage": True}}
    said = facts(json.dumps(body).encode())
    assert (said.request_model, said.stream, said.wants_usage) == ("m", True, True)
    assert facts(b'{"model":"m","stream":false}').stream is False
    assert facts(b'{"model":"m","stream":true}').wants_usage is False


def test_the_model_may_follow_ten_megabytes_of_image() -> None:
    body = {
        "messages": [{"content": [{"image": "A" * 10_000_000}, 'a "model":"wrong" b']}],
        "model": "m",
        "stream": True,
    }
    said = facts(json.dumps(body).encode())
    assert (said.request_model, said.stream) == ("m", True)


def test_a_form_says_its_model_after_a_file() -> None:
    boundary = "xyz"
    form = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
        "Content-Type: audio/wav\r\n\r\n" + "R" * 300_000 + "\r\n"
        f'--{boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
        f'--{boundary}\r\ncontent-disposition: form-data; name="stream"\r\n\r\ntrue\r\n--{boundary}--\r\n'
    ).encode()
    kind = (b"content-type", b'multipart/form-data; boundary="xyz"')
    for seed in range(50):
        said = facts(form, kind, path="/v1/audio/transcriptions", seed=seed)
        assert (said.request_model, said.stream) == ("whisper-1", True)


def test_a_path_or_a_query_may_say_the_model() -> None:
    said = facts(b"{}", provider="google", path="/v1beta/models/gemini-3:streamGenerateContent")
    assert (said.request_model, said.stream) == ("gemini-3", True)
    assert facts(b"", path="/v1/listen", query="a=b&model=nova%2D3").request_model == "nova-3"
    said = facts(b'{"model":"body"}', provider="azure", path="/openai/deployments/path/chat/completions")
    assert said.request_model == "body"


def test_headers_say_who_is_asking_before_the_body_does() -> None:
    said = facts(
        b'{"model":"m","user":"body-user","metadata":{"user_id":"x"}}',
        (b"x-farebox-customer", b"acme"),
        (b"x-farebox-user", b"header-user"),
        (b"x-farebox-tag-team", b"blue"),
        (b"x-farebox-tags", b"env=prod, run = 7"),
    )
    assert said.attribution == {
        "customer": "acme",
        "user": "header-user",
        "tag.team": "blue",
        "tag.env": "prod",
        "tag.run": "7",
    }
    assert said.attribution_from["user"] == "header:x-farebox-user"


def test_the_body_says_who_is_asking() -> None:
    assert facts(b'{"user":"u"}').attribution_from == {"user": "body:user"}
    assert facts(b'{"metadata":{"user_id":"u"}}').attribution == {"user": "u"}
    assert facts(b'{"user":["no"],"metadata":"no"}').attribution == {}


def test_a_body_that_is_not_understood_says_nothing() -> None:
    for body in (
        b"",
        b"[]",
        b"nonsense",
        b"\xff" * 100,
        b"[" * 10_000,
        b'{"model":' + b"[" * 10_000,
        b'{"model":5}',
    ):
        said = facts(body)
        assert (said.request_model, said.stream, said.attribution) == (None, False, {})
    encoded = facts(b'{"model":"m"}', (b"content-encoding", b"gzip"))
    assert encoded.request_model is None


@pytest.mark.parametrize(
    ("said", "most"),
    [
        ({"max_tokens": 32_000}, 32_000),
        ({"max_completion_tokens": 100}, 100),
        ({"max_output_tokens": 7}, 7),
        ({"generationConfig": {"maxOutputTokens": 256, "temperature": 0}}, 256),
        ({"inferenceConfig": {"maxTokens": 512}}, 512),
        ({"max_tokens": 5, "max_completion_tokens": 9}, 9),
        ({"max_tokens": 0}, 0),
        ({"max_tokens": "many"}, None),
        ({"max_tokens": True}, None),
        ({"max_tokens": -1}, None),
        ({"max_tokens": 2**70}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("padding", [0, 100_000])
def test_how_many_tokens_a_response_may_have_is_read_under_every_name(
    said: dict[str, object], most: int | None, padding: int
) -> None:
    body = json.dumps({"model": "m", "messages": ["x" * padding], **said}).encode()
    assert facts(body).max_tokens == most
    plain = plain_facts(body, [], "/v1/messages")
    assert plain is None if padding else plain is not None and plain.max_tokens == most
