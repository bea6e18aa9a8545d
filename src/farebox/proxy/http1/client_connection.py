"""One client's connection: read a request's head, hand its exchange the bytes, wait for the next.

One exchange at a time; a pipelined request waits unread behind it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from farebox.proxy.admission import own_response
from farebox.proxy.admission.client_tokens import Admitted, NotAdmitted, too_large
from farebox.proxy.admission.heads import read_request
from farebox.proxy.caller import socket_owner
from farebox.proxy.caller.connection_caller import ConnectionCaller
from farebox.proxy.http1.exchange import Exchange
from farebox.proxy.http1.kept_head import KeptHead
from farebox.proxy.sockets import socket_poll
from farebox.proxy.sockets.read_batch import running_batch
from farebox.wire.http.request_policy import (
    LINE_BYTES_MAX,
    Refusal,
    RequestHead,
    head_limit,
    malformed,
    starts_like_a_head,
)

if TYPE_CHECKING:
    from farebox.proxy.admission.admission import Admission
    from farebox.proxy.admission.routed_request import RoutedRequest
    from farebox.proxy.admission.routes import Route
    from farebox.proxy.caller.process_lookup import ProcessLookup
    from farebox.proxy.recording.recorder import Recorder
    from farebox.proxy.relay import Relay
    from farebox.proxy.service_state import ServiceState

_HTTP2 = b"PRI * HTTP/2.0\r\n\r\n"
"""What HTTP/2 begins with, so that it looks like a head."""
_TLS = b"\x16"
"""What a TLS handshake begins with."""
_RECHECK_S = 0.05
_IDLE, _HEAD, _BUSY, _LINGER, _HANDED_OVER = range(5)


class Protocols(Protocol):
    """What else a connection can turn out to be (`farebox.proxy.other_protocols`)."""

    def forward(self, client: ClientConnection, data: bytes, end: int) -> bool: ...
    def http2(self, client: ClientConnection, data: bytes) -> None: ...
    def websocket(self, client: ClientConnection, routed: RoutedRequest, early: bytes) -> None: ...
    def tls(self, client: ClientConnection, hello: bytes) -> bool: ...


class Shared:
    """What all clients' connections of one proxy are given."""

    __slots__ = ("admission", "processes", "protocols", "recorder", "state")

    protocols: Protocols
    """Set by the service: they make connections, too."""

    def __init__(self, state: ServiceState, recorder: Recorder, admission: Admission) -> None:
        self.state = state
        self.recorder = recorder
        self.admission = admission
        self.processes: ProcessLookup | None = None
        """Finds out which program opened a connection, where that can be done."""


