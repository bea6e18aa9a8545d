"""A receiver of webhooks on loopback that keeps every request and does with it what a test wants."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Request(NamedTuple):
    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def data(self) -> Any:
        return json.loads(self.body)["data"]


def status(code: int, body: bytes = b"", *lines: str) -> bytes:
    """Return a whole response."""
    head = [f"HTTP/1.1 {code} X", f"content-length: {len(body)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


Respond = Callable[[Request, socket.socket], bytes | None]
"""Return the response; None: everything was sent, or nothing is."""


class WebhookReceiver:
    """Listens until the end of its block. `requests` are those that came whole, in order."""

    def __init__(self, respond: Respond | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.respond: Respond = respond or (lambda request, connection: OK)
        self.requests: list[Request] = []
        self.connections = 0
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self._changed = threading.Condition()

    def __enter__(self) -> WebhookReceiver:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def wait_for(self, number: int, seconds: float = 60) -> list[Request]:
        """Return the requests once there are that many."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(self.requests) >= number, seconds)
            assert enough, f"{len(self.requests)} of {number} requests came"
            return list(self.requests)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, accepted: socket.socket) -> None:
        with contextlib.suppress(OSError), accepted:
            if self._tls is None:
                self._respond(accepted)
            else:
                with self._tls.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False) as tls:
                    tls.do_handshake()
                    self._respond(tls)

    def _respond(self, connection: socket.socket) -> None:
        request = _read(connection)
        if request is None:
            return
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        response = self.respond(request, connection)
        if response is not None:
            connection.sendall(response)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):  # till the sender closes: no reset may overtake the response
                pass


def _read(connection: socket.socket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        piece = connection.recv(65536)
        if not piece:
            return None
        body += piece
    return Request(line, headers, body)
