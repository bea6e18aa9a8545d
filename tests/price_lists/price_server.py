"""A loopback HTTP server for price lists that does what a test tells it to."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

A = {"id": "a", "per_1m": {"input": "1", "output": "4"}}
B = {"id": "b", "per_1m": {"input": "2"}}


def price_list(*models: dict[str, Any], provider: str = "maker") -> bytes:
    """Return a list in Farebox's own format; a model may have `from` and `rows` instead of `per_1m`."""
    return json.dumps(
        {
            "schema": "farebox.price-list/1",
            "providers": {provider: {"models": [_model(provider, each) for each in models]}},
        }
    ).encode()


def _model(provider: str, each: dict[str, Any]) -> dict[str, Any]:
    rows = each.get("rows") or [{"per_1m": each["per_1m"]}]
    return {
        "id": each["id"],
        "match": each.get("match", {"equals": each["id"]}),
        "prices": [
            {
                "id": f"{provider}/{each['id']}/{row.get('effective_from', 'ever')}{row.get('mark', '')}",
                **{key: value for key, value in row.items() if key != "mark"},
                "source": "https://maker.example/pricing",
                "checked": "2026-11-01",
            }
            for row in rows
        ],
    }


class PriceServer:
    """What it answers can be changed between requests; every request is counted."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/list.json"
        self.content = b""
        self.status = 200
        self.headers: dict[str, str] = {}
        self.cut_at: int | None = None
        self.other: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []

    def etag(self) -> str:
        return f'"{hashlib.sha256(self.content).hexdigest()[:16]}"'


@contextlib.contextmanager
def price_server() -> Iterator[PriceServer]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            served.requests.append((self.path, self.headers.get("If-None-Match")))
            if self.path in served.other:
                self._send(200, served.other[self.path], {})
            elif served.status == 200 and self.headers.get("If-None-Match") == served.etag():
                self._send(304, b"", {})
            else:
                self._send(served.status, served.content, {"ETag": served.etag(), **served.headers})

        def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: served.cut_at] if status == 200 else content)
            self.close_connection = served.cut_at is not None

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = PriceServer(server.server_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
