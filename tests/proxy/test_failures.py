"""What goes wrong ends as what it is: the client's, the upstream's or ours, in exactly one row."""

from __future__ import annotations

import contextlib
import json
import socket
import time

import msgspec
import pytest
from proxy_harness import (
    QUICK,
    ProxyThread,
    Reply,
    Request,
    mock,
    serving,
    without_call_id,
)

from farebox.config import ProviderConfig
from farebox.proxy.limits import Limits

CHAT = "/openai/v1/chat/completions"
JSON = "Content-Type: application/json"
BODY = json.dumps({"model": "gpt-4o", "stream": True, "stream_options": {"include_usage": True}}).encode()
EVENTS = mock.chat_events(2)
STREAM = b"".join(
    [
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        *(mock.chunk(event) for event in EVENTS),
        b"0\r\n\r\n",
    ]
)
ANSWER = mock.render(mock.json_reply(b""), json.dumps(mock.chat_answer("hi")).encode())
USUAL = mock.raw_reply(ANSWER)


def test_an_upstream_that_resets_at_any_byte_leaves_one_row_that_says_so() -> None:
    cut_at: list[int] = []

    def respond(request: Request) -> Reply:
        return mock.raw_reply(ANSWER[: cut_at[-1]], mock.Wait(0.001), mock.Reset())

    stated = ANSWER.index(b"}}", ANSWER.index(b'"usage"')) + 1
    with serving(respond) as (upstream, proxy):
        for position in range(0, len(ANSWER), 7):
            cut_at.append(position)
            before = upstream.count
            with proxy.connect() as client:
                client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(BODY)}") + BODY)
                got = client.until_closed() if position > ANSWER.index(b"\r\n\r\n") + 3 else b""
                if not got:
                    answer = client.answer()
                    assert answer.status == 502
                    assert answer.header("x-farebox-error") is not None
                    assert json.loads(answer.body)["error"]["code"].startswith("upstream_closed")
                assert ANSWER.startswith(without_call_id(got))
            done = proxy.settled(len(cut_at))[-1]
            assert upstream.count == before + 1, "a POST was sent twice"
            known = "partial" if position > stated else "none"
            assert (done.outcome, done.extraction.completeness) == ("upstream_failed", known)
        assert len(proxy.journal.intents) == len(proxy.journal.dones) == len(cut_at)
        assert len({done.event_id for done in proxy.journal.dones}) == len(cut_at)


def test_an_upstream_that_closes_at_any_byte_of_a_stream_never_looks_complete() -> None:
    cut_at: list[int] = []

    def respond(request: Request) -> Reply:
        return mock.raw_reply(STREAM[: cut_at[-1]], mock.Close())

    head = STREAM.index(b"\r\n\r\n") + 4
    with serving(respond) as (_, proxy):
        for position in range(head, len(STREAM), 11):
            cut_at.append(position)
            with proxy.connect() as client:
                client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(BODY)}") + BODY)
                got = client.until_closed()
            assert STREAM.startswith(without_call_id(got))
            assert not got.endswith(b"0\r\n\r\n")
            done = proxy.settled(len(cut_at))[-1]
            assert done.outcome == "upstream_failed"
            whole = STREAM[:position].count(b"[DONE]\n\n") == 1
            assert (done.extraction.completeness == "final") >= whole


def test_a_client_that_leaves_at_any_byte_leaves_one_row_for_each_call_the_upstream_saw() -> None:
    def respond(request: Request) -> Reply:
        return mock.raw_reply(STREAM[:400], mock.Wait(0.02), STREAM[400:])

    request_length = 0
    with serving(respond) as (upstream, proxy):
        with proxy.connect() as client:
            request = client.head("POST", CHAT, JSON, f"Content-Length: {len(BODY)}") + BODY
            request_length = len(request)
        # While the request is sent: the upstream sees nothing of a request that was not whole.
        for position in range(0, request_length, 9):
            with proxy.connect() as client:
                client.send(request[:position])
        proxy.settle(lambda: not proxy.proxy.state.clients)
        assert upstream.count == 0
        assert proxy.journal.entries == []
        # While the answer comes.
        for turn, take in enumerate(range(0, len(STREAM), 97), 1):
            with proxy.connect() as client:
                client.send(request)
                got = 0
                while got < take:
                    got += len(client.socket.recv(take - got))
            proxy.settled(turn)
        proxy.settle(lambda: not proxy.proxy.state.clients)
    # One that leaves at once may be gone before the upstream has seen its request.
    assert upstream.count <= len(proxy.journal.intents) == len(proxy.journal.dones)
    assert len({done.event_id for done in proxy.journal.dones}) == len(proxy.journal.dones)
    outcomes = {done.outcome for done in proxy.journal.dones}
    assert "client_disconnected" in outcomes
    assert outcomes <= {"client_disconnected", "completed"}


