"""A peer that reads too slowly is not sent more, and nothing piles up for it."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
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
)

from farebox.config import ProviderConfig
from farebox.proxy.upstream.connection import Origin, UpstreamConnection

ANSWER = mock.render(mock.json_reply(b""), json.dumps(mock.chat_answer("hi")).encode())
USUAL = mock.raw_reply(ANSWER)


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
    limits = msgspec.structs.replace(QUICK, write_stall_s=60.0)
    with (
        _NeverReads() as upstream,
        ProxyThread({"openai": ProviderConfig(upstream=upstream.url)}, limits=limits) as proxy,
        proxy.connect() as client,
    ):
        client.send(client.head("POST", "/openai/v1/x", f"Content-Length: {64 << 20}"))
        assert _send_until_stuck(client.socket, 64 << 20) < 64 << 20
        (connection,) = proxy.proxy.state.clients
        assert connection.exchange is not None
        waiting = connection.exchange.upstream
        assert waiting is not None
        assert waiting.transport.get_write_buffer_size() < 4 << 20
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()  # a reset, of which only the kernel knows: nobody reads from it now
        (done,) = proxy.settled(1)
    assert done.outcome == "client_disconnected"


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
            proxy.settle(lambda: any(found.stalled_since for found in proxy.proxy.state.clients))
            time.sleep(0.3)
            (connection,) = proxy.proxy.state.clients
            assert connection.transport.get_write_buffer_size() < 2 << 20
        proxy.settle(lambda: proxy.proxy.state.in_flight == 0)


def test_our_own_answers_pile_up_nowhere_either() -> None:
    with serving(lambda _: USUAL) as (_, proxy):
        with proxy.connect() as client:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.socket.settimeout(0.3)
            request = client.head("GET", "/health")
            with pytest.raises(TimeoutError):
                for _ in range(200):
                    client.socket.sendall(request * 1000)
            (connection,) = proxy.proxy.state.clients
            assert connection.transport.get_write_buffer_size() < 1 << 20
            assert len(connection.buffer) < 1 << 20
            client.socket.settimeout(10)
        proxy.settle(lambda: not proxy.proxy.state.clients)


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
