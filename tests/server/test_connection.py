"""What a client may send to the dashboard's port before it has shown a token: all of it is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from farebox.home import Home
from farebox.server.access.connection import Connection, Limits

QUICK = Limits(request_s=0.3, linger_s=0.2, write_stall_s=0.4, connections=8)
SMALL = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class QuickConnection(Connection):
    limits = QUICK


class App:
    """Says how many requests it has seen; `/big` and `/slow` are what they say."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.release = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        self.seen.append(scope["path"])
        body = b"x" * (64 << 20) if scope["path"] == "/big" else scope["path"].encode()
        if scope["path"] == "/echo":
            message = {"more_body": True}
            body = b""
            while message["more_body"]:
                message = await receive()
                body += message["body"]
        while scope["path"] == "/slow" and not self.release.is_set():  # noqa: ASYNC110  # a thread's event
            await asyncio.sleep(0.01)
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-length", b"%d" % len(body))]})  # fmt: skip
        await send({"type": "http.response.body", "body": body})


class Served:
    def __init__(self, protocol: type[asyncio.Protocol]) -> None:
        self.app = App()
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        config = uvicorn.Config(self.app, http=protocol, ws="none", lifespan="off", log_config=None,
                                log_level="critical", timeout_graceful_shutdown=1)  # fmt: skip
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([listener],), daemon=True)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def ask(self, request: bytes) -> bytes:
        """Send a request and return everything until the connection ends."""
        with self.connect() as client:
            with contextlib.suppress(ConnectionError):
                client.sendall(request)
            return until_closed(client)


def until_closed(client: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65536):
            data += piece
    return data


@pytest.fixture
def served() -> Iterator[Served]:
    found = Served(QuickConnection)
    found.thread.start()
    yield found
    found.app.release.set()
    found.server.should_exit = True
    found.thread.join(20)


def code_of(response: bytes) -> tuple[int, str]:
    head, _, body = response.partition(b"\r\n\r\n")
    return int(head.split()[1]), msgspec.json.decode(body)["code"]


def test_a_request_is_answered_and_its_connection_kept(served: Served) -> None:
    with served.connect() as client:
        for path in (b"/a", b"/b"):
            client.sendall(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
            assert client.recv(65536).endswith(b"\r\n\r\n" + path)


def test_a_head_may_come_byte_by_byte(served: Served) -> None:
    with served.connect() as client:
        for byte in SMALL:
            client.sendall(bytes((byte,)))
        assert client.recv(65536).endswith(b"\r\n\r\n/")


@pytest.mark.parametrize(
    ("head", "refused"),
    [
        (b"GET /" + b"x" * 9_000, (414, "line_too_long")),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9_000 + b"\r\n\r\n", (431, "line_too_long")),
        (b"GET / HTTP/1.1\r\n" + b"X: %b\r\n" % (b"x" * 8_000) * 10, (431, "headers_too_large")),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n", (431, "too_many_headers")),
        (b"GET / HTTP/1.1\nHost: x\n\n", (400, "malformed")),
        (b"\r\n\r\n", (400, "malformed")),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (411, "length_required")),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", (411, "length_required")),
        (b"POST / HTTP/1.1\r\nContent-Length: 1e9\r\n\r\n", (400, "length_invalid")),
        (b"POST / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n" + b"x" * 70_000, (413, "body_too_large")),
    ],
)  # fmt: skip
def test_what_is_too_much_is_refused_before_anybody_looks_at_it(
    head: bytes, refused: tuple[int, str], served: Served
) -> None:
    assert code_of(served.ask(head)) == refused
    assert served.app.seen == []


def test_what_just_fits_is_answered(served: Served) -> None:
    most = b"X: y\r\n" * 98
    assert b" 200 " in served.ask(b"GET / HTTP/1.1\r\n" + most + b"Connection: close\r\n\r\n")[:16]
    long = b"Connection: close\r\n" + b"X: %b\r\n" % (b"y" * 8_000) * 7
    assert b" 200 " in served.ask(b"GET / HTTP/1.1\r\n" + long + b"\r\n")[:16]


def test_a_head_that_does_not_end_is_given_up(served: Served) -> None:
    with served.connect() as begun, served.connect() as silent:
        begun.sendall(b"GET / HTTP/1.1\r\n")
        assert code_of(until_closed(begun)) == (408, "request_timeout")
        assert until_closed(silent) == b""
    with served.connect() as client:  # the second request of a connection, too
        client.sendall(SMALL)
        assert client.recv(65536).endswith(b"/")
        client.sendall(b"GET /")
        assert code_of(until_closed(client)) == (408, "request_timeout")