MESSAGES = "/anthropic/v1/messages"
RESPONSES = "/openai/v1/responses"
GENERATE = "/google/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
CONTENT = json.dumps({"choices": [{"delta": {"content": "data: [DONE]"}}], "id": "c", "model": "gpt-4o"})
WHOLE_STREAMS = {
    "chat": (CHAT, EVENTS),
    "chat without usage": (CHAT, mock.chat_events(2, include_usage=False)),
    "chat, lines end in CRLF": (CHAT, [event.replace(b"\n", b"\r\n") for event in EVENTS]),
    "messages": (MESSAGES, [
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","model":"claude-x",'
        b'"usage":{"input_tokens":3,"output_tokens":1}}}\n\n',
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
        b'"usage":{"output_tokens":9}}\n\n',
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    ]),
    "responses": (RESPONSES, [
        b'data: {"type":"response.created","response":{"id":"r","model":"gpt-4o"}}\n\n',
        b'data: {"type":"response.completed","response":{"id":"r","model":"gpt-4o","output":["%s"],'
        b'"usage":{"input_tokens":3,"output_tokens":9}}}\n\n' % (b"x" * 9000),
    ]),
    "generate": (GENERATE, [
        b'data: {"candidates":[{"content":{}}],"modelVersion":"gemini-2.5-flash","responseId":"g"}\n\n',
        b'data: {"candidates":[{"finishReason":"STOP"}],"modelVersion":"gemini-2.5-flash","responseId":"g",'
        b'"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":9,"totalTokenCount":12}}\n\n',
    ]),
}  # fmt: skip
CUT_STREAMS = {
    "chat before [DONE]": (CHAT, EVENTS[:-1]),
    "chat that speaks of [DONE]": (CHAT, [*EVENTS[:2], f"data: {CONTENT}\n\n".encode()]),
    "messages before message_stop": (MESSAGES, WHOLE_STREAMS["messages"][1][:-1]),
    "responses before response.completed": (RESPONSES, WHOLE_STREAMS["responses"][1][:-1]),
    "generate before its end": (GENERATE, WHOLE_STREAMS["generate"][1][:-1]),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", [*WHOLE_STREAMS, *CUT_STREAMS])
def test_a_client_that_leaves_after_a_streams_last_event_has_completed_its_call(
    name: str, packed: bool
) -> None:
    path, events = {**WHOLE_STREAMS, **CUT_STREAMS}[name]
    kind = b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
    body = b"".join(events)
    if packed:
        import zlib

        squeeze = zlib.compressobj(wbits=31)
        body = squeeze.compress(body) + squeeze.flush(zlib.Z_SYNC_FLUSH)
        kind += b"content-encoding: gzip\r\n"
    sent = b"HTTP/1.1 200 OK\r\n" + kind + b"\r\n" + mock.chunk(body)

    def respond(request: Request) -> Reply:
        return mock.raw_reply(sent, mock.Hang())

    with serving(respond, provider=path.split("/")[1]) as (_, proxy):
        with proxy.connect() as client:
            client.send(client.head("POST", path, JSON, f"Content-Length: {len(BODY)}") + BODY)
            client.until(mock.chunk(body))
        (done,) = proxy.settled(1)
    if name in WHOLE_STREAMS:
        assert (done.outcome, done.error_class) == ("completed", None)
    else:
        assert (done.outcome, done.error_class) == ("client_disconnected", "client_disconnected")


def test_a_client_that_leaves_cancels_the_upstream() -> None:
    def respond(request: Request) -> Reply:
        return mock.sse_reply(mock.chat_events(1000), pace_s=0.02)

    with serving(respond) as (upstream, proxy):
        with proxy.connect() as client:
            client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(BODY)}") + BODY)
            client.until(b"word1 ")
        (done,) = proxy.settled(1)
        proxy.settle(lambda: upstream.abandoned == 1)
    assert (done.outcome, done.error_class) == ("client_disconnected", "client_disconnected")
    assert done.extraction.completeness == "none"
    assert done.extraction.reason == "client_disconnected"


