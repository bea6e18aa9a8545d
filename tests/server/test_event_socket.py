"""Events over a WebSocket, from a raw client: what passes, what closes it, what is refused."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from farebox.clock import now_ns
from farebox.config import Config
from farebox.home import Home
from farebox.ingest.limits import IngestLimits
from farebox.ledger import catch_up
from farebox.ledger.calls import LedgerReader
from farebox.recording.events import moment_text
from farebox.server.access.sessions import load_token
from farebox.wire.http.upgrade import accept_of

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def event(number: int, **fields: Any) -> dict[str, Any]:
    base = {"id": f"e-{number}", "source": "shop", "time": moment_text(now_ns()), "provider": "openai"}
    return {**base, "model": "gpt-4o", "usage": {"output_text": 5}, **fields}


class Client:
    """One connection; `status` is what the handshake was told."""

    def __init__(self, port: int, *headers: str, path: str = "/v1/events", key: bytes = KEY) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket"]
        lines += ["Connection: Upgrade", "Sec-WebSocket-Version: 13", *headers]
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n")
        self.file = self.socket.makefile("rb")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.file.readline()
            if not line:
                break
            head += line
        self.head = head
        self.status = int(head.split()[1]) if head else 0

    def send(self, payload: bytes, opcode: int = TEXT, *, final: bool = True, masked: bool = True) -> None:
        size = len(payload)
        if size < 126:
            length = bytes([size])
        elif size < 1 << 16:
            length = b"\x7e" + size.to_bytes(2, "big")
        else:
            length = b"\x7f" + size.to_bytes(8, "big")
        mask = os.urandom(4)
        first = (0x80 if final else 0) | opcode
        if not masked:
            self.socket.sendall(bytes([first]) + length + payload)
            return
        hidden = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) if size < 1 << 17 else payload
        if size >= 1 << 17:
            mask = b"\0\0\0\0"
        self.socket.sendall(bytes([first, length[0] | 0x80]) + length[1:] + mask + hidden)

    def receive(self) -> tuple[int, bytes]:
        """Return the next frame's opcode and payload; CLOSE and nothing where the connection has ended."""
        head = self.file.read(2)
        if len(head) < 2:
            return CLOSE, b""
        size = head[1]
        if size >= 126:
            size = int.from_bytes(self.file.read(2 if size == 126 else 8), "big")
        return head[0] & 0x0F, self.file.read(size)

    def told(self) -> Any:
        opcode, payload = self.receive()
        assert opcode == TEXT, (opcode, payload)
        return json.loads(payload)

    def close_code(self) -> int:
        opcode, payload = self.receive()
        assert opcode == CLOSE
        return int.from_bytes(payload[:2], "big")

    def close(self) -> None:
        self.file.close()
        self.socket.close()


class Served:
    def __init__(self, home: Home) -> None:
        self.home = home
        self.token = f"Authorization: Bearer {load_token(home)}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "farebox.server", "--home", str(home.path), "--listen", "127.0.0.1:0"],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.port = 0
        while not self.port and self.process.poll() is None:
            with contextlib.suppress(FileNotFoundError):
                self.port = json.loads((home.run / "server.json").read_bytes())["port"]
            time.sleep(0.05)


Connect = Callable[..., Client]


@pytest.fixture
def served(home: Home) -> Iterator[Served]:
    made = Served(home)
    yield made
    made.process.terminate()
    assert "Traceback" not in made.process.communicate()[1]


@pytest.fixture
def connect(served: Served) -> Iterator[Connect]:
    made: list[Client] = []

    def open_one(*headers: str, token: bool = True, **also: Any) -> Client:
        made.append(Client(served.port, *([served.token] if token else []), *headers, **also))
        return made[-1]

    yield open_one
    for client in made:
        client.close()


def test_every_message_gets_its_receipt_in_order(connect: Connect, home: Home) -> None:
    client = connect()
    assert client.status == 101
    assert accept_of(KEY) in client.head
    client.send(msgspec.json.encode(event(1)))
    client.send(msgspec.json.encode([event(2), event(1, model="other"), {"id": "x"}]), BINARY)
    assert client.told()["items"] == [{"id": "e-1", "status": "accepted"}]
    assert [each["status"] for each in client.told()["items"]] == ["accepted", "conflict", "invalid"]
    catch_up(home, Config())
    assert len(LedgerReader(home).newest(10)) == 2


