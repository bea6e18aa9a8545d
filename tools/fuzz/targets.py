"""What is fuzzed: every framing, and the extractor behind each kind of endpoint.

The first bytes of an input choose cuts and endpoint, the rest is the body. A target raises when the
code under test does, and when cutting the body differently changes what is measured.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec


class Target(Protocol):
    """One thing to fuzz, with inputs to start from."""

    seeds: Sequence[bytes]

    def one(self, data: bytes) -> None:
        """Run once; raise on a finding."""
        ...


def _pieces(body: bytes, seed: int) -> Iterator[bytes]:
    rng = random.Random(seed)
    position = 0
    while position < len(body):
        size = rng.choice((1, 3, 17, 200, 4096))
        yield body[position : position + size]
        position += size


def _fixture_bodies() -> list[bytes]:
    """Return the bodies of the catalog's own fixtures: shapes to begin with."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from tests.catalog.fixtures import FILES, read

    return [read(file).body[:4000] for file in FILES if read(file).body]


class _Framing:
    """A framing whose messages must not depend on how the bytes are cut."""

    def __init__(self, make: Callable[[Callable[..., None]], Any], seeds: Sequence[bytes]) -> None:
        self._make = make
        self.seeds = [b"\0" + seed for seed in seeds]

    def one(self, data: bytes) -> None:
        if not data:
            return
        whole, cut = self._read([data[1:]]), self._read(_pieces(data[1:], data[0]))
        if whole != cut:
            raise AssertionError(f"the cut changes what is read: {whole!r} and {cut!r}")

    def _read(self, pieces: Any) -> list[Any]:
        taken: list[Any] = []
        reader = self._make(lambda *values: taken.append(values))
        for piece in pieces:
            reader.feed(piece)
        if hasattr(reader, "finish"):
            reader.finish()
        return taken


def event_stream() -> Target:
    from farebox.wire.framing.eventstream import EventStream

    return _Framing(EventStream, [body for body in _fixture_bodies() if body[:1] == b"\0"])


def grpc() -> Target:
    from farebox.wire.framing.grpc import GrpcMessages

    return _Framing(GrpcMessages, [body for body in _fixture_bodies() if body[:1] == b"\0"])


class _Protobuf:
    seeds: Sequence[bytes] = (b"\x0a\x02id\x4a\x04\x08\x03\x10\x05", b"\x4a\x03\x4a\x01\x08")

    def __init__(self) -> None:
        from farebox import catalog
        from farebox.wire.framing.protobuf import ProtobufError, read_message

        provider = catalog.load().provider("xai")
        assert provider is not None
        form = provider.endpoint("POST", "/xai_api.Chat/GetCompletion").format
        assert form is not None
        assert form.protobuf is not None
        self._schema = form.protobuf.response
        self._read, self._error = read_message, ProtobufError

    def one(self, data: bytes) -> None:
        try:
            self._read(data, self._schema)
        except self._error:
            return


class _Otlp:
    """Telemetry in both encodings: read, counted or refused."""

    def __init__(self) -> None:
        from farebox.catalog import load
        from farebox.ingest.refused_body import BodyRefusedError
        from farebox.telemetry.otlp_in.reception import OtlpReader
        from tools.bench.span_bodies import SpanBodies

        self._reader, self._error = OtlpReader(load), BodyRefusedError
        self.seeds = [
            b"\0" + SpanBodies(2).next(),
            b'\x03{"resourceSpans":[{"scopeSpans":[{"spans":[{}]}]}]}',
        ]

    def one(self, data: bytes) -> None:
        if not data:
            return
        signal: Any = ("traces", "logs", "metrics")[data[0] % 3]
        kind = b"application/json" if data[0] % 2 else b"application/x-protobuf"
        try:
            self._reader.read(signal, [(b"content-type", kind)], data[1:])
        except self._error:
            return


class _Events:
    """Server-sent events: what is decoded may not depend on the cut, as far as it is told apart."""

    def __init__(self, separator: bytes) -> None:
        self.seeds = [b"\0" + body for body in _fixture_bodies() if body[:1] != b"\0"]
        self._endpoint = ("anthropic", "/v1/messages") if separator == b"\n\n" else ("ollama", "/api/chat")
        self._type = b"text/event-stream" if separator == b"\n\n" else b"application/x-ndjson"
        self._extract = _extractor()

    def one(self, data: bytes) -> None:
        if data:
            self._extract(*self._endpoint, self._type, data[1:], data[0])


