"""A connection to the dashboard: uvicorn's, with the limits of the proxy's port.

uvicorn takes heads of any size, waits for them for ever and queues any number of pipelined requests,
all before anybody has shown a token. Here a head is gathered and judged by its size before the parser
sees it, the parser gets one request at a time, and a timer runs for everything a client can delay.
"""

from __future__ import annotations

import asyncio
import re
from asyncio import TimerHandle
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from farebox.ingest.limits import TELEMETRY_BYTES_MAX, IngestLimits
from farebox.server.access.event_socket import EventSocket
from farebox.server.access.guard import SECURITY_HEADERS, App
from farebox.server.api.errors import ErrorBody
from farebox.server.api.method_routes import BODY_BYTES_MAX
from farebox.wire.http.request_policy import Refusal, head_limit, lines_limit, malformed, starts_like_a_head

EVENTS = b"/v1/events"
_SENT_EVENTS = b"POST %b " % EVENTS
_SENT_TELEMETRY = (b"POST /v1/traces ", b"POST /v1/logs ", b"POST /v1/metrics ")
_FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, bytes and numbers; the sizes of heads are in `farebox.wire.http.request_policy`."""

    request_s: float = 10.0
    """From a request's first byte (or the connection's start) to its last one."""
    linger_s: float = 2.0
    """How long a client may go on sending what is discarded, so that it can read the refusal."""
    write_stall_s: float = 60.0
    """How long a client may read nothing of what is sent to it."""
    body: int = BODY_BYTES_MAX
    """Bytes of a request's body."""
    body_of_events: int = IngestLimits().body_bytes_max
    """The same of what is sent to the collector."""
    body_of_telemetry: int = TELEMETRY_BYTES_MAX
    """The same of OTLP, whose spans may carry whole prompts."""
    pipelined: int = 64 * 1024
    """Bytes of further requests that are read while a response is on its way."""
    connections: int = 256