def test_an_unreachable_upstream_is_answered_in_the_providers_shape() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        providers = {name: ProviderConfig(upstream=url) for name in ("openai", "anthropic", "google")}
        with ProxyThread(providers) as proxy, proxy.connect() as client:
            openai = client.post(CHAT, b"{}", JSON)
            anthropic = client.post("/anthropic/v1/messages", b"{}", JSON)
            google = client.post("/google/v1beta/models/gemini-2.5-pro:generateContent", b"{}", JSON)
            dones = proxy.settled(3)
    assert {answer.status for answer in (openai, anthropic, google)} == {502}
    assert json.loads(openai.body)["error"]["code"] == "connect_failed"
    assert json.loads(anthropic.body)["type"] == "error"
    assert json.loads(google.body)["error"]["code"] == 502
    assert {done.outcome for done in dones} == {"upstream_failed"}
    assert {done.error_class for done in dones} == {"connect_failed"}


def test_an_unknown_name_is_an_upstream_failure() -> None:
    providers = {"openai": ProviderConfig(upstream="http://no-such-host.invalid")}
    with ProxyThread(providers) as proxy, proxy.connect() as client:
        assert client.post(CHAT, b"{}", JSON).status == 502
        (done,) = proxy.settled(1)
    assert done.error_class == "dns_failed"


def test_an_upstream_that_accepts_nobody_is_a_time_out() -> None:
    """On Linux a listener that accepts nothing leaves a handshake unanswered when its queue is full."""
    with socket.socket() as busy, contextlib.ExitStack() as waiting:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        for _ in range(4):
            queued = waiting.enter_context(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(busy.getsockname())
        providers = {"openai": ProviderConfig(upstream=f"http://127.0.0.1:{busy.getsockname()[1]}")}
        limits = msgspec.structs.replace(QUICK, connect_s=0.2)
        with ProxyThread(providers, limits=limits) as proxy, proxy.connect() as client:
            assert client.post(CHAT, b"{}", JSON).status == 504
            (done,) = proxy.settled(1)
    assert (done.outcome, done.error_class) == ("upstream_failed", "connect_timeout")


def test_an_upstream_that_never_answers_is_a_time_out() -> None:
    with (
        serving(lambda _: mock.raw_reply(mock.Hang()), limits=QUICK) as (_, proxy),
        proxy.connect() as client,
    ):
        answer = client.post(CHAT, b"{}", JSON)
        (done,) = proxy.settled(1)
    assert answer.status == 504
    assert (done.outcome, done.error_class, done.status) == ("timed_out", "first_byte_timeout", 504)


def test_an_upstream_that_stops_in_the_middle_is_a_time_out() -> None:
    raw = mock.raw_reply(STREAM[:500], mock.Hang())
    with serving(lambda _: raw, limits=QUICK) as (_, proxy), proxy.connect() as client:
        client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(BODY)}") + BODY)
        assert without_call_id(client.until_closed()) == STREAM[:500]
        (done,) = proxy.settled(1)
    assert (done.outcome, done.error_class, done.status) == ("timed_out", "upstream_idle_timeout", 200)


def test_headers_that_do_not_arrive_in_time_are_a_408() -> None:
    with serving(lambda _: USUAL, limits=QUICK) as (_, proxy):
        with proxy.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nHost: ")
            assert client.until_closed().startswith(b"HTTP/1.1 408")
        with proxy.connect() as silent:
            assert silent.until_closed() == b""


def test_a_head_that_drips_is_timed_from_its_first_byte() -> None:
    with serving(lambda _: USUAL, limits=QUICK) as (_, proxy), proxy.connect() as client:
        assert client.post(CHAT, b"{}", JSON).status == 200
        started = time.monotonic()
        client.socket.settimeout(0.02)
        got = b""
        while not got and time.monotonic() - started < 5:
            client.send(b"G")
            try:
                got = client.socket.recv(100)
            except TimeoutError:
                continue
        assert got.startswith(b"HTTP/1.1 408")


