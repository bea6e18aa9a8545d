"""Collectors made up for tests: what one counts, and everything that can go wrong on the way to it."""

from __future__ import annotations

import gzip
import json
import random
import ssl
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from farebox.recording.events import content_digest, decode_event
from farebox.sdk.shipping.collector_client import CollectorError, Verdict


class FakeCollector:
    """Counts each event once, as the real one does: by source and id, with what it says."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, str], dict[str, Any]] = {}
        self._digests: dict[tuple[str, str], bytes] = {}
        self.batches: list[int] = []
        self.received = 0
        self.down = False
        self.refuses: set[str] = set()
        """Names of outcomes that are invalid here."""
        self.lost_acknowledgements = 0.0
        """How often the batch is taken and nobody is told."""
        self.batch_max = 1000
        self._random = random.Random(1)
        self._lock = threading.Lock()

    def take(self, bodies: Sequence[bytes]) -> list[Verdict]:
        """Take events as the sender means them to be taken."""
        with self._lock:
            self.batches.append(len(bodies))
            return [self._take(body) for body in bodies]

    def _take(self, body: bytes) -> Verdict:
        self.received += 1
        event = decode_event(body)
        if event.type == "outcome" and event.name in self.refuses:
            return Verdict("invalid", "name", "not here")
        key, digest = (event.source, event.id), content_digest(event)
        known = self._digests.get(key)
        if known is None:
            self._digests[key] = digest
            self.events[key] = json.loads(body)
            return Verdict("accepted", id=event.id)
        return (
            Verdict("duplicate", id=event.id)
            if known == digest
            else Verdict("conflict", "id", "other content")
        )

    # -- as a `Sender` --

    def send(self, events: Sequence[bytes]) -> list[Verdict]:
        if self.down:
            raise CollectorError("down")
        verdicts = self.take(events)
        if self._random.random() < self.lost_acknowledgements:
            raise CollectorError("the acknowledgement was lost")
        return verdicts

    def close(self) -> None:
        pass

    def leave_to_parent(self) -> None:
        pass

    # -- what it has --

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of a type, calls where nothing else is said."""
        return [event for event in self.events.values() if event.get("type", "call") == kind]

    @property
    def tokens(self) -> int:
        """Everything that calls used."""
        return sum(
            sum(part["usage"].values()) for event in self.of("call") for part in event.get("parts", ())
        )

    @property
    def lost(self) -> int:
        """How many ends of calls senders have reported as lost."""
        return sum(event.get("exchanges", 0) for event in self.of("loss"))


class CollectorServer:
    """One that is reached over HTTP on loopback."""

    def __init__(self, *, token: str = "", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.collector = FakeCollector()
        self.token = token
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 200
        """What it responds instead of taking anything, where it is not 200."""
        self.headers: dict[str, str] = {}
        self.message = "not now"
        self.garble: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda items: items
        """What is done to its verdicts on the way."""
        self.hangs = threading.Event()
        self.hangs.set()
        """While it is cleared, nobody gets a response."""
        self.documents: dict[str, tuple[int, dict[str, str], bytes]] = {}
        """What it responds to a GET, by path."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                server._post(self, body)

            def do_GET(self) -> None:
                server._get(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                pass  # programs are killed in the middle of a request

        self._server = Quiet(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.port = self._server.server_address[1]
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"

    def __enter__(self) -> CollectorServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.hangs.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _post(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.requests.append((request.path, headers, body))
        self.hangs.wait(30)
        if self.token and headers.get("authorization") != f"Bearer {self.token}":
            self._respond(request, 401, {"code": "unauthenticated", "message": "This token is unknown."})
        elif self.status != 200:
            self._respond(request, self.status, {"code": "no", "message": self.message})
        else:
            found = self.collector.take(body.split(b"\n"))
            items = [{name: getattr(each, name) for name in each.__struct_fields__} for each in found]
            self._respond(request, 202, {"items": self.garble(items)})

    def _get(self, request: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((request.path, headers, b""))
        path = request.path.partition("?")[0]
        status, more, body = self.documents.get(
            path, (404, {}, b'{"code": "route_not_found", "message": ""}')
        )
        if more.get("etag") and headers.get("if-none-match") == more["etag"]:
            status, body = 304, b""
        request.send_response(status)
        for name, value in {**more, "content-length": str(len(body))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    def _respond(self, request: BaseHTTPRequestHandler, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document, ensure_ascii=False).encode("latin-1")
        request.send_response(status)
        for name, value in {**self.headers, "content-length": str(len(body))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)