class Connection(HttpToolsProtocol):
    """One accepted connection."""

    limits = Limits()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._held = b""
        """Bytes received and not yet given to the parser."""
        self._body_left = 0
        """Bytes of the request's body that have still to come."""
        self._busy = False
        """A response is being sent."""
        self._since = self.loop.time()
        """When the last response was complete, or the connection made."""
        self._refused = False
        self._upgraded = False
        """It is a WebSocket now, and none of this applies to it."""
        self._reading_paused = False
        self._owed: TimerHandle | None = None
        """Runs while the rest of a request has not arrived."""
        self._stall: TimerHandle | None = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections and not self._make_room():
            self._refuse(Refusal(503, "too_many_connections", "Too many connections are open."))
        else:
            self._owed = self.loop.call_later(self.limits.request_s, self._request_is_late)

    def data_received(self, data: bytes) -> None:
        if not self._refused and not self._upgraded:
            self._held = self._held + data if self._held else data
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._held = b""
        self._owed = _cancelled(self._owed)
        self._stall = _cancelled(self._stall)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = self.loop.call_later(self.limits.write_stall_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stall = _cancelled(self._stall)

    # What uvicorn calls.

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._busy = False
        self._since = self.loop.time()
        self.loop.call_soon(self._go_on)

    def handle_websocket_upgrade(self) -> None:
        self._upgraded = True
        self._owed = _cancelled(self._owed)
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        scope = {**self.scope, "path": self.url.partition(b"?")[0].decode("ascii"), "query_string": b""}
        app = cast("App", self.app)  # pyright: ignore[reportUnknownMemberType]  # uvicorn's type is a union
        socket = EventSocket(app, scope, self.transport, self.server_state)
        self.transport.set_protocol(socket)
        socket.start()

    def _should_upgrade_to_ws(self) -> bool:
        return self.url.partition(b"?")[0] == EVENTS and self.scope.get("http_version") == "1.1"

    def timeout_keep_alive_handler(self) -> None:
        self.transport.abort()  # an orderly close would wait for a client that does not read

    # Details.

    def _make_room(self) -> bool:
        """Close the connection that has asked for nothing for longest; return whether there was one.

        A client that opens hundreds of silent connections must not shut out the owner's browser.
        """
        others = (other for other in self.connections if isinstance(other, Connection) and other is not self)
        waiting = [other for other in others if not other._busy]
        if waiting:
            min(waiting, key=lambda other: other._since).transport.abort()
        return bool(waiting)

    def _go_on(self) -> None:
        """Give the parser what comes next: the rest of a body, or the next head."""
        give = super().data_received
        while self._held and not (self._refused or self._upgraded or self.transport.is_closing()):
            if self._body_left:
                piece, self._held = self._held[: self._body_left], self._held[self._body_left :]
                self._body_left -= len(piece)
                give(piece)
            elif self._busy or not self._take_head(give):
                break
        if self._refused or self._upgraded or self.transport.is_closing():
            return
        owes = self._body_left > 0 or (bool(self._held) and not self._busy)
        if not owes and self._busy:
            self._owed = _cancelled(self._owed)
        elif owes and self._owed is None:
            self._owed = self.loop.call_later(self.limits.request_s, self._request_is_late)
        full = self._busy and len(self._held) > self.limits.pipelined
        if full is not self._reading_paused:
            self._reading_paused = full
            if full:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _take_head(self, give: Callable[[bytes], None]) -> bool:
        """Give the parser a head if it is whole; return whether it was."""
        held = self._held
        end = held.find(b"\r\n\r\n") + 4
        if end == 3:
            refusal = head_limit(held)
            if refusal is None and not starts_like_a_head(held):
                refusal = malformed("a control character or a bare line break in its head")
            if refusal is not None:
                self._refuse(refusal)
            return False
        head, self._held = held[:end], held[end:]
        length = head_limit(head) or lines_limit(head, head.count(b"\r\n") - 2) or self._body_length(head)
        if isinstance(length, Refusal):
            self._refuse(length)
            return False
        before = self.cycle
        self._body_left, self._busy = length, True
        give(head)
        if self._upgraded:
            return False
        if self.transport.is_closing():
            return False  # the parser has refused it
        if self.cycle is before:
            self._busy = False
            self._refuse(malformed("its head is empty"))
            return False
        if self.parser is not None and self.parser.should_upgrade():
            self.cycle.keep_alive = False  # nothing is upgraded here, and the parser stops at such a head
        return True

    def _body_length(self, head: bytes) -> int | Refusal:
        framing = _FRAMING.findall(head)
        if not framing:
            return 0
        (name, value), *more = framing
        value = value.rstrip(b" \t")
        if more or name.lower() != b"content-length":
            return Refusal(411, "length_required", "A body needs one Content-Length here.")
        if not value.isdigit() or len(value) > 18:
            return Refusal(400, "length_invalid", "Content-Length is not a plain number.")
        limit = self.limits.body
        if head.startswith(_SENT_EVENTS):
            limit = self.limits.body_of_events
        elif head.startswith(_SENT_TELEMETRY):
            limit = self.limits.body_of_telemetry
        if int(value) > limit:
            return Refusal(413, "body_too_large", f"A request's body is at most {limit} bytes.")
        return int(value)

    def _request_is_late(self) -> None:
        self._owed = None
        if self._busy or not self._held:
            self.transport.abort()
        else:
            self._refuse(Refusal(408, "request_timeout", "The request did not arrive in time."))

    def _refuse(self, refusal: Refusal) -> None:
        """Send the reason, and discard further input for a moment: closing at once would reset the
        connection before the response is read."""
        self._refused = True
        self._held = b""
        self._owed = _cancelled(self._owed)
        self._unset_keepalive_if_required()
        self.transport.write(_response(refusal))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._owed = self.loop.call_later(self.limits.linger_s, self.transport.abort)


def _cancelled(timer: TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def _response(refusal: Refusal) -> bytes:
    content = msgspec.json.encode(ErrorBody(code=refusal.rule, message=refusal.message))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
        *SECURITY_HEADERS,
    ]
    start = b"HTTP/1.1 %d %b" % (refusal.status, HTTPStatus(refusal.status).phrase.encode())
    return b"\r\n".join((start, *(b"%b: %b" % header for header in headers), b"", content))
