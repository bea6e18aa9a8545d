"""Load a forward proxy, or a server directly, with calls inside TLS: what wrk cannot do.

One process on uvloop. Every connection has its tunnel and its handshake before the clock starts;
then each asks again as soon as it has its answer. Prints one JSON object. `--streams` opens streams
instead, says so, and holds them until its standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
import time
from typing import Any

import uvloop

_HEAD = (
    "POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    "Accept: application/json\r\nUser-Agent: OpenAI/Python 1.99.0\r\n"
    "Authorization: Bearer sk-bench-000000000000000000000000000000000000000000000000\r\n"
    "X-Stainless-Lang: python\r\nx-stainless-retry-count: 0\r\n{more}Content-Length: {length}\r\n\r\n"
)


class _Opening(asyncio.Protocol):
    """The proxy's response to `CONNECT`."""

    def __init__(self, answered: asyncio.Future[bytes]) -> None:
        self.answered = answered

    def data_received(self, data: bytes) -> None:
        if not self.answered.done():
            self.answered.set_result(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_exception(exc or EOFError("the proxy closed"))


class Caller(asyncio.Protocol):
    """One connection that asks again and again, or once for a stream."""

    def __init__(self, request: bytes, *, stream: bool) -> None:
        self.request = request
        self.stream = stream
        self.length = 0
        self.got = 0
        self.count = 0
        self.times: list[float] = []
        self.first_event: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.get_running_loop().create_future()
        self.running = True
        self.transport: Any = None

    def ask(self) -> None:
        self.started = time.perf_counter()
        self.got = 0
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if self.stream:
            if not self.first_event.done() and b"data: " in data:
                self.first_event.set_result(time.perf_counter() - self.started)
            if data.endswith(b"0\r\n\r\n") and not self.ended.done():
                self.ended.set_result(None)
            return
        if not self.length:
            head, _, body = data.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"a response that is not 200: {head[:200]!r}")
            at = head.lower().index(b"content-length:") + 15
            self.length = len(data) - len(body) + int(head[at:].split(None, 1)[0])
        self.got += len(data)
        if self.got >= self.length:
            self.times.append(time.perf_counter() - self.started)
            self.count += 1
            if self.running:
                self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.running and not self.stream:
            raise SystemExit(f"a connection was lost: {exc!r}")


async def connect(options: argparse.Namespace, request: bytes, context: ssl.SSLContext) -> Caller:
    """Return a caller whose tunnel and handshake are done."""
    loop = asyncio.get_running_loop()
    caller = Caller(request, stream=bool(options.streams or options.first))
    answered: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_connection(
        lambda: _Opening(answered), "127.0.0.1", options.proxy or options.direct
    )
    if options.proxy:
        transport.write(f"CONNECT {options.host}:443 HTTP/1.1\r\nHost: {options.host}:443\r\n\r\n".encode())
        said = await answered
        if b" 200 " not in said.split(b"\r\n", 1)[0]:
            raise SystemExit(f"no tunnel: {said[:200]!r}")
    secured = await loop.start_tls(transport, caller, context, server_hostname=options.host)
    caller.transport = secured
    return caller


async def main(options: argparse.Namespace) -> dict[str, Any]:
    context = ssl.create_default_context(cafile=options.ca)
    context.set_alpn_protocols(["http/1.1"])
    body = b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "' + b"fares " * 60 + b'"}]}'
    request = _HEAD.format(
        host=options.host, more="".join(f"{h}\r\n" for h in options.header), length=len(body)
    )
    whole = request.encode() + body
    if options.first:
        return {"first_ms": await first_events(options, whole, context)}
    callers: list[Caller] = []
    for _ in range(options.streams or options.connections):
        callers.append(await connect(options, whole, context))
        if options.streams:
            callers[-1].ask()
    if options.streams:
        await asyncio.gather(*(caller.first_event for caller in callers))
        print("open", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        return {"streams": len(callers)}
    started = time.perf_counter()
    for caller in callers:
        caller.ask()
    await asyncio.sleep(options.seconds)
    took = time.perf_counter() - started
    count = sum(caller.count for caller in callers)
    for caller in callers:
        caller.running = False
    times = sorted(one for caller in callers for one in caller.times)
    return {
        "requests": count,
        "rps": count / took,
        "p50_us": times[len(times) // 2] * 1e6,
        "p99_us": times[int(len(times) * 0.99)] * 1e6,
    }


async def first_events(options: argparse.Namespace, request: bytes, context: ssl.SSLContext) -> float:
    """Return the median time to the first event of streams, one after another, in ms."""
    times: list[float] = []
    for _ in range(options.first):
        caller = await connect(options, request, context)
        caller.ask()
        times.append(await caller.first_event)
        await caller.ended
        caller.transport.close()
    return sorted(times)[len(times) // 2] * 1000


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--proxy", type=int, help="port of a forward proxy")
    parser.add_argument("--direct", type=int, help="port of the server itself")
    parser.add_argument("--host", default="api.openai.com")
    parser.add_argument("--ca", required=True)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--streams", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--header", action="append", default=[])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(main(parser.parse_args()))))
