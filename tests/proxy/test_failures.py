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
    MockUpstream,
    ProxyThread,
    Reply,
    Request,
    certificate,
    mock,
    server_tls,
    serving,
)

from farebox.config import ProviderConfig
from farebox.proxy.limits import Limits
from farebox.proxy.upstream import Origin, UpstreamConnection

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
                assert ANSWER.startswith(got)
            done = proxy.settled(len(cut_at))[-1]
            assert upstream.count == before + 1, "a POST was sent twice"
            assert (done.outcome, done.extraction.completeness) == ("upstream_failed", "none")
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
            assert STREAM.startswith(got)
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
        proxy.settle(lambda: not proxy.proxy.clients)
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
        proxy.settle(lambda: not proxy.proxy.clients)
    # One that leaves at once may be gone before the upstream has seen its request.
    assert upstream.count <= len(proxy.journal.intents) == len(proxy.journal.dones)
    assert len({done.event_id for done in proxy.journal.dones}) == len(proxy.journal.dones)
    outcomes = {done.outcome for done in proxy.journal.dones}
    assert "client_disconnected" in outcomes
    assert outcomes <= {"client_disconnected", "completed"}


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
        assert client.until_closed() == STREAM[:500]
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


def test_a_client_that_takes_nothing_is_cut_off() -> None:
    def respond(request: Request) -> Reply:
        return mock.Reply(200, (), [b"x" * 65536] * 400, "chunked")

    with serving(respond, limits=QUICK) as (_, proxy), proxy.connect() as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send(client.head("GET", "/openai/v1/x"))
        (done,) = proxy.settled(1)
    assert (done.outcome, done.error_class) == ("timed_out", "client_stalled")


def test_a_slow_client_holds_back_the_upstream_instead_of_filling_memory() -> None:
    sent: list[int] = []

    def respond(request: Request) -> Reply:
        def steps():  # type: ignore[no-untyped-def]
            for number in range(400):
                sent.append(number)
                yield b"x" * 65536

        return mock.Reply(200, (), steps(), "chunked")

    with serving(respond) as (_, proxy), proxy.connect() as client:
        client.send(client.head("GET", "/openai/v1/x"))
        client.until(b"\r\n\r\n")
        time.sleep(0.3)
        assert len(sent) < 400, "26 MB were taken in for a client that reads nothing"
        end = b""
        while not end.endswith(b"\r\n0\r\n\r\n"):
            end = end[-7:] + client.socket.recv(1 << 20)
        (done,) = proxy.settled(1)
    assert done.response_bytes == 400 * 65536


def test_a_slow_upstream_holds_back_the_client() -> None:
    """The mock answers early and never reads on: what the client sends must pile up nowhere."""
    import threading

    class Deaf:
        def __init__(self) -> None:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    deaf = Deaf()
    with ProxyThread({"openai": ProviderConfig(upstream=deaf.url)}) as proxy, proxy.connect() as client:
        accepted: list[socket.socket] = []
        thread = threading.Thread(target=lambda: accepted.append(deaf.listener.accept()[0]))
        thread.start()
        client.send(client.head("POST", "/openai/v1/x", f"Content-Length: {64 << 20}"))
        client.socket.settimeout(0.5)
        passed = 0
        with pytest.raises(TimeoutError):
            while passed < 64 << 20:
                passed += client.socket.send(b"x" * 65536)
        thread.join()
        assert passed < 32 << 20
        accepted[0].close()
        deaf.listener.close()
        proxy.settled(1)


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


def test_an_early_answer_reaches_a_client_that_is_still_sending() -> None:
    def early(request: Request) -> Reply | None:
        return mock.json_reply({"error": "too large"}, 413)

    with serving(lambda _: USUAL, upstream={"respond_early": early}) as (_, proxy), proxy.connect() as client:
        client.send(client.head("POST", "/openai/v1/files", f"Content-Length: {50 << 20}"))
        client.send(b"x" * 100_000)
        answer = client.answer()
        assert answer.status == 413
        assert answer.header("connection") == b"close"
        (done,) = proxy.settled(1)
    assert done.status == 413