class ClientConnection(asyncio.Protocol):
    """One accepted connection."""

    __slots__ = (
        "asks_who",
        "batch",
        "buffer",
        "caller",
        "exchange",
        "half_closed",
        "kept_head",
        "reading_paused",
        "service",
        "shared",
        "since",
        "stalled_since",
        "state",
        "transport",
        "unsent",
    )

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.service = service = shared.state
        self.caller = ConnectionCaller(shared.admission.given, known=shared.processes is None)
        self.transport: Any = None
        self.exchange: Relay | None = None
        self.buffer = b""
        self.kept_head = KeptHead()
        self.state = _HEAD
        self.since = service.tick
        """When the state was entered, in the service's seconds."""
        self.stalled_since = 0.0
        """When the client stopped taking what waits for it, 0 while it does."""
        self.reading_paused = False
        self.half_closed = False
        """The client sends no more and waits for what it has asked for."""
        self.unsent = 0
        """What a last response had still to send when we last looked."""

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.batch = running_batch()
        service = self.service
        self.transport.set_write_buffer_limits(service.limits.stream_buffer)
        service.clients.add(self)
        self.asks_who = self.shared.processes is not None
        if len(service.clients) > service.clients_max:
            self.finish(
                own_response.error(
                    "farebox", 503, "too_many_connections", "too many connections.", close=True
                ),
                keep=False,
                unread=True,
            )

    def data_received(self, data: bytes) -> None:
        self.batch.add(self, data)

    def received(self, data: bytes) -> None:
        """Take in what has come from the client."""
        self.service.passed = True
        exchange = self.exchange
        if exchange is None:
            if self.state == _LINGER or self.transport.is_closing():
                return
            if self.state == _HANDED_OVER:
                self.transport.get_protocol().data_received(data)
                return
            self._read_head(self.buffer + data if self.buffer else data)
            if self.asks_who:
                # Once the first request is on its way: there is nothing else to do now.
                self.asks_who = False
                if self.shared.processes is not None:
                    self.shared.processes.look_up(self.transport, self.caller.found)
        elif exchange.request_complete:
            self._hold_back(data)
        else:
            rest = exchange.request_data(data)
            if rest:
                self._hold_back(rest)

    def eof_received(self) -> bool:
        self.batch.run()
        exchange = self.exchange
        if exchange is None or not (exchange.request_complete and exchange.survives_half_close):
            return False
        if self.transport.get_extra_info("sslcontext") is not None or not self._is_held():
            return False  # it has closed its socket, or cannot close half of it
        self.half_closed = True
        # Who is just closing a socket still holds it for a moment after the end has come.
        self.service.loop.call_later(_RECHECK_S, self._close_if_left)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.service.clients.discard(self)
        self.buffer = b""  # nobody is there for what was pipelined
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.client_lost()

    def pause_writing(self) -> None:
        self.stalled_since = self.service.tick
        if self.exchange is not None:
            self.exchange.client_full()
        elif self.state == _IDLE:
            self.pause_reading()  # no further request before the responses so far are taken

    def resume_writing(self) -> None:
        self.stalled_since = 0.0
        if self.exchange is not None:
            self.exchange.client_drained()
        elif self.state == _IDLE:
            self.resume_reading()
            if self.buffer:
                self._next()

    # What an intercepted connection has otherwise.

    forwards = True
    """Whether requests for other hosts are looked after, too."""
    pages = False
    may_begin_tls = True
    """Whether TLS may begin here: inside of TLS it may not."""

    @property
    def speaks_http2(self) -> bool:
        """Whether HTTP/2 may begin here."""
        return True

    @property
    def asked_as_proxy(self) -> bool:
        """Whether the client takes us for its proxy."""
        return False

    @property
    def peer(self) -> str:
        """The address at the other end of the connection."""
        name: tuple[str, ...] | str | None = self.transport.get_extra_info("peername")
        return name[0] if isinstance(name, tuple) else ""

    def admit(self, request: RequestHead) -> Admitted | NotAdmitted:
        """Return whether a request may pass."""
        clients = self.shared.admission.clients
        found = clients.admit(request, self.peer, kept=self.caller.token, for_proxy=self.asked_as_proxy)
        limit = self.service.limits.request_body
        if limit and (request.content_length or 0) > limit and isinstance(found, Admitted):
            return too_large(limit)
        return found

    @property
    def hosts(self) -> frozenset[bytes]:
        """The exact `Host` values that may be asked for."""
        return self.shared.admission.hosts

    def find(self, path: bytes) -> tuple[Route, bytes] | None:
        """Return the route of a path and the path below it."""
        return self.shared.admission.routes.find(path)

    # What exchanges call.

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def finish(self, data: bytes, *, keep: bool, unread: bool = False) -> None:
        """Write a response's last bytes; then wait for the next request or close.

        `unread`: the client may still be sending what nobody will read. Closing at once would
        reset the connection under the response, so what comes is discarded for a moment.
        """
        self.exchange = None
        self.since = self.service.tick
        if data:
            self.transport.write(data)
        if keep and not self.service.draining and not self.asks_no_more:
            self.state = _IDLE
            if self.stalled_since:
                self.pause_reading()
            else:
                if self.reading_paused:
                    self.resume_reading()
                if self.buffer:
                    self.service.loop.call_soon(self._next)
            return
        self.state = _LINGER
        self.buffer = b""
        if unread and not self.transport.is_closing():
            self.resume_reading()
            if self.transport.can_write_eof():
                self.transport.write_eof()
        else:
            self.transport.close()

    def abort(self) -> None:
        """Break the connection off, so that nobody takes what was sent for a whole response."""
        self.exchange = None
        self.buffer = b""
        self.state = _LINGER
        self.transport.abort()

    def hand_over(self) -> None:
        """Leave the transport to another protocol."""
        self.state = _HANDED_OVER

    def cut_off(self) -> None:
        """End whatever is under way: the time for a graceful stop is over."""
        if self.exchange is not None:
            self.exchange.cut_off()
        else:
            self.transport.abort()

    def pause_reading(self) -> None:
        if not self.reading_paused:
            self.reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.reading_paused and len(self.buffer) <= self.service.limits.pipelined:
            self.reading_paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    # Once a second.

    def sweep(self, now: float) -> None:
        """Apply the limits in time."""
        limits = self.service.limits
        if self.state == _IDLE and now - self.since > limits.forget_s:
            self.kept_head.forget()
        if self.stalled_since and now - self.stalled_since > limits.write_stall_s:
            if self.exchange is not None:
                self.exchange.client_stalled()
            else:
                self.abort()
        elif (self.half_closed or self.reading_paused) and self._has_left():
            self.transport.close()  # while nothing is read, nobody else would notice
        elif self.exchange is not None:
            self.exchange.sweep(now)
        elif self.state == _HEAD:
            if now - self.since > limits.client_head_s:
                self._head_timed_out()
        elif self.state == _LINGER:
            # The clock of a last response starts when it is out: until then it only must not stand still.
            unsent = socket_poll.unsent(self.transport)
            if unsent != self.unsent:
                self.unsent = unsent
                self.since = now
            elif now - self.since > (limits.write_stall_s if unsent else limits.linger_s):
                self.transport.abort()
        elif now - self.since > (limits.drain_idle_s if self.service.draining else limits.client_idle_s):
            self.transport.close()

    # Details.

    @property
    def asks_no_more(self) -> bool:
        """Whether there is nothing of the client's left to respond to."""
        return self.half_closed and not self.buffer

    def _is_held(self) -> bool:
        """Return whether some process has the client's end of the connection open."""
        ends = self.transport.get_extra_info("peername"), self.transport.get_extra_info("sockname")
        return None not in ends and socket_owner.is_held((ends[0][:2], ends[1][:2]))

    def _has_left(self) -> bool:
        return socket_poll.happened(self.transport, socket_poll.LEFT) and not self._is_held()

    def _close_if_left(self) -> None:
        if not self.transport.is_closing() and self._has_left():
            self.transport.close()

    def _read_head(self, data: bytes) -> None:
        kept = self.kept_head
        if kept.routed is not None:
            known = kept.match(data)
            if known is not None and self._may_again(kept.routed, known[0]):
                self._exchange(kept.routed, known[0], data[known[1] :])
                return
        end = data.find(b"\r\n\r\n") + 4
        if end == 3:
            self._await_rest(data)
            return
        self.buffer = b""
        shared = self.shared
        if data.startswith(_HTTP2) and self.speaks_http2:
            shared.protocols.http2(self, data)
            return
        if self.forwards and shared.protocols.forward(self, data, end):
            return
        request = self._judge(data[:end])
        if request is None:
            return
        self.state = _BUSY
        rest = data[end:]
        found = self.find(request.path)
        admitted = None if found is None and shared.admission.is_page(request.path) else self.admit(request)
        if isinstance(admitted, NotAdmitted):
            self._turn_away(admitted, found[0].provider.error_shape if found else "farebox")
            return
        if found is None or admitted is None:
            self._respond(request)
            if rest and self.state != _LINGER:
                self._hold_back(rest)
            return
        routed = shared.admission.route(request, *found, admitted)
        if routed is None:
            self._loop()
        elif request.websocket and routed.route.metered:
            shared.protocols.websocket(self, routed, rest)
        else:
            self.kept_head.keep(data[:end], routed)
            self._exchange(routed, request.content_length, rest)

    def _may_again(self, routed: RoutedRequest, length: int) -> bool:
        """Return whether a request with the same head as the last one may pass without being judged anew."""
        limit = self.service.limits.request_body
        return (not limit or length <= limit) and self.shared.admission.clients.again(routed.admitted)

    def _turn_away(self, why: NotAdmitted, shape: str) -> None:
        """Say that a request may not pass; nothing of it is read, and nothing of it is written down."""
        self.service.refused += 1
        self.kept_head.forget()
        response = own_response.error(
            shape, why.status, why.slug, why.message, close=True, headers=why.headers
        )
        self.finish(response, keep=False, unread=True)

    def _respond(self, request: RequestHead) -> None:
        """Respond to a request that has no route."""
        keep = not (request.close or request.has_body or self.service.draining)
        response = self.shared.admission.own_response(request, close=not keep)
        self.finish(response, keep=keep, unread=request.has_body)

    def _loop(self) -> None:
        self.service.refused += 1
        message = "the request has come back to where it was: an upstream leads to this Farebox."
        response = own_response.error("farebox", 508, "policy:loop", message, close=True)
        self.finish(response, keep=False, unread=True)

    def _exchange(self, routed: RoutedRequest, length: int | None, rest: bytes) -> None:
        """Begin the exchange of an accepted head; `rest` is what came after it."""
        self.buffer = b""
        self.state = _BUSY
        exchange = Exchange(self.service, self.shared.recorder, self, routed, length, rest)
        if rest and not (exchange.request_complete and len(rest) == length):
            rest = exchange.request_data(rest)
            if rest and self.state != _LINGER:
                self._hold_back(rest)

    def _judge(self, head: bytes) -> RequestHead | None:
        """Return an accepted head; refuse others."""
        request = head_limit(head) if len(head) > LINE_BYTES_MAX else None
        if request is None:
            request = read_request(head, self.hosts, pages=self.pages)
        if isinstance(request, RequestHead):
            return request
        self._refuse(request)
        return None

    def _await_rest(self, data: bytes) -> None:
        if self.state != _HEAD:
            self.state = _HEAD
            self.since = self.service.tick
        refusal = head_limit(data)
        if refusal is None and not starts_like_a_head(data):
            if data[:1] == _TLS and self.may_begin_tls and self.shared.protocols.tls(self, data):
                return
            refusal = malformed("a control character or a bare line break in its head")
        if refusal is not None:
            self._refuse(refusal)
        else:
            self.buffer = data

    def _refuse(self, refusal: Refusal) -> None:
        self.service.refused += 1
        self.finish(
            own_response.refused(refusal),
            keep=False,
            unread=True,
        )

    def _head_timed_out(self) -> None:
        if self.buffer:
            self._refuse(Refusal(408, "head_timeout", "The request's headers did not arrive in time."))
        else:
            self.transport.close()

    def _hold_back(self, data: bytes) -> None:
        """Keep the beginning of a pipelined request until the response before it has gone out."""
        self.buffer = self.buffer + data if self.buffer else data
        if self.exchange is None:
            self.service.loop.call_soon(self._next)
        if len(self.buffer) > self.service.limits.pipelined:
            self.pause_reading()

    def _next(self) -> None:
        if self.exchange is None and self.state == _IDLE and self.buffer and not self.stalled_since:
            data, self.buffer = self.buffer, b""
            self.resume_reading()
            self._read_head(data)


class SecuredConnection(ClientConnection):
    """What is inside TLS that was terminated on this port: requests like any other."""

    __slots__ = ()

    may_begin_tls = False
