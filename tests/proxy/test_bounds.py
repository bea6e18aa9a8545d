"""Whatever comes, bytes pass and memory stays bounded; the row says what could not be read."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from proxy_harness import Client, MockUpstream, Reply, Request, mock, serving
from proxy_processes import ProxyProcess, configured, pss_kb

from farebox.config import Config
from farebox.home import Home
from farebox.ledger import catch_up
from farebox.ledger.calls import LedgerReader

CHAT = "/openai/v1/chat/completions"
JSON = "Content-Type: application/json"
BODY = b'{"model": "gpt-4o", "messages": []}'
MB = 1 << 20
BIG_MB = int(os.environ.get("FAREBOX_BIG_MB", "200"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "state")


def test_200_mb_pass_in_both_directions_within_a_few_mb_of_memory(home: Home) -> None:
    piece = random.Random(1).randbytes(MB)
    digest = hashlib.sha256()
    for _ in range(BIG_MB):
        digest.update(piece)

    def respond(request: Request) -> Reply:
        if request.method == b"POST":
            return mock.json_reply({"sha256": request.digest, "bytes": request.body_bytes})
        return mock.Reply(200, ((b"content-type", b"application/json"),), _steps(), "chunked")

    def _steps() -> Iterator[bytes]:
        yield b'{"data": "'
        for _ in range(BIG_MB):
            yield piece
        yield b'"}'

    with MockUpstream(respond) as upstream:
        proxy = ProxyProcess(home, configured(upstream.url)).ready()
        with Client(proxy.port) as client:
            client.post(CHAT, BODY, JSON)
            before = pss_kb(proxy.pid)
            client.send(client.head("POST", "/openai/v1/files", f"Content-Length: {BIG_MB * MB}"))
            for _ in range(BIG_MB):
                client.send(piece)
            assert json.loads(client.answer().body) == {"sha256": digest.hexdigest(), "bytes": BIG_MB * MB}
            client.send(client.head("GET", CHAT))
            taken = 0
            end = client.until(b"\r\n\r\n")[-64:]
            while not end.endswith(b"\r\n0\r\n\r\n"):
                part = client.socket.recv(MB)
                taken += len(part)
                end = (end + part)[-64:]
            assert taken > BIG_MB * MB - MB
            assert pss_kb(proxy.pid) - before < 24 * 1024
        proxy.stop()


def test_an_endless_stream_is_metered_in_bounded_memory(home: Home) -> None:
    event = b"data: " + json.dumps({"choices": [{"delta": {"content": "x" * 1000}}]}).encode() + b"\n\n"
    block = event * 64

    def respond(request: Request) -> Reply:
        return mock.Reply(
            200, ((b"content-type", b"text/event-stream"),), (block for _ in range(10**6)), "chunked"
        )

    with MockUpstream(respond) as upstream:
        proxy = ProxyProcess(home, configured(upstream.url)).ready()
        with Client(proxy.port) as client:
            client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(BODY)}") + BODY)
            taken = before = 0
            while taken < 100 * MB:
                taken += len(client.socket.recv(MB))
                if not before and taken > 10 * MB:
                    before = pss_kb(proxy.pid)
            assert pss_kb(proxy.pid) - before < 24 * 1024
        proxy.stop()
    catch_up(home, Config())
    (row,) = LedgerReader(home).newest(10)
    assert row.outcome == "client_disconnected"
    assert row.completeness == "estimated"  # from how much has passed
    assert row.response_bytes >= 100 * MB // 2


NASTY = {
    "not json": b"<html>no</html>",
    "empty": b"",
    "invalid utf-8": b'{"id": "\xff\xfe", "usage": {"prompt_tokens": "\xc3\x28"}}',
    "10,000 levels": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "10,000 lists": b"[" * 10_000 + b"]" * 10_000,
    "half": b'{"usage": {"prompt_tokens": 12',
    "negative": b'{"usage": {"prompt_tokens": -5, "completion_tokens": 1}}',
    "a fraction": b'{"usage": {"prompt_tokens": 1.5, "completion_tokens": 1}}',
    "huge": b'{"usage": {"prompt_tokens": 1e400, "completion_tokens": 9223372036854775808}}',
    "not numbers": b'{"usage": {"prompt_tokens": "many", "completion_tokens": null}}',
    "repeated keys": b'{"usage": {"prompt_tokens": 1}, "usage": {"prompt_tokens": 2}}',
    "nan": b'{"usage": {"prompt_tokens": NaN}}',
    "nuls": b"\x00" * 1000,
    "a bomb": gzip.compress(b"\x00" * (80 * MB)),
}


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
def test_what_cannot_be_read_passes_byte_for_byte_with_a_row_that_says_so(name: str, stream: bool) -> None:
    body = NASTY[name]
    kind = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if name == "a bomb":
        headers = ((b"content-encoding", b"gzip"),)
    elif stream:
        kind = b"text/event-stream"
        body = b"data: " + body + b"\n\ndata: [DONE]\n\n"
    reply = mock.Reply(200, ((b"content-type", kind), *headers), body, "chunked" if stream else "length")
    with serving(lambda _: reply) as (_, proxy), proxy.connect() as client:
        answer = client.post(CHAT, BODY, JSON)
        (done,) = proxy.settled(1)
    assert answer.body == body
    assert done.outcome == "completed"
    assert done.extraction.completeness in ("final", "partial", "none")
    if done.extraction.completeness != "final":
        assert done.extraction.reason


@pytest.mark.parametrize("name", NASTY)
def test_what_cannot_be_read_in_a_request_passes_byte_for_byte(name: str) -> None:
    body = NASTY[name]
    with serving(lambda _: mock.json_reply(mock.chat_answer("hi"))) as (upstream, proxy):
        with proxy.connect() as client:
            assert client.post(CHAT, body, JSON).status == 200
        proxy.settled(1)
    assert upstream.requests[0].body == body


def test_a_large_streaming_request_goes_through_unchanged_and_unheld() -> None:
    """Over the limit for `include_usage`: it streams instead of being held."""
    text = b'{"model": "gpt-4o", "stream": true, "messages": "' + b"x" * (17 * MB) + b'"}'
    with serving(lambda _: mock.sse_reply(mock.chat_events(2))) as (upstream, proxy):
        with proxy.connect() as client:
            client.send(client.head("POST", CHAT, JSON, "Transfer-Encoding: chunked"))
            for start in range(0, len(text), MB):
                client.send(mock.chunk(text[start : start + MB]))
            client.send(b"0\r\n\r\n")
            assert client.answer().status == 200
        proxy.settled(1)
    (request,) = upstream.requests
    assert request.body_bytes == len(text)
    assert request.digest == hashlib.sha256(text).hexdigest()
    assert request.header("transfer-encoding") == "chunked"
