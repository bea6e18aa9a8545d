"""`stream_options.include_usage`: asked for on the client's behalf, and taken out of its answer again."""

from __future__ import annotations

import gzip
import json
from types import SimpleNamespace
from typing import Any

import pytest
from proxy_harness import Reply, Request, mock, serving

from farebox.proxy.http1.request_body import RequestBody
from farebox.proxy.limits import Limits
from farebox.wire.request import RequestFacts

CHAT = "/openai/v1/chat/completions"
JSON = "Content-Type: application/json"


def respond(request: Request) -> Reply:
    """Answer as OpenAI does: usage only for those who ask."""
    asked = bool((request.json().get("stream_options") or {}).get("include_usage"))
    return mock.sse_reply(mock.chat_events(3, include_usage=asked), pace_s=0.002)


def test_a_stream_that_did_not_ask_is_metered_and_looks_as_if_nobody_had() -> None:
    body = b'{"model":"gpt-4o", "stream":true,"messages":[ ]}'
    with serving(respond) as (upstream, proxy), proxy.connect() as client:
        answer = client.post(CHAT, body, JSON)
        (done,) = proxy.settled(1)
    assert upstream.requests[0].body == body[:-1] + b',"stream_options":{"include_usage":true}}'
    assert done.request_bytes == len(body)
    assert done.extraction.completeness == "final"
    assert done.extraction.parts[0].output_tokens == 187
    events = [json.loads(event[6:]) for event in answer.body.split(b"\n\n")[:-2]]
    assert all(event["choices"] for event in events)
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert answer.body.count(b"data: ") == len(mock.chat_events(3, include_usage=False))


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true}}',
        b'{"model":"gpt-4o","stream":false}',
        b'{"model":"gpt-4o"}',
    ],
)
def test_other_requests_and_their_answers_pass_as_they_are(body: bytes) -> None:
    events = mock.chat_events(3)
    with serving(lambda _: mock.sse_reply(events)) as (upstream, proxy), proxy.connect() as client:
        answer = client.post(CHAT, body, JSON)
        proxy.settled(1)
    assert upstream.requests[0].body == body
    assert answer.raw == b"".join(mock.chunk(event) for event in events) + b"0\r\n\r\n"


def test_chunked_requests_are_changed_too_and_get_a_length() -> None:
    body = b'{"model":"gpt-4o","stream":true}'
    with serving(respond) as (upstream, proxy), proxy.connect() as client:
        client.send(client.head("POST", CHAT, JSON, "Transfer-Encoding: chunked"))
        client.send(mock.chunk(body[:7]) + mock.chunk(body[7:]) + b"0\r\n\r\n")
        assert client.answer().body.endswith(b"[DONE]\n\n")
        (done,) = proxy.settled(1)
    (request,) = upstream.requests
    assert request.json()["stream_options"] == {"include_usage": True}
    assert request.header("content-length") == str(len(request.body))
    assert request.header("transfer-encoding") is None
    assert done.extraction.parts[0].output_tokens == 187


def test_a_compressed_answer_keeps_its_chunk_because_it_cannot_be_taken_out() -> None:
    packed = gzip.compress(b"".join(mock.chat_events(2)))
    headers = ((b"content-type", b"text/event-stream"), (b"content-encoding", b"gzip"))
    reply = mock.Reply(200, headers, packed, "chunked")
    with serving(lambda _: reply) as (_, proxy), proxy.connect() as client:
        answer = client.post(CHAT, b'{"model":"gpt-4o","stream":true}', JSON)
        (done,) = proxy.settled(1)
    assert answer.body == packed
    assert done.extraction.parts[0].output_tokens == 187


def test_an_error_in_place_of_the_stream_passes_as_it_is() -> None:
    with serving(lambda _: mock.json_reply({"error": {"message": "no"}}, 400)) as (_, proxy):
        with proxy.connect() as client:
            answer = client.post(CHAT, b'{"model":"gpt-4o","stream":true}', JSON)
        (done,) = proxy.settled(1)
    assert (answer.status, answer.body) == (400, b'{"error": {"message": "no"}}')
    assert answer.header("content-length") is not None
    assert done.error_class == "invalid_request"


def test_events_still_pass_one_by_one() -> None:
    events = mock.chat_events(3)
    steps = [events[0], mock.Wait(0.3), *events[1:]]
    reply = mock.Reply(200, ((b"content-type", b"text/event-stream"),), steps, "chunked")
    with serving(lambda _: reply) as (_, proxy), proxy.connect() as client:
        body = b'{"model":"gpt-4o","stream":true}'
        client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(body)}") + body)
        assert b"word0" not in client.until(events[0])
        client.until(b"0\r\n\r\n")
        proxy.settled(1)


