"""A mock LLM upstream: fast enough not to be what a benchmark measures, programmable for tests.

`MockUpstream(respond)` serves on a free loopback port from a thread of its own; `respond` gets a
`Request` and returns a `Reply`. Replies can be JSON, SSE, any byte string, and can wait, stall,
close or reset the connection anywhere. As a program it serves the responses that the benchmarks use::

    python tools/upstream.py --port 9001
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httptools

Headers = Sequence[tuple[bytes, bytes]]

BODY_KEPT_MAX = 16 << 20
"""Bytes of a request body that are kept; of larger ones only length and digest are."""


class Request:
    """One request as it arrived, byte for byte."""

    __slots__ = ("body", "body_bytes", "connection", "digest", "headers", "method", "raw_head", "target")

    def __init__(self, connection: int) -> None:
        self.connection = connection
        self.method = b""
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.raw_head = b""
        self.body = b""
        self.body_bytes = 0
        self.digest: str | None = None

    def header(self, name: str) -> str | None:
        wanted = name.lower().encode()
        for key, value in self.headers:
            if key.lower() == wanted:
                return value.decode("latin-1")
        return None

    @property
    def path(self) -> str:
        return urlsplit(self.target.decode("latin-1")).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target.decode("latin-1")).query)

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Wait:
    """Pause the reply for so many seconds."""

    seconds: float


class Close:
    """Close the connection here (FIN)."""


class Reset:
    """Reset the connection here (RST)."""


class Hang:
    """Say nothing more and keep the connection open."""


Step = bytes | Wait | Close | Reset | Hang


@dataclass
class Reply:
    """What to answer. `framing` is `length`, `chunked`, `close` (until the connection ends) or
    `raw`: the steps are everything that is sent, status line included."""

    status: int = 200
    headers: Headers = ((b"content-type", b"application/json"),)
    body: bytes | Sequence[Step] | Iterator[Step] = b""
    framing: str = "length"
    rendered: bytes | None = field(default=None, repr=False)
    """The whole response, if it was rendered before: the benchmarks' fast path."""


def json_reply(value: Any, status: int = 200, headers: Headers = ()) -> Reply:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Reply(status, ((b"content-type", b"application/json"), *headers), body)


def sse_reply(events: Iterable[bytes], pace_s: float = 0.0, headers: Headers = ()) -> Reply:
    """Answer with `events` (each complete with its blank line), one HTTP chunk an event."""

    def steps() -> Iterator[Step]:
        for number, event in enumerate(events):
            if pace_s and number:
                yield Wait(pace_s)
            yield event

    return Reply(200, ((b"content-type", b"text/event-stream"), *headers), steps(), "chunked")


def raw_reply(*steps: Step) -> Reply:
    """Send exactly these bytes: malformed responses, resets at byte n."""
    return Reply(body=list(steps), framing="raw")


def render(reply: Reply, body: bytes) -> bytes:
    """Return the bytes of a whole response with a known body."""
    return _head(reply, len(body)) + body