def test_a_body_comes_whole_and_in_time(served: Served) -> None:
    post = b"POST /echo HTTP/1.1\r\nContent-Length: 6\r\n\r\n"
    with served.connect() as client:
        client.sendall(post + b"abc")
        client.sendall(b"def" + SMALL)
        data = b""
        while data.count(b"HTTP/1.1 200") < 2:
            data += client.recv(65536)
        assert b"\r\n\r\nabcdef" in data
        client.sendall(post + b"abc")
        assert until_closed(client) == b""
    assert served.app.seen == ["/echo", "/", "/echo"]


def test_a_client_that_does_not_read_is_left(served: Served) -> None:
    with served.connect() as client:
        client.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        deadline = time.monotonic() + 10
        while served.server.server_state.connections or not served.app.seen:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_pipelined_requests_are_answered_in_turn_and_read_a_few_at_a_time(served: Served) -> None:
    with served.connect() as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        client.settimeout(0.5)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 64 << 20:  # more than the kernel's buffers hold
                sent += client.send(SMALL * 2_000)
        assert sent < 64 << 20, "all of it was read"
        assert served.app.seen == ["/slow"]
        connection: Any
        (connection,) = served.server.server_state.connections
        assert len(connection._held) <= QUICK.pipelined + 256 * 1024


def test_silent_connections_make_room_for_new_ones(served: Served) -> None:
    with contextlib.ExitStack() as opened:
        for _ in range(4 * QUICK.connections):
            opened.enter_context(served.connect()).sendall(b"GET /")
        assert b" 200 " in served.ask(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")[:16]


def test_one_connection_too_many_is_refused_where_all_are_served(served: Served) -> None:
    with contextlib.ExitStack() as opened:
        for number in range(QUICK.connections):
            client = opened.enter_context(served.connect())
            client.sendall(b"GET /slow HTTP/1.1\r\nHost: %d\r\n\r\n" % number)
        while len(served.app.seen) < QUICK.connections:
            time.sleep(0.01)
        assert code_of(served.ask(SMALL)) == (503, "too_many_connections")
        served.app.release.set()
    while served.server.server_state.connections:
        time.sleep(0.01)
    assert b" 200 " in served.ask(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")[:16]


def test_an_upgrade_is_answered_and_the_connection_closed(served: Served) -> None:
    request = b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert served.ask(request + SMALL).count(b"HTTP/1.1 200") == 1


# The server as a process, and what it costs.

_PLAIN = (
    "import sys; from farebox.server import server_process, __main__; "
    "from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol; "
    "server_process.Connection = HttpToolsProtocol; sys.exit(__main__.run(sys.argv[1:]))"
)


@contextlib.contextmanager
def running(home: Home, *program: str) -> Iterator[tuple[int, int]]:
    """Run the server; yield its pid and port."""
    command = [sys.executable, *program, "--home", str(home.path), "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 30
        file = home.run / "server.json"
        while not file.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        yield process.pid, msgspec.json.decode(file.read_bytes())["port"]
    finally:
        process.terminate()
        process.wait(30)


def peak_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def flood(port: int, start: bytes, more: bytes, size: int) -> None:
    """Send `size` bytes, as many as are taken, without reading."""
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.settimeout(1)
        with contextlib.suppress(OSError):
            client.sendall(start)
            for _ in range(size // len(more)):
                client.sendall(more)


HEADER = b"GET / HTTP/1.1\r\nHost: x\r\nX: "
URL = b"GET /"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_floods_cost_the_server_next_to_nothing(home: Home) -> None:
    """300 MB headers and URLs, 400 heads that do not end, 600,000 pipelined requests."""
    with running(home, "-m", "farebox.server") as (pid, port), contextlib.ExitStack() as opened:
        before = peak_kb(pid)
        for start in (HEADER, URL):
            flood(port, start, b"x" * (1 << 20), 300 << 20)
        flood(port, b"", SMALL * 10_000, 600_000 * len(SMALL))
        partial = [
            opened.enter_context(socket.create_connection(("127.0.0.1", port), 20)) for _ in range(400)
        ]
        for client in partial:
            with contextlib.suppress(OSError):
                client.sendall(b"GET / HTTP/1.1\r\n" + b"X: %b\r\n" % (b"y" * 8_000) * 6)
        grown = peak_kb(pid) - before
        for client in partial:
            client.settimeout(20)
            assert until_closed(client)[9:12] in (b"408", b"")
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n" % port)
            assert until_closed(client).startswith(b"HTTP/1.1 401 ")
    assert grown < 16 * 1024, f"{grown} KB"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_without_our_protocol_the_same_flood_is_seen(home: Home) -> None:
    """The control: the measure sees what uvicorn alone would keep of 60 MB."""
    assert issubclass(Connection, HttpToolsProtocol)
    with running(home, "-c", _PLAIN) as (pid, port):
        before = peak_kb(pid)
        flood(port, HEADER, b"x" * (1 << 20), 60 << 20)
        assert peak_kb(pid) - before > 16 * 1024
