"""Replay recorded WebSocket sessions frame by frame: an upstream and a client that follow a script.

Both sides send the bytes that were worked out beforehand and keep what they receive, so that a proxy
between them can be held to every byte. Frames are made by wsproto, which the proxy does not use.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import random
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from urllib.parse import urlsplit

from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason, FrameProtocol

from replaying.recordings import Recording

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_DEFLATE = "permessage-deflate"
_KEY = base64.b64encode(b"farebox replays!")
_WAIT_S = 30


@dataclass
class Session:
    """What each side sends, in the order in which it was recorded."""

    steps: list[tuple[bool, bytes]]
    """`True` for the client's bytes."""
    compressed: bool
    server_received: bytes = b""
    client_received: bytes = b""
    handshake: bytes = b""
    errors: list[str] = field(default_factory=list[str])
    served: threading.Event = field(default_factory=threading.Event)
    """The upstream has had its last byte."""

    def bytes_of(self, *, client: bool) -> bytes:
        return b"".join(data for sent, data in self.steps if sent is client)


def session_of(recording: Recording, rng: random.Random) -> Session:
    """Return a recorded session as frames: fragmented, compressed and with pings, as drawn."""
    compressed = rng.random() < 0.5
    client, server = _side(compressed, client=True), _side(compressed, client=False)
    steps: list[tuple[bool, bytes]] = []
    for line in recording.response_body.splitlines():
        entry = json.loads(line)
        if entry.get("kind") != "message":
            continue
        sent = entry["dir"] == "out"
        data = entry["data"]
        text = data if isinstance(data, str) else json.dumps(data)
        payload: str | bytes = text.encode() if recording.host.startswith("generative") and not sent else text
        steps.append((sent, _frames(client if sent else server, payload, rng)))
    steps.append((True, client.close(CloseReason.NORMAL_CLOSURE)))
    steps.append((False, server.close(CloseReason.NORMAL_CLOSURE)))
    return Session(steps, compressed)


def _side(compressed: bool, *, client: bool) -> FrameProtocol:
    extensions: list[PerMessageDeflate] = []
    if compressed:
        extension = PerMessageDeflate()
        if client:
            extension.finalize(_DEFLATE)
        else:
            extension.accept(_DEFLATE)
        extensions = [extension]
    return FrameProtocol(client=client, extensions=list(extensions))


def _frames(side: FrameProtocol, payload: str | bytes, rng: random.Random) -> bytes:
    """Return a message as one to three frames, with a ping between them now and then."""
    cuts = sorted(rng.randrange(len(payload) + 1) for _ in range(rng.choice((0, 0, 1, 2))))
    edges = [0, *cuts, len(payload)]
    data = b""
    for number, (start, end) in enumerate(pairwise(edges)):
        if number and rng.random() < 0.3:
            data += side.ping(b"still there?")
        data += side.send_data(payload[start:end], fin=end == len(payload) and number == len(edges) - 2)
    return data


class SocketUpstream:
    """Accepts WebSockets; a header of the request says which session is played."""

    def __init__(
        self, sessions: Sequence[Session] | Mapping[int, Session], header: str = "x-replay-sequence"
    ) -> None:
        self._sessions = sessions
        self._header = header.lower()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> SocketUpstream:
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(_WAIT_S)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(_WAIT_S)
            head, rest = _until_blank(connection)
            headers = _headers(head)
            session = self._sessions[int(headers.get(self._header, "0"))]
            session.handshake = head
            digest = hashlib.sha1(
                headers["sec-websocket-key"].encode() + _GUID, usedforsecurity=False
            ).digest()
            lines = [
                "HTTP/1.1 101 Switching Protocols",
                "Upgrade: websocket",
                "Connection: Upgrade",
                f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}",
            ]
            if session.compressed:
                lines.append(f"Sec-WebSocket-Extensions: {_DEFLATE}")
            connection.sendall("\r\n".join((*lines, "", "")).encode())
            try:
                session.server_received = _play(connection, session, rest, client=False)
            finally:
                session.served.set()


def converse(address: str, path: str, headers: dict[str, str], session: Session) -> None:
    """Be the session's client; `session` has afterwards what came."""
    host = urlsplit(address).netloc
    name, _, port = host.partition(":")
    with socket.create_connection((name, int(port)), timeout=_WAIT_S) as connection:
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {host}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            f"Sec-WebSocket-Key: {_KEY.decode()}",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Extensions: {_DEFLATE}; client_max_window_bits",
            *(f"{key}: {value}" for key, value in headers.items()),
        ]
        connection.sendall("\r\n".join((*lines, "", "")).encode("latin-1"))
        head, rest = _until_blank(connection)
        if not head.startswith(b"HTTP/1.1 101"):
            session.errors.append(head.decode("latin-1"))
            return
        session.client_received = _play(connection, session, rest, client=True)
        session.served.wait(_WAIT_S)


def _play(connection: socket.socket, session: Session, received: bytes, *, client: bool) -> bytes:
    """Send what is this side's turn to send, once everything before it has come."""
    due = 0
    for sent, data in session.steps:
        if sent is client:
            while len(received) < due:
                received += _more(connection, session)
            connection.sendall(data)
        else:
            due += len(data)
    while len(received) < due:
        received += _more(connection, session)
    return received


def _more(connection: socket.socket, session: Session) -> bytes:
    data = connection.recv(65536)
    if not data:
        session.errors.append("the connection was closed early")
        raise EOFError
    return data


def _until_blank(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data, b""
        data += piece
    head, blank, rest = data.partition(b"\r\n\r\n")
    return head + blank, rest


def _headers(head: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:] if line)
    return {name.lower(): value.strip() for name, _, value in pairs}