def test_a_body_that_stops_coming_is_a_408_and_a_refused_row() -> None:
    with serving(lambda _: USUAL, limits=QUICK) as (upstream, proxy), proxy.connect() as client:
        client.send(client.head("POST", CHAT, JSON, "Content-Length: 10") + b"{}")
        assert client.until_closed().startswith(b"HTTP/1.1 408")
        (done,) = proxy.settled(1)
        assert (done.outcome, done.error_class) == ("refused", "body_timeout")
        assert upstream.count == 0
        assert proxy.journal.intents == []


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        (414, "GET /" + "x" * 9000 + " HTTP/1.1"),
        (414, "x" * 9000),
        (431, "GET / HTTP/1.1\r\nHost: h\r\nA: " + "x" * 9000),
        (431, "GET / HTTP/1.1\r\nHost: h\r\n" + "A: b\r\n" * 100),
        (431, "GET / HTTP/1.1\r\nHost: h\r\n" + ("A: " + "x" * 7000 + "\r\n") * 10),
    ],
)
def test_heads_over_the_limits_get_their_exact_status(status: int, lines: str) -> None:
    with serving(lambda _: USUAL, limits=QUICK) as (_, proxy), proxy.connect() as client:
        client.send(lines.encode() + b"\r\n\r\n")
        assert client.until_closed().startswith(b"HTTP/1.1 %d" % status)


def test_heads_just_under_the_limits_pass() -> None:
    with serving(lambda _: USUAL) as (_, proxy), proxy.connect() as client:
        assert client.get("/openai/" + "x" * 7000).status == 200
        assert client.get("/openai/x", *[f"A{n}: {'v' * 400}" for n in range(99)]).status == 200


def test_a_pooled_connection_that_the_upstream_has_closed_fails_no_call() -> None:
    with serving(lambda _: USUAL) as (upstream, proxy), proxy.connect() as client:
        for _ in range(5):
            assert client.post(CHAT, b"{}", JSON).status == 200
            upstream.drop_idle()
            time.sleep(0.02)
        assert upstream.connections == 5
        assert {done.outcome for done in proxy.settled(5)} == {"completed"}


def _closes_second(methods: list[bytes]):  # type: ignore[no-untyped-def]
    """Answer a connection's first request, close at its second as if it had been idle too long."""
    seen: dict[int, int] = {}

    def respond(request: Request) -> Reply:
        methods.append(request.method)
        seen[request.connection] = seen.get(request.connection, 0) + 1
        return USUAL if seen[request.connection] == 1 else mock.raw_reply(mock.Close())

    return respond


def test_a_safe_request_is_sent_again_when_a_reused_connection_closes_unanswered() -> None:
    methods: list[bytes] = []
    with serving(_closes_second(methods)) as (_, proxy), proxy.connect() as client:
        client.get("/openai/v1/models")
        assert client.get("/openai/v1/models").status == 200
        dones = proxy.settled(2)
        assert len(proxy.journal.intents) == 2
    assert methods == [b"GET"] * 3
    assert {done.outcome for done in dones} == {"completed"}


@pytest.mark.parametrize("headers", [(), ("Idempotency-Key: k",)])
def test_a_post_is_never_sent_twice_because_that_could_bill_twice(headers: tuple[str, ...]) -> None:
    """Whether a provider honours an idempotency key, nobody but the provider knows."""
    methods: list[bytes] = []
    with serving(_closes_second(methods)) as (_, proxy), proxy.connect() as client:
        assert client.post(CHAT, BODY, JSON, *headers).status == 200
        assert client.post(CHAT, BODY, JSON, *headers).status == 502
        dones = proxy.settled(2)
    assert methods == [b"POST", b"POST"]
    assert [done.outcome for done in dones] == ["completed", "upstream_failed"]


def test_more_clients_than_fit_are_turned_away_and_the_others_served() -> None:
    with serving(lambda _: USUAL, clients_max=8, limits=Limits(sweep_s=0.02)) as (_, proxy):
        kept = [proxy.connect() for _ in range(8)]
        proxy.settle(lambda: len(proxy.proxy.state.clients) == 8)
        with proxy.connect() as ninth:
            assert ninth.until_closed().startswith(b"HTTP/1.1 503")
        for client in kept:
            assert client.post(CHAT, b"{}", JSON).status == 200
            client.socket.close()


def test_every_error_shape_of_the_catalog_is_known() -> None:
    from farebox import catalog
    from farebox.proxy.admission.own_response import SHAPES

    used = {provider.error_shape for provider in catalog.load({}).providers.values()}
    assert used <= set(SHAPES)