class _NeverReads:
    """An upstream that waits for a request's first bytes, says what it is told and reads no further."""

    def __init__(self, says: bytes = b"") -> None:
        import threading

        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.accepted: list[socket.socket] = []
        self._says = says
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def _accept(self) -> None:
        connection = self.listener.accept()[0]
        self.accepted.append(connection)
        connection.recv(16)
        connection.sendall(self._says)

    def __enter__(self) -> _NeverReads:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)
        for connection in self.accepted:
            connection.close()
        self.listener.close()


def _send_until_stuck(connection: socket.socket, most: int) -> int:
    """Send until nothing more is taken for a while, `most` bytes at most."""
    connection.settimeout(0.3)
    passed = 0
    try:
        while passed < most:
            passed += connection.send(b"x" * 65536)
    except TimeoutError:
        pass
    connection.settimeout(10)
    return passed


def test_what_came_before_the_upstream_was_there_does_not_lift_its_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first write can already be too much for the upstream: the client then stays paused."""
    import asyncio

    made = UpstreamConnection.connection_made
    opened = Origin._open  # pyright: ignore[reportPrivateUsage]

    def small(self: UpstreamConnection, transport: asyncio.BaseTransport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        made(self, transport)

    async def slow(self: Origin) -> UpstreamConnection:
        await asyncio.sleep(0.2)
        return await opened(self)

    monkeypatch.setattr(UpstreamConnection, "connection_made", small)
    monkeypatch.setattr(Origin, "_open", slow)
    limits = msgspec.structs.replace(QUICK, write_stall_s=2.0)
    with (
        _NeverReads() as upstream,
        ProxyThread({"openai": ProviderConfig(upstream=upstream.url)}, limits=limits) as proxy,
        proxy.connect() as client,
    ):
        client.send(client.head("POST", "/openai/v1/x", f"Content-Length: {64 << 20}"))
        assert _send_until_stuck(client.socket, 64 << 20) < 64 << 20
        (connection,) = proxy.proxy.clients
        assert connection.exchange is not None
        waiting = connection.exchange.upstream
        assert waiting is not None
        assert waiting.transport.get_write_buffer_size() < 4 << 20
        client.socket.close()
        proxy.settled(1)


@pytest.mark.parametrize(
    ("says", "status"), [(b"", 504), (b"HTTP/1.1 413 No\r\nContent-Length: 100\r\n\r\nxx", 413)]
)
def test_an_upstream_that_stops_reading_is_a_time_out(says: bytes, status: int) -> None:
    with (
        _NeverReads(says) as upstream,
        ProxyThread({"openai": ProviderConfig(upstream=upstream.url)}, limits=QUICK) as proxy,
        proxy.connect() as client,
    ):
        client.send(client.head("POST", "/openai/v1/x", f"Content-Length: {64 << 20}"))
        with contextlib.suppress(ConnectionError):
            _send_until_stuck(client.socket, 64 << 20)
        (done,) = proxy.settled(1)
    assert (done.outcome, done.error_class, done.status) == ("timed_out", "upstream_stalled", status)


def test_a_client_that_pipelines_and_does_not_read_piles_up_nothing() -> None:
    small = mock.render(mock.Reply(200, ()), b"x" * 60_000)
    large = mock.render(mock.Reply(200, ()), b"x" * (20 << 20))

    def respond(request: Request) -> Reply:
        return mock.raw_reply(large if request.path.endswith("large") else small)

    with serving(respond) as (_, proxy):
        with proxy.connect() as client:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            for _ in range(60):
                client.send(client.head("GET", "/openai/v1/small"))
            client.send(client.head("GET", "/openai/v1/large"))
            proxy.settle(lambda: any(found.stalled_since for found in proxy.proxy.clients))
            time.sleep(0.3)
            (connection,) = proxy.proxy.clients
            assert connection.transport.get_write_buffer_size() < 2 << 20
        proxy.settle(lambda: proxy.proxy.in_flight == 0)


def test_our_own_answers_pile_up_nowhere_either() -> None:
    with serving(lambda _: USUAL) as (_, proxy):
        with proxy.connect() as client:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.socket.settimeout(0.3)
            request = client.head("GET", "/health")
            with pytest.raises(TimeoutError):
                for _ in range(200):
                    client.socket.sendall(request * 1000)
            (connection,) = proxy.proxy.clients
            assert connection.transport.get_write_buffer_size() < 1 << 20
            assert len(connection.buffer) < 1 << 20
            client.socket.settimeout(10)
        proxy.settle(lambda: not proxy.proxy.clients)


def test_an_early_answer_reaches_a_slow_reader_whole() -> None:
    large = b"y" * (6 << 20)

    limits = msgspec.structs.replace(QUICK, linger_s=0.05, write_stall_s=5.0)
    with (
        _NeverReads(mock.render(mock.Reply(413), large)) as upstream,
        ProxyThread({"openai": ProviderConfig(upstream=upstream.url)}, limits=limits) as proxy,
        proxy.connect() as client,
    ):
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send(client.head("POST", "/openai/v1/files", f"Content-Length: {50 << 20}"))
        client.send(b"x" * 300_000)
        got = 0
        while piece := client.socket.recv(65536):
            got += len(piece)
            time.sleep(0.01)
        (done,) = proxy.settled(1)
    assert got > len(large)
    assert done.outcome == "completed"


def test_redirects_are_handed_on_and_not_followed() -> None:
    location = (b"location", b"http://169.254.169.254/latest")
    with serving(lambda _: mock.Reply(302, (location,))) as (upstream, proxy), proxy.connect() as client:
        answer = client.get("/openai/v1/x")
        assert answer.status == 302
        assert answer.header("location") == location[1]
    assert upstream.count == 1


# Addresses


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "0.0.0.0", "[::1]",  # noqa: S104
      "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1",
     "192.168.1.1", "172.16.0.1", "100.64.0.1", "[fe80::1]", "[fd00::1]", "224.0.0.1", "127.1", "2130706433",
     "[64:ff9b::7f00:1]", "[2002:7f00:1::]"],
)  # fmt: skip
def test_a_catalog_host_that_means_a_private_address_is_refused(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MockUpstream(lambda _: USUAL) as upstream:
        proxy = ProxyThread({})
        route = proxy.proxy.routes.find(b"/openai/v1/x")
        assert route is not None
        origin = route[0].origin
        assert not origin.private_allowed
        origin.host, origin.port, origin.secure = host.strip("[]"), upstream.port, False
        with proxy, proxy.connect() as client:
            answer = client.post(CHAT, b"{}", JSON)
            (done,) = proxy.settled(1)
        assert answer.status == 502
        assert done.error_class == "policy:address"
        assert upstream.connections == 0


def test_an_address_of_our_own_is_refused_even_when_configured() -> None:
    with socket.socket() as placeholder:
        placeholder.bind(("127.0.0.1", 0))
        port = placeholder.getsockname()[1]
    for host in ("127.0.0.1", "localhost", "127.0.0.2", "0.0.0.0"):  # noqa: S104
        proxy = ProxyThread({"openai": ProviderConfig(upstream=f"http://{host}:{port}")})
        for origin in proxy.proxy.routes.origins:
            origin.own_ports = lambda: frozenset((port,))
        with proxy, proxy.connect() as client:
            assert client.post(CHAT, b"{}", JSON).status == 502
            assert proxy.settled(1)[0].error_class == "policy:address"


def test_public_addresses_are_fine() -> None:
    from farebox.proxy import addresses

    for address in ("8.8.8.8", "2606:4700::1111", "1.1.1.1"):
        assert addresses.refusal(address, 443, private_allowed=False, own_ports=frozenset()) is None


# TLS


@pytest.fixture
def tls_files(tmp_path, monkeypatch):  # type: ignore[no-untyped-def]
    files = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
    return files


def test_tls_upstreams_are_verified_pooled_and_resume_their_sessions(tls_files) -> None:  # type: ignore[no-untyped-def]
    context = server_tls(*tls_files[1:])
    with MockUpstream(lambda _: USUAL, tls=context) as upstream:
        url = f"https://localhost:{upstream.port}"
        with ProxyThread({"openai": ProviderConfig(upstream=url)}) as proxy, proxy.connect() as client:
            for _ in range(3):
                assert client.post(CHAT, b"{}", JSON).status == 200
            assert upstream.connections == 1
            upstream.drop_idle()
            proxy.settle(lambda: not any(origin.live for origin in proxy.proxy.routes.origins))
            assert client.post(CHAT, b"{}", JSON).status == 200
            assert upstream.connections == 2
            assert context.session_stats()["hits"] == 1
            proxy.settled(4)


def test_a_certificate_for_another_name_is_refused(tls_files) -> None:  # type: ignore[no-untyped-def]
    with MockUpstream(lambda _: USUAL, tls=server_tls(*tls_files[1:])) as upstream:
        url = f"https://127.0.0.1:{upstream.port}"
        with ProxyThread({"openai": ProviderConfig(upstream=url)}) as proxy, proxy.connect() as client:
            assert client.post(CHAT, b"{}", JSON, "Authorization: Bearer sk-secret").status == 502
            (done,) = proxy.settled(1)
        assert done.error_class == "tls_failed"
        assert upstream.count == 0


def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    files = certificate(tmp_path, "localhost")
    with MockUpstream(lambda _: USUAL, tls=server_tls(*files[1:])) as upstream:
        url = f"https://localhost:{upstream.port}"
        with ProxyThread({"openai": ProviderConfig(upstream=url)}) as proxy, proxy.connect() as client:
            assert client.post(CHAT, b"{}", JSON).status == 502
            assert proxy.settled(1)[0].error_class == "tls_failed"
        assert upstream.count == 0


def test_an_expired_certificate_is_refused(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    files = certificate(tmp_path, "localhost", days=-1)
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
    with MockUpstream(lambda _: USUAL, tls=server_tls(*files[1:])) as upstream:
        url = f"https://localhost:{upstream.port}"
        with ProxyThread({"openai": ProviderConfig(upstream=url)}) as proxy, proxy.connect() as client:
            assert client.post(CHAT, b"{}", JSON).status == 502
            assert proxy.settled(1)[0].error_class == "tls_failed"


def test_a_server_that_does_not_speak_tls_is_an_upstream_failure() -> None:
    with MockUpstream(lambda _: USUAL) as upstream:
        url = f"https://127.0.0.1:{upstream.port}"
        with ProxyThread({"openai": ProviderConfig(upstream=url)}, limits=QUICK) as proxy:
            with proxy.connect() as client:
                assert client.post(CHAT, b"{}", JSON).status in (502, 504)
            assert proxy.settled(1)[0].outcome == "upstream_failed"


# Too many


def test_more_clients_than_fit_are_turned_away_and_the_others_served() -> None:
    with serving(lambda _: USUAL, clients_max=8, limits=Limits(sweep_s=0.02)) as (_, proxy):
        kept = [proxy.connect() for _ in range(8)]
        proxy.settle(lambda: len(proxy.proxy.clients) == 8)
        with proxy.connect() as ninth:
            assert ninth.until_closed().startswith(b"HTTP/1.1 503")
        for client in kept:
            assert client.post(CHAT, b"{}", JSON).status == 200
            client.socket.close()


def test_every_error_shape_of_the_catalog_is_known() -> None:
    from proxy_harness import load_catalog

    from farebox.proxy.answers import SHAPES

    used = {provider.error_shape for provider in load_catalog({}).providers.values()}
    assert used <= set(SHAPES)
