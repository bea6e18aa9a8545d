"""`x-farebox-call-id`: every response says under which id its call is recorded, and is else as it came."""

from __future__ import annotations

import gzip
import json
import socket
from pathlib import Path
from typing import Any

import grpc
import pytest
from h2.events import ResponseReceived
from proxy_harness import CALL_ID, ProxyThread, Reply, Request, mock, serving, without_call_id
from test_grpc import serving as serving_grpc
from test_http2 import BODY as H2_BODY
from test_http2 import answer as answer_http2
from test_http2 import authority, proxied
from test_two_fareboxes import announced
from test_websocket import UPGRADE

from farebox.clock import uuid_text
from farebox.config import ProviderConfig
from farebox.wire.http.upgrade import accept_of

CHAT = "/openai/v1/chat/completions"
JSON = "Content-Type: application/json"
BODY = b'{"model": "gpt-4o", "messages": []}'
ANSWER = json.dumps(mock.chat_answer("hi")).encode()


def ids(proxy: ProxyThread) -> list[str]:
    return [uuid_text(record.event_id) for record in proxy.journal.dones]


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nx-One: 1\r\n\r\n%s"
KINDS = {
    "whole": WHOLE % (len(ANSWER), ANSWER),
    "piecewise": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    + mock.chunk(ANSWER)
    + b"0\r\n\r\n",
    "compressed": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(gzip.compress(ANSWER, mtime=0)), gzip.compress(ANSWER, mtime=0)),
    "refused by the provider": b"HTTP/1.1 429 Too Many\r\nContent-Length: 2\r\nRetry-After: 1\r\n\r\n{}",
    "empty": b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_response_gets_one_line_with_the_id_of_its_record_and_no_other_byte_changes(kind: str) -> None:
    raw = KINDS[kind]
    with serving(lambda _: mock.raw_reply(raw)) as (_, proxy), proxy.connect() as client:
        for number in range(1, 4):
            client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(BODY)}") + BODY)
            got = client.until(raw.partition(b"\r\n\r\n")[2][-20:] or b"\r\n\r\n")
            assert without_call_id(got) == raw
            assert [said.decode() for said in CALL_ID.findall(got)] == [ids(proxy)[number - 1]]
        assert len(set(ids(proxy))) == 3


def test_an_upstream_that_sends_its_head_byte_by_byte_gets_it_too() -> None:
    raw = KINDS["whole"]
    pieces = [raw[at : at + 1] for at in range(120)] + [raw[120:]]
    with serving(lambda _: mock.raw_reply(*pieces)) as (_, proxy), proxy.connect() as client:
        client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(BODY)}") + BODY)
        got = client.until(raw[-20:])
        assert without_call_id(got) == raw
        assert CALL_ID.findall(got) == [ids(proxy)[0].encode()]


def test_a_stream_says_it_in_its_head() -> None:
    events = mock.chat_events(3)
    with serving(lambda _: mock.sse_reply(events)) as (_, proxy), proxy.connect() as client:
        body = b'{"model": "gpt-4o", "stream": true}'
        answer = client.post(CHAT, body, JSON)
        assert answer.call_ids == ids(proxy)


def test_a_provider_cannot_say_it_for_us() -> None:
    raw = b"HTTP/1.1 200 OK\r\nX-Farebox-Call-Id: 1\r\nContent-Length: 2\r\n\r\nok"
    with serving(lambda _: mock.raw_reply(raw)) as (_, proxy), proxy.connect() as client:
        answer = client.post(CHAT, BODY, JSON)
        assert answer.call_ids == ids(proxy)
        assert answer.headers == [(b"content-length", b"2")]


def test_a_response_of_ours_to_a_routed_request_says_it() -> None:
    providers = {"openai": ProviderConfig(upstream="http://127.0.0.1:9")}
    with ProxyThread(providers) as proxy, proxy.connect() as client:
        answer = client.post(CHAT, BODY, JSON)
        assert answer.status == 502
        assert answer.call_ids == ids(proxy)


def test_what_is_recorded_nowhere_has_none() -> None:
    with serving(lambda _: mock.json_reply({})) as (_, proxy), proxy.connect() as client:
        assert client.get("/health").call_ids == []
        assert client.get("/nobody/v1").call_ids == []
        assert proxy.journal.entries == []


def test_the_id_that_the_sdk_has_given_is_the_one_that_comes_back() -> None:
    from farebox.clock import uuid7

    own = uuid_text(uuid7())
    with serving(lambda _: mock.json_reply({})) as (_, proxy), proxy.connect() as client:
        assert client.post(CHAT, BODY, JSON, f"x-farebox-event-id: {own}").call_ids == [own]
        assert ids(proxy) == [own]


def test_http_2_says_it_once() -> None:
    with proxied(answer_http2) as (client, running):
        client.send(client.ask(authority(running)), H2_BODY)
        headers = client.until(ResponseReceived).headers
        running.settled(1)
        assert [value for name, value in headers if name == "x-farebox-call-id"] == ids(running)


def test_a_grpc_call_says_it_with_its_headers_also_where_they_are_all_there_is() -> None:
    def respond(request: bytes, context: Any) -> Any:
        if request == b"no":
            context.abort(grpc.StatusCode.NOT_FOUND, "no")
        yield b"\n\x00"

    with serving_grpc(respond) as (_, proxy, channel):
        path = "/xai_api.Chat/GetCompletionChunk"
        call = channel.unary_stream(path)(b"\n\x00", timeout=20)
        list(call)
        first = dict(call.initial_metadata())["x-farebox-call-id"]
        refused = channel.unary_stream(path)(b"no", timeout=20)
        with pytest.raises(grpc.RpcError):
            list(refused)
        said = dict([*refused.initial_metadata(), *refused.trailing_metadata()])
        proxy.settled(2)
        assert [first, said["x-farebox-call-id"]] == ids(proxy)


def test_a_websockets_handshake_says_it_and_what_follows_is_unchanged() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        ProxyThread(
            {"openai": ProviderConfig(upstream=f"http://127.0.0.1:{listener.getsockname()[1]}")}
        ) as proxy,
        proxy.connect() as client,
    ):
        client.send(client.head("GET", "/openai/v1/realtime?model=gpt-realtime", *UPGRADE))
        upstream, _ = listener.accept()
        with upstream:
            asked = b""
            while b"\r\n\r\n" not in asked:
                asked += upstream.recv(65536)
            switch = (
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: %s\r\n\r\n" % accept_of(b"AAAAAAAAAAAAAAAAAAAAAA==")
            )
            upstream.sendall(switch + b"\x81\x02hi")
            got = client.until(b"hi")
        client.socket.close()
        proxy.settled(1)
        assert without_call_id(got) == switch + b"\x81\x02hi"
        assert [value.decode() for value in CALL_ID.findall(got)] == [ids(proxy)[-1]]


def test_behind_another_farebox_the_id_is_that_of_the_one_that_recorded_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))

    def respond(_: Request) -> Reply:
        return mock.json_reply(mock.chat_answer("hi"))

    with (
        mock.MockUpstream(respond) as upstream,
        ProxyThread({"openai": ProviderConfig(upstream=upstream.url)}) as outer,
        announced(outer.port),
        ProxyThread({"openai": ProviderConfig(upstream=f"http://127.0.0.1:{outer.port}/openai")}) as inner,
        inner.connect() as client,
    ):
        for number in range(2):
            assert client.post(CHAT, BODY, JSON).call_ids == [ids(outer)[number]]
        assert inner.journal.entries == []
