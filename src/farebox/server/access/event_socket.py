"""A connection that has become a WebSocket, for the one route that has one: events for the collector.

ASGI inside: the guard judges the handshake as it judges every request. Messages are handed on one at a time,
and nothing more is read while one waits. No extension is agreed to.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle
from collections import deque
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any

from uvicorn.server import ServerState

from farebox.ingest.limits import IngestLimits
from farebox.server.access.guard import App, Scope
from farebox.wire.framing.websocket import Messages
from farebox.wire.http.upgrade import accept_of, judge_upgrade

PING_EVERY_S = 30.0
"""A client that says nothing is asked whether it is there; one that does not respond by then is gone."""
WRITE_STALL_S = 60.0
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_GOING_AWAY, _PROTOCOL_ERROR, _TOO_LARGE = 1001, 1002, 1009


class EventSocket(asyncio.Protocol):
    """One WebSocket, from its handshake on."""

    def __init__(self, app: App, scope: Scope, transport: asyncio.Transport, state: ServerState) -> None:
        """`scope` is that of the request for it."""
        self._app = app
        self._scope: dict[str, Any] = {**scope, "type": "websocket"}
        self._transport = transport
        self._connections, self._tasks = state.connections, state.tasks
        self._loop = asyncio.get_running_loop()
        self._messages = Messages(
            self._take,
            masked=True,
            deflate=None,
            bytes_max=IngestLimits().body_bytes_max,
            take_control=self._take_control,
        )
        self._events: deque[dict[str, Any]] = deque([{"type": "websocket.connect"}])
        self._has_events = asyncio.Event()
        self._has_events.set()
        self._is_open = False
        self._is_closing = False
        self._heard = True
        self._ping: TimerHandle | None = None
        self._stall: TimerHandle | None = None

    def start(self) -> None:
        """Hand the handshake to the application."""
        headers: list[tuple[bytes, bytes]] = self._scope["headers"]
        refusal = judge_upgrade(self._scope["method"].encode(), headers, has_body=False, old=False)
        if refusal is not None:
            self._write_head(refusal.status, [(b"content-length", b"0"), (b"connection", b"close")])
            self._transport.close()
            return
        self._connections.add(self)  # pyright: ignore[reportArgumentType]  # it has what uvicorn asks of one
        task = self._loop.create_task(self._run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def shutdown(self) -> None:
        """Leave, as the server does: what waits is not taken in, and its sender knows."""
        self._close(_GOING_AWAY)

    # What asyncio calls.

    def data_received(self, data: bytes) -> None:
        self._heard = True
        if self._is_closing:
            return
        if not self._is_open:  # a client waits for the 101
            self._transport.abort()
            return
        self._messages.feed(data)
        problem = self._messages.problem
        if problem is not None:
            self._close(_TOO_LARGE if problem.endswith("too_large") else _PROTOCOL_ERROR)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)  # pyright: ignore[reportArgumentType]
        for timer in (self._ping, self._stall):
            if timer is not None:
                timer.cancel()
        self._is_closing = True
        self._put({"type": "websocket.disconnect", "code": 1006})

    def pause_writing(self) -> None:
        self._stall = self._loop.call_later(WRITE_STALL_S, self._transport.abort)

    def resume_writing(self) -> None:
        if self._stall is not None:
            self._stall.cancel()

    # What the application calls.

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        finally:
            self._close(_GOING_AWAY)

    async def _receive(self) -> MutableMapping[str, Any]:
        while not self._events:
            if not self._is_closing:
                self._transport.resume_reading()
            self._has_events.clear()
            await self._has_events.wait()
        return self._events.popleft()

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            key = dict[bytes, bytes](self._scope["headers"])[b"sec-websocket-key"]
            switch = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade")]
            self._write_head(101, [*switch, (b"sec-websocket-accept", accept_of(key))])
            self._is_open = True
            self._ping = self._loop.call_later(PING_EVERY_S, self._look)
        elif kind == "websocket.send":
            self._write_frame(_TEXT, message["text"].encode())
        elif kind == "websocket.close":
            self._close(message.get("code", 1000))
        elif kind == "websocket.http.response.start":
            self._write_head(message["status"], [*message["headers"], (b"connection", b"close")])
        elif kind == "websocket.http.response.body":
            self._transport.write(message.get("body", b""))
            self._is_closing = True
            self._transport.close()

    # Details.

    def _take(self, message: bytes) -> None:
        self._put({"type": "websocket.receive", "bytes": message})
        self._transport.pause_reading()

    def _take_control(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            self._write_frame(_PONG, payload)
        elif opcode == _CLOSE:
            self._close(int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1000)

    def _put(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        self._has_events.set()

    def _look(self) -> None:
        """Ask whether the client is still there; give it up where it has not responded since."""
        if not self._heard:
            self._transport.abort()
            return
        # While a message is being taken in nothing is read, and nothing can be heard.
        self._heard = bool(self._events) or not self._transport.is_reading()
        self._write_frame(_PING, b"")
        self._ping = self._loop.call_later(PING_EVERY_S, self._look)

    def _close(self, code: int) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        if self._is_open:
            self._write_frame(_CLOSE, code.to_bytes(2, "big") if 1000 <= code < 5000 else b"\x03\xe8")
        self._put({"type": "websocket.disconnect", "code": code})
        self._transport.close()

    def _write_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        start = b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode())
        self._transport.write(b"\r\n".join((start, *(b"%b: %b" % header for header in headers), b"", b"")))

    def _write_frame(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = bytes((0x80 | opcode, size))
        elif size < 1 << 16:
            head = bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big")
        else:
            head = bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big")
        self._transport.write(head + payload)
