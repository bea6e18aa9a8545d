"""`Expect: 100-continue`: the upstream decides whether the body is wanted, and no 100 comes from us."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator

import pytest
from proxy_harness import Client, ProxyThread, dechunk, without_call_id
from proxy_harness import mock as mock_upstream

from farebox.config import ProviderConfig
from farebox.proxy.limits import Limits

CHAT = "/openai/v1/chat/completions"
BODY = json.dumps(
    {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
).encode()
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
HEAD = ("Content-Type: application/json", "Expect: 100-continue")


class Deciding:
    """An upstream that reads a head, says its word, and notes what it was sent."""

    def __init__(self, word: bytes, final: bytes) -> None:
        self.word, self.final = word, final
        self.head = self.body = b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self.listener.accept()
            with connection:
                data = b""
                while b"\r\n\r\n" not in data:
                    data += connection.recv(65536)
                self.head, _, self.body = data.partition(b"\r\n\r\n")
                connection.sendall(self.word)
                while self.final and not self.body.endswith((b"}", b"0\r\n\r\n")):
                    self.body += connection.recv(65536)
                connection.sendall(self.final)
                connection.recv(1)


@contextlib.contextmanager
def deciding(word: bytes, final: bytes) -> Iterator[tuple[Deciding, ProxyThread, Client]]:
    upstream = Deciding(word, final)
    providers = {"openai": ProviderConfig(upstream=upstream.url)}
    with upstream.listener, ProxyThread(providers) as proxy, proxy.connect() as client:
        yield upstream, proxy, client


def test_the_upstreams_100_releases_the_body() -> None:
    with deciding(b"HTTP/1.1 100 Continue\r\n\r\n", OK) as (upstream, proxy, client):
        client.send(client.head("POST", CHAT, *HEAD, f"Content-Length: {len(BODY)}"))
        assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert upstream.body == b""
        client.send(BODY)
        assert client.answer().body == b"{}"
        (done,) = proxy.settled(1)
    assert b"\r\nexpect: 100-continue" in upstream.head.lower()
    assert b"\r\ntransfer-encoding: chunked" in upstream.head.lower()
    assert b"content-length" not in upstream.head.lower()
    assert b"include_usage" in dechunk(upstream.body)
    assert (done.outcome, done.status) == ("completed", 200)


def test_a_client_that_does_not_wait_is_forwarded_at_once_with_what_is_added_to_its_body() -> None:
    with deciding(b"HTTP/1.1 100 Continue\r\n\r\n", OK) as (upstream, _, client):
        client.send(client.head("POST", CHAT, *HEAD, f"Content-Length: {len(BODY)}") + BODY)
        assert without_call_id(client.until(b"{}")) == b"HTTP/1.1 100 Continue\r\n\r\n" + OK
    assert b"include_usage" in upstream.body


@pytest.mark.parametrize("status", [413, 417])
def test_the_upstreams_refusal_comes_before_the_body_is_sent(status: int) -> None:
    word = b"HTTP/1.1 %d No\r\ncontent-length: 2\r\n\r\nno" % status
    with deciding(word, b"") as (upstream, proxy, client):
        client.send(client.head("POST", CHAT, *HEAD, "Content-Length: 9999999"))
        answer = client.answer()
        (done,) = proxy.settled(1)
    assert (answer.status, answer.body, upstream.body) == (status, b"no", b"")
    assert (done.outcome, done.status, done.extraction.billable) == ("completed", status, False)


def test_an_expectation_without_a_body_or_from_an_old_client_is_not_forwarded() -> None:
    for request in ("GET /openai/v1/x HTTP/1.1", "POST /openai/v1/x HTTP/1.0"):
        length = "Content-Length: 2\r\n" if request.startswith("POST") else ""
        with (
            mock_upstream.MockUpstream(lambda _: mock_upstream.json_reply({})) as upstream,
            ProxyThread({"openai": ProviderConfig(upstream=upstream.url)}) as proxy,
            proxy.connect() as client,
        ):
            text = f"{request}\r\nHost: 127.0.0.1:{proxy.port}\r\nExpect: 100-continue\r\n{length}\r\n"
            client.send(text.encode() + (b"{}" if length else b""))
            assert client.answer().status == 200
        assert upstream.requests[0].header("expect") is None


def test_a_chunked_body_that_is_waited_with_is_asked_for_usage() -> None:
    with deciding(b"HTTP/1.1 100 Continue\r\n\r\n", OK) as (upstream, proxy, client):
        client.send(client.head("POST", CHAT, *HEAD, "Transfer-Encoding: chunked"))
        client.until(b"\r\n\r\n")
        client.send(b"1\r\n{\r\n")
        proxy.settle(lambda: proxy.proxy.state.held_bodies.bytes == 1)  # it counts although its head has gone
        for place in range(1, len(BODY), 7):
            client.send(b"%x\r\n%s\r\n" % (len(BODY[place : place + 7]), BODY[place : place + 7]))
        client.send(b"0\r\n\r\n")
        assert client.answer().body == b"{}"
        assert proxy.proxy.state.held_bodies.bytes == 0
    assert b"include_usage" in dechunk(upstream.body)


def test_a_body_that_is_waited_with_streams_when_it_finds_no_room() -> None:
    big = BODY[:-1] + b" " * 200_000 + b"}"
    for framing in (f"Content-Length: {len(big)}", "Transfer-Encoding: chunked"):
        with (
            mock_upstream.MockUpstream(lambda _: mock_upstream.json_reply({})) as upstream,
            ProxyThread(
                {"openai": ProviderConfig(upstream=upstream.url)}, limits=Limits(held_total=50_000)
            ) as proxy,
            proxy.connect() as client,
        ):
            client.send(client.head("POST", CHAT, *HEAD, framing))
            proxy.settle(lambda proxy=proxy: proxy.proxy.state.in_flight == 1)
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(big), big) if "chunked" in framing else big
            client.send(body)
            assert client.answer().status == 200
            assert proxy.proxy.state.held_bodies.bytes == 0
        assert upstream.requests[0].body == big