def _extractor() -> Callable[[str, str, bytes, bytes, int], None]:
    from farebox import catalog
    from farebox.wire.meter import Meter

    loaded = catalog.load()

    def extract(name: str, path: str, content_type: bytes, body: bytes, seed: int) -> None:
        provider = loaded.provider(name)
        assert provider is not None
        endpoint = provider.endpoint("POST", path)
        results: list[Any] = []
        for pieces in ([body], list(_pieces(body, seed))):
            meter = Meter(endpoint, path, "", [(b"content-type", b"application/json")])
            meter.request_body(b'{"model": "m"}')
            meter.request_end()
            meter.response_head(200, [(b"content-type", content_type)])
            for piece in pieces:
                meter.response_body(piece)
            results.append(meter.finish("completed"))
        if any((result.reason or "").startswith("meter_failed") for result in results):
            raise AssertionError(f"the meter failed: {results!r}")
        if results[0] != results[1]:
            raise AssertionError(f"the cut changes the result: {results!r}")

    return extract


_ENDPOINTS = (
    ("openai", "/v1/chat/completions"),
    ("openai", "/v1/responses"),
    ("anthropic", "/v1/messages"),
    ("google", "/v1beta/models/g:generateContent"),
    ("bedrock", "/model/m/converse-stream"),
    ("bedrock", "/model/m/invoke-with-response-stream"),
    ("bedrock", "/model/m/invoke"),
    ("xai", "/xai_api.Chat/GetCompletion"),
    ("cohere", "/v2/chat"),
    ("groq", "/openai/v1/chat/completions"),
    ("mistral", "/v1/batch/jobs/x"),
    ("watsonx", "/ml/v1/text/generation_stream"),
    ("voyage", "/v1/embeddings"),
)
_TYPES = (
    b"application/json",
    b"text/event-stream",
    b"application/x-ndjson",
    b"application/vnd.amazon.eventstream",
    b"",
)


class _Extractor:
    def __init__(self) -> None:
        self._extract = _extractor()
        self.seeds = [
            bytes((endpoint, kind, 0)) + body
            for endpoint, body in enumerate(_fixture_bodies())
            for kind in range(len(_TYPES))
        ]

    def one(self, data: bytes) -> None:
        if len(data) < 3:
            return
        name, path = _ENDPOINTS[data[0] % len(_ENDPOINTS)]
        self._extract(name, path, _TYPES[data[1] % len(_TYPES)], data[3:], data[2])


class _Session:
    """A session of messages, one a line; the first byte of a line says who sent it."""

    seeds: Sequence[bytes] = (
        b'<{"type":"session.created","session":{"model":"m"}}\n'
        b'<{"type":"response.done","response":{"id":"r","usage":{"input_tokens":3,"output_tokens":4}}}',
    )

    def __init__(self) -> None:
        from farebox import catalog
        from farebox.wire.session import SessionMeter

        provider = catalog.load().provider("openai")
        assert provider is not None
        self._endpoint = provider.endpoint("GET", "/v1/realtime")
        self._make = SessionMeter

    def one(self, data: bytes) -> None:
        meter = self._make(self._endpoint, "/v1/realtime", "", [])
        for line in data.split(b"\n"):
            meter.message(line[1:], sent=line[:1] == b">")
        result = meter.finish("completed")
        if (result.reason or "").startswith("meter_failed"):
            raise AssertionError(f"the meter failed: {result!r}")


class _LargeJson:
    """The pruner: cutting a JSON text may not change what is left of it, no other text may break it."""

    def __init__(self) -> None:
        from farebox.wire.framing.largejson import JsonPruner, wanted

        self._pruner = JsonPruner
        self._keep = wanted(("usage", "id", "model"))
        self.seeds = [b"\0" + body for body in _fixture_bodies() if body[:1] == b"{"]

    def one(self, data: bytes) -> None:
        results: list[Any] = []
        for pieces in ([data[1:]], list(_pieces(data[1:], data[0] if data else 0))):
            pruner = self._pruner(self._keep)
            for piece in pieces:
                pruner.feed(piece)
            results.append((pruner.closed, pruner.result() if pruner.closed else b""))
        if results[0] != results[1] and _is_json(data[1:]):
            raise AssertionError(f"the cut changes the result: {results!r}")


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return False
    return True


TARGETS: dict[str, Callable[[], Target]] = {
    "eventstream": event_stream,
    "extractor": _Extractor,
    "grpc": grpc,
    "largejson": _LargeJson,
    "ndjson": lambda: _Events(b"\n"),
    "otlp": _Otlp,
    "protobuf": _Protobuf,
    "session": _Session,
    "sse": lambda: _Events(b"\n\n"),
}