def test_an_http_1_0_client_gets_the_stream_without_the_chunk() -> None:
    with serving(respond) as (_, proxy), proxy.connect() as client:
        body = b'{"model":"gpt-4o","stream":true}'
        client.send(
            f"POST {CHAT} HTTP/1.0\r\nHost: 127.0.0.1:{proxy.port}\r\n{JSON}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        answer = client.until_closed().partition(b"\r\n\r\n")[2]
        proxy.settled(1)
    assert answer.startswith(b"data: ") and answer.endswith(b"data: [DONE]\n\n")
    assert b"prompt_tokens" not in answer


def test_a_large_request_is_changed_at_its_end_and_sent_piece_by_piece() -> None:
    """Whatever the pieces it comes in; an upstream that reads slowly gets all of it."""
    body = b'{"model":"gpt-4o","stream":true,"messages":"' + b"x" * 3_000_000 + b'"}'
    asked = body[:-1] + b',"stream_options":{"include_usage":true}}'
    with serving(respond) as (upstream, proxy):
        for pieces in (1, 2, 37):
            with proxy.connect() as client:
                client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(body)}"))
                step = len(body) // pieces + 1
                for start in range(0, len(body), step):
                    client.send(body[start : start + step])
                assert client.answer().body.endswith(b"[DONE]\n\n")
        dones = proxy.settled(3)
    assert all(request.body == asked for request in upstream.requests)
    assert [done.request_bytes for done in dones] == [len(body)] * 3


def test_a_large_request_keeps_the_options_it_has() -> None:
    options = b'"stream_options":{"include_usage":false}'
    body = b'{"model":"gpt-4o","stream":true,' + options + b',"messages":"' + b"x" * 1_000_000 + b'"}'
    with serving(respond) as (upstream, proxy), proxy.connect() as client:
        assert client.post(CHAT, body, JSON).body.endswith(b"[DONE]\n\n")
        proxy.settled(1)
    assert upstream.requests[0].body == body.replace(b"false", b"true")


def test_options_are_seen_however_a_large_body_is_cut() -> None:
    def outgoing() -> RequestBody:
        prepared: Any = SimpleNamespace(injectable=True, request=SimpleNamespace(chunked=False))
        meter: Any = SimpleNamespace(
            request_body=lambda _: None, request_end=lambda: RequestFacts(stream=True)
        )
        return RequestBody(prepared, len(body), meter, Limits())

    body = b'{"messages":"' + b"x" * 300_000 + b'","stream":true,"stream_options":{"a":1}}'
    at = body.index(b"stream_options")
    for cut in range(at - 3, at + 18):
        for step in (1, 5, 100):
            request = outgoing()
            request.feed(body[:cut])
            for start in range(cut, len(body), step):
                request.feed(body[start : start + step])
            assert request.pop() == body[:-2] + b',"include_usage":true}}', (cut, step)
            assert request.injected


def test_bodies_that_are_held_have_a_total_and_stream_beyond_it() -> None:
    """Twelve bodies of 16 MiB killed a process that was allowed 256 MiB."""
    filler = b" " * 300_000
    body = b'{"model":"gpt-4o","stream":true,"messages":[]' + filler + b"}"
    limits = Limits(held_total=700_000)
    with serving(respond, limits=limits) as (upstream, proxy):
        waiting = []
        for number in range(4):
            client = proxy.connect()
            client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(body)}") + body[:-1])
            waiting.append(client)
            held = min(number + 1, 2) * (len(body) - 1)
            proxy.settle(lambda held=held: proxy.proxy.state.held_bodies.bytes == held)
            # Those that find no room begin to stream.
            proxy.settle(lambda number=number: upstream.connections == max(0, number - 1))
        for client in waiting:
            client.send(body[-1:])
            assert client.answer().status == 200
            client.socket.close()
        proxy.settled(4)
        assert proxy.proxy.state.held_bodies.bytes == 0
    assert sum(request.body == body for request in upstream.requests) == 2
    assert sum(b"include_usage" in request.body for request in upstream.requests) == 2


def test_the_room_of_a_body_is_given_back_when_its_client_leaves() -> None:
    with serving(respond) as (_, proxy):
        client = proxy.connect()
        client.send(client.head("POST", CHAT, JSON, "Content-Length: 100000") + b"x" * 50_000)
        proxy.settle(lambda: proxy.proxy.state.held_bodies.bytes == 50_000)
        client.socket.close()
        proxy.settle(lambda: proxy.proxy.state.held_bodies.bytes == 0)
