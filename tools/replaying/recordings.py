"""Recorded exchanges and what is held to be right about them, read from a folder of recordings."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

_BOUNDARY = "farebox-replay-boundary"
# The body is stored decoded and the connection is ours: these headers of the recording are not true any more.
_DROPPED = frozenset(
    ("content-length", "content-encoding", "transfer-encoding", "connection", "keep-alive", "date", "server")
)


@dataclass(frozen=True)
class Recording:
    """One recorded exchange."""

    id: str
    surface: str
    host: str
    method: str
    path: str
    status: int
    streaming: bool
    recorded_at: str | None
    provenance: str
    transport: str
    request_headers: dict[str, str]
    request_body: bytes
    response_headers: dict[str, str]
    response_body: bytes
    expected: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def plain_http(self) -> bool:
        """Whether an HTTP/1.1 client can send it: no WebSocket, no gRPC."""
        return self.transport == "http"

    @property
    def billable(self) -> bool:
        return self.expected.get("billable") == "yes"

    @property
    def not_billable(self) -> bool:
        """Whether it is held to cost nothing: an error, a poll, a count of tokens."""
        return not self.billable and not str(self.expected.get("billable")).startswith("batch-result")

    @property
    def batch(self) -> bool:
        return "batch" in str(self.expected.get("billable"))

    @property
    def canonical(self) -> dict[str, int]:
        return self.expected.get("canonical_usage") or {}


def load(folder: Path) -> list[Recording]:
    """Return every exchange of the folder with its expectation."""
    expected = {entry["id"]: entry for entry in _lines(folder / "expected.jsonl.gz")}
    return [
        _recording(entry, expected.get(entry["id"], {})) for entry in _lines(folder / "exchanges.jsonl.gz")
    ]


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line, parse_float=Decimal)


def _recording(entry: dict[str, Any], expected: dict[str, Any]) -> Recording:
    headers = {name.lower(): value for name, value in (entry.get("request_headers") or {}).items()}
    body = _request_body(entry, headers)
    text = entry.get("response_body") or ""
    response = (
        base64.b64decode(text) if entry.get("response_body_encoding") == "base64" else text.encode("utf-8")
    )
    return Recording(
        id=entry["id"],
        surface=entry["surface"],
        host=entry["provider_host"],
        method=entry["method"],
        path=entry["path"],
        status=entry["status"],
        streaming=bool(entry.get("streaming")),
        recorded_at=entry["recorded_at"],
        provenance=entry["provenance"],
        transport=entry.get("transport") or ("http" if entry["method"] != "WEBSOCKET" else "websocket"),
        request_headers=headers,
        request_body=body,
        response_headers={
            name.lower(): value
            for name, value in (entry.get("response_headers") or {}).items()
            if name.lower() not in _DROPPED
        },
        response_body=response,
        expected=expected,
    )


def _request_body(entry: dict[str, Any], headers: dict[str, str]) -> bytes:
    """Return the request's bytes; a request that was not recorded is made of model and streaming."""
    text = entry.get("request_body")
    if entry.get("transport") == "grpc":
        headers["content-type"] = "application/grpc"
        return _grpc_request(str((entry.get("request_decoded") or {}).get("model") or ""))
    if entry["method"] not in ("POST", "PUT", "PATCH"):
        return b""
    if text is None:
        body: dict[str, Any] = {"model": entry["model_requested"]} if entry.get("model_requested") else {}
        if entry.get("streaming"):
            # These were recorded by clients that ask for usage; the others lose the extra chunk again.
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        headers["content-type"] = "application/json"
        return json.dumps(body).encode()
    if text.startswith('{"_multipart_fields"'):
        headers["content-type"] = f"multipart/form-data; boundary={_BOUNDARY}"
        return _multipart(json.loads(text)["_multipart_fields"])
    headers.setdefault("content-type", "application/json")
    return text.encode("utf-8")


def _grpc_request(model: str) -> bytes:
    """Return a request that names its model as xAI's does: the recorded one is kept decoded only."""
    name = model.encode()
    message = b"\x12" + bytes([len(name)]) + name
    return b"\0" + len(message).to_bytes(4, "big") + message


def _multipart(fields: dict[str, Any]) -> bytes:
    parts: list[str] = []
    for name, value in fields.items():
        for item in value if isinstance(value, list) else [value]:
            head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
            parts.append(f"{head}{item}\r\n")
    return ("".join(parts) + f"--{_BOUNDARY}--\r\n").encode()