def _head(reply: Reply, length: int | None) -> bytes:
    lines = [b"HTTP/1.1 %d %s\r\n" % (reply.status, b"OK" if reply.status == 200 else b"Status")]
    lines.extend(b"%s: %s\r\n" % pair for pair in reply.headers)
    if reply.framing == "length" and length is not None:
        lines.append(b"content-length: %d\r\n" % length)
    elif reply.framing == "chunked":
        lines.append(b"transfer-encoding: chunked\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class _Connection(asyncio.Protocol):
    """One connection of the proxy (or of a client) to the mock."""

    def __init__(self, upstream: MockUpstream) -> None:
        self.upstream = upstream
        self.parser = httptools.HttpRequestParser(self)
        self.request: Request | None = None
        self.replying: asyncio.Task[None] | None = None
        self.answered_early = False
        self.queue: list[Request] = []
        self.resumed: asyncio.Event | None = None
        self.raw = bytearray()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.upstream.connections += 1
        self.number = self.upstream.connections
        self.upstream.live.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.upstream.live.discard(self)
        if self.replying is not None:
            self.replying.cancel()
            self.upstream.abandoned += 1

    def data_received(self, data: bytes) -> None:
        if self.upstream.keep_raw:
            self.raw += data
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.upstream.malformed.append(repr(error))
            self.transport.close()

    def pause_writing(self) -> None:
        self.resumed = asyncio.Event()

    def resume_writing(self) -> None:
        if self.resumed is not None:
            self.resumed.set()
            self.resumed = None

    # httptools callbacks

    def on_message_begin(self) -> None:
        self.request = Request(self.number)
        self.parts: list[bytes] = []
        self.hasher: Any = None

    def on_url(self, url: bytes) -> None:
        assert self.request is not None
        self.request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        assert self.request is not None
        self.request.headers.append((name, value))

    def on_headers_complete(self) -> None:
        assert self.request is not None
        self.request.method = self.parser.get_method()
        if self.upstream.respond_early is not None:
            reply = self.upstream.respond_early(self.request)
            if reply is not None:
                self.answered_early = True
                self.reply(reply)

    def on_body(self, data: bytes) -> None:
        request = self.request
        assert request is not None
        request.body_bytes += len(data)
        if request.body_bytes <= BODY_KEPT_MAX:
            self.parts.append(data)
            return
        if self.hasher is None:
            self.hasher = hashlib.sha256()
            for part in self.parts:
                self.hasher.update(part)
            self.parts.clear()
        self.hasher.update(data)

    def on_message_complete(self) -> None:
        request = self.request
        assert request is not None
        request.body = self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)
        if self.hasher is not None:
            request.digest = self.hasher.hexdigest()
        if self.upstream.keep_raw:
            request.raw_head = bytes(self.raw).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            self.raw.clear()
        self.upstream.count += 1
        if self.upstream.keep_requests:
            self.upstream.requests.append(request)
        if self.answered_early:
            self.answered_early = False
        elif self.replying is not None:
            self.queue.append(request)
        else:
            self.reply(self.upstream.respond(request))

    # answering

    def reply(self, reply: Reply) -> None:
        if reply.rendered is not None:
            self.transport.write(reply.rendered)
            return
        if isinstance(reply.body, bytes) and reply.framing != "raw":
            body = chunk(reply.body) + b"0\r\n\r\n" if reply.framing == "chunked" else reply.body
            self.transport.write(_head(reply, len(reply.body)) + body)
            if reply.framing == "close":
                self.transport.close()
            return
        self.replying = asyncio.get_running_loop().create_task(self.play(reply))

    async def play(self, reply: Reply) -> None:
        framing = reply.framing
        steps: Iterable[Step] = [reply.body] if isinstance(reply.body, bytes) else reply.body
        if framing == "length":
            steps = list(steps)
            self.transport.write(_head(reply, sum(len(step) for step in steps if isinstance(step, bytes))))
        elif framing != "raw":
            self.transport.write(_head(reply, None))
        for step in steps:
            if isinstance(step, bytes):
                self.transport.write(chunk(step) if framing == "chunked" and step else step)
                if self.resumed is not None:
                    await self.resumed.wait()
            elif isinstance(step, Wait):
                await asyncio.sleep(step.seconds)
            elif isinstance(step, Hang):
                await asyncio.sleep(3600)
            else:
                self.end(reset=isinstance(step, Reset))
                return
        if framing == "chunked":
            self.transport.write(b"0\r\n\r\n")
        self.replying = None
        if framing == "close":
            self.transport.close()
        elif self.queue:
            self.reply(self.upstream.respond(self.queue.pop(0)))

    def end(self, *, reset: bool) -> None:
        self.replying = None
        if not reset:
            self.transport.close()
            return
        connection = self.transport.get_extra_info("socket")
        if connection is not None:
            # Linger 0 makes close() send RST instead of FIN.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class _QuickConnection(asyncio.Protocol):
    """Answers requests that come whole and alone without parsing them: the load of a benchmark.

    Everything else goes to a `_Connection`, for good.
    """

    def __init__(self, upstream: MockUpstream, usual: bytes) -> None:
        self.upstream = upstream
        self.usual = usual
        self.full: _Connection | None = None
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.full is None:
            if b"-mock-" not in data and _is_whole(data):
                self.transport.write(self.usual)
                return
            self.full = _Connection(self.upstream)
            self.full.connection_made(self.transport)
        self.full.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.full is not None:
            self.full.connection_lost(exc)

    def pause_writing(self) -> None:
        if self.full is not None:
            self.full.pause_writing()

    def resume_writing(self) -> None:
        if self.full is not None:
            self.full.resume_writing()


def _is_whole(data: bytes) -> bool:
    """Say whether `data` is exactly one request."""
    end = data.find(b"\r\n\r\n") + 4
    if end == 3:
        return False
    at = data.find(b"ontent-", 0, end)
    while at >= 0 and data[at + 7 : at + 14].lower() != b"length:":
        at = data.find(b"ontent-", at + 7, end)
    length = int(data[at + 14 : data.find(b"\r", at)]) if at >= 0 else 0
    return len(data) == end + length