def test_a_message_in_pieces_with_a_ping_between_is_one(connect: Connect) -> None:
    client = connect()
    text = msgspec.json.encode(event(1))
    client.send(text[:20], TEXT, final=False)
    client.send(b"are you there", PING)
    client.send(text[20:30], 0, final=False)
    client.send(text[30:], 0)
    assert client.receive() == (PONG, b"are you there")
    assert client.told()["accepted"] == 1


def test_a_message_that_cannot_be_read_is_told_so_and_the_next_one_passes(connect: Connect) -> None:
    client = connect()
    client.send(b"[1")
    assert client.told()["code"] == "body_malformed"
    client.send(msgspec.json.encode(event(1)))
    assert client.told()["accepted"] == 1


def test_the_handshake_says_the_form_of_all_messages(connect: Connect) -> None:
    client = connect("Content-Type: application/x-ndjson", "Content-Encoding: gzip")
    lines = b"\n".join(msgspec.json.encode(event(number)) for number in (1, 2))
    client.send(gzip.compress(lines), BINARY)
    assert client.told()["accepted"] == 2


def test_a_large_message_passes_and_one_over_the_limit_closes(connect: Connect) -> None:
    limit = IngestLimits().body_bytes_max
    client = connect()
    client.send(b"[" + b" " * (limit - 2) + b"]")
    assert client.told()["items"] == []
    client.send(b"[" + b" " * (limit - 1) + b"]")
    assert client.close_code() == 1009


@pytest.mark.parametrize(
    "frame", [b"\xc1\x80\0\0\0\0", b"\x83\x80\0\0\0\0", b"\x80\x80\0\0\0\0", b"\x81\x02{}"]
)
def test_a_frame_that_is_against_the_protocol_closes(connect: Connect, frame: bytes) -> None:
    client = connect()
    client.socket.sendall(frame)
    assert client.close_code() == 1002


def test_a_close_is_returned(connect: Connect) -> None:
    client = connect()
    client.send((1000).to_bytes(2, "big"), CLOSE)
    assert client.close_code() == 1000
    assert client.receive() == (CLOSE, b"")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 401),
        (["Authorization: Bearer fbx_ingest_" + "x" * 43], 401),
    ],
)
def test_without_a_good_token_the_handshake_is_refused_and_nothing_written(
    connect: Connect, home: Home, headers: list[str], status: int
) -> None:
    client = connect(*headers, token=False)
    assert client.status == status
    assert not list(home.journal.glob("collector-*"))


def test_another_sites_page_and_another_address_get_no_socket(connect: Connect) -> None:
    assert connect("Origin: https://evil.example").status == 403
    assert connect(path="/api/v1/live").status in (200, 403, 404)
    assert connect(key=b"short").status == 400


def test_a_get_without_an_upgrade_is_told_what_is_missing(served: Served) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    name, _, value = served.token.partition(": ")
    connection.request("GET", "/v1/events", headers={name: value})
    response = connection.getresponse()
    assert (response.status, response.headers["upgrade"]) == (426, "websocket")
    response.read()
    connection.close()


def test_a_server_that_leaves_says_so(served: Served, connect: Connect) -> None:
    client = connect()
    client.send(msgspec.json.encode(event(1)))
    assert client.told()["accepted"] == 1
    served.process.terminate()
    assert client.close_code() == 1001
    assert served.process.wait(30) == 0


def test_events_that_were_acknowledged_survive_kill_9(served: Served, connect: Connect, home: Home) -> None:
    client = connect()
    told = 0
    for number in range(40):
        client.send(msgspec.json.encode(event(number)))
        if number < 30:
            told += client.told()["accepted"]
    served.process.kill()
    served.process.wait()
    catch_up(home, Config())
    recorded = {row.event_id for row in LedgerReader(home).newest(100)}
    assert told == 30
    assert 30 <= len(recorded) <= 40