class MockUpstream:
    """Serve `respond` on a loopback port from a thread of its own; a context manager."""

    def __init__(
        self,
        respond: Callable[[Request], Reply],
        *,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        respond_early: Callable[[Request], Reply | None] | None = None,
        keep_requests: bool = True,
        keep_raw: bool = False,
    ) -> None:
        self.respond = respond
        self.respond_early = respond_early
        """Asked when the head is there; a reply here does not wait for the body."""
        self.tls = tls
        self.host = host
        self.port = port
        self.keep_requests = keep_requests
        self.keep_raw = keep_raw
        self.requests: list[Request] = []
        self.count = 0
        self.connections = 0
        self.abandoned = 0
        """Replies the other side left before their end."""
        self.malformed: list[str] = []
        self.live: set[_Connection] = set()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    def __enter__(self) -> MockUpstream:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: _run(self.serve(ready.set)), daemon=True)
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError("the mock upstream did not start")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None and self._stop is not None and self._thread is not None
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def drop_idle(self) -> None:
        """Close every connection that waits for a request, as a server's idle timeout does."""
        assert self._loop is not None

        def drop() -> None:
            for connection in list(self.live):
                if connection.replying is None:
                    connection.transport.close()

        self._loop.call_soon_threadsafe(drop)

    async def serve(self, ready: Callable[[], None]) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        usual = getattr(self.respond, "usual", None)

        def connection() -> asyncio.Protocol:
            return _Connection(self) if usual is None else _QuickConnection(self, usual)

        server = await loop.create_server(connection, self.host, self.port, ssl=self.tls, backlog=4096)
        self.port = server.sockets[0].getsockname()[1]
        ready()
        await self._stop.wait()
        server.close()
        for connection in list(self.live):
            connection.transport.abort()
        await asyncio.sleep(0)


def _run(main: Any) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main)


# Responses of the benchmarks: one JSON response of about 1 KB, streams of n events, big bodies.

CHAT_USAGE = {
    "prompt_tokens": 1203,
    "completion_tokens": 187,
    "total_tokens": 1390,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 64, "audio_tokens": 0},
}


def chat_answer(content: str = "word " * 100, *, usage: Any = CHAT_USAGE, number: int = 1) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{number:08d}",
        "object": "chat.completion",
        "created": 1760000000,
        "model": "gpt-4o-2024-08-06",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": usage,
        "service_tier": "default",
        "system_fingerprint": "fp_0000000000",
    }


def chat_events(
    count: int, *, usage: Any = CHAT_USAGE, include_usage: bool = True, number: int = 1
) -> list[bytes]:
    """Return the events of one chat completion stream with `count` content events."""
    base = {
        "id": f"chatcmpl-{number:08d}",
        "object": "chat.completion.chunk",
        "created": 1760000000,
        "model": "gpt-4o-2024-08-06",
        "system_fingerprint": "fp_0000000000",
    }
    if include_usage:
        base["usage"] = None

    def event(delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return b"data: " + json.dumps({**base, "choices": [choice]}).encode() + b"\n\n"

    events = [event({"role": "assistant", "content": ""})]
    events.extend(event({"content": f"word{index} "}) for index in range(count))
    events.append(event({}, "stop"))
    if include_usage:
        events.append(b"data: " + json.dumps({**base, "choices": [], "usage": usage}).encode() + b"\n\n")
    events.append(b"data: [DONE]\n\n")
    return events


class BenchAnswers:
    """`x-mock-events: n` streams n events (`x-mock-pace-ms` apart), `x-mock-bytes: n` returns n bytes,
    everything else gets one JSON response. All rendered once."""

    def __init__(self) -> None:
        answer = json.dumps(chat_answer()).encode()
        reply = json_reply(answer)
        self.usual = render(reply, answer)
        """Sent to whatever asks for nothing special."""
        self.json = Reply(rendered=self.usual)
        self.streams: dict[int, Reply] = {}
        self.sized: dict[int, Reply] = {}

    def __call__(self, request: Request) -> Reply:
        events = pace = size = None
        for name, value in request.headers:
            if name[:2] in (b"x-", b"X-"):
                key = name.lower()
                if key == b"x-mock-events":
                    events = int(value)
                elif key == b"x-mock-pace-ms":
                    pace = float(value)
                elif key == b"x-mock-bytes":
                    size = int(value)
        if events is not None:
            if pace:
                return sse_reply(chat_events(events), pace / 1000)
            if events not in self.streams:
                body = b"".join(chunk(event) for event in chat_events(events)) + b"0\r\n\r\n"
                self.streams[events] = Reply(rendered=_head(sse_reply(()), None) + body)
            return self.streams[events]
        if size is not None:
            if size not in self.sized:
                answer = json.dumps(chat_answer("A" * max(1, size - 600))).encode()
                self.sized[size] = Reply(rendered=render(json_reply(answer), answer))
            return self.sized[size]
        return self.json


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9001)
    parser.add_argument("--tls", metavar="PEM", help="certificate, chain and key")
    options = parser.parse_args()
    tls = None
    if options.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.tls)
    upstream = MockUpstream(
        BenchAnswers(), host=options.host, port=options.port, keep_requests=False, tls=tls
    )
    with contextlib.suppress(KeyboardInterrupt):
        _run(upstream.serve(lambda: print(f"mock upstream at {upstream.url}", flush=True)))


if __name__ == "__main__":
    main()
