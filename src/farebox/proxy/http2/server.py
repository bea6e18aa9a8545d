"""The client's side of an HTTP/2 connection: over TLS that was ended here, or with prior knowledge.

It takes a connection over from `ClientConnection` when the client's first bytes are HTTP/2's. Where
that connection's requests go, and which authorities mean us, stays what it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

from farebox.proxy.admission.client_tokens import NotAdmitted
from farebox.proxy.http2 import heads
from farebox.proxy.http2.peer import Headers
from farebox.proxy.http2.stream import ClientPeer, Stream
from farebox.proxy.http2.upstream_session import UpstreamSession
from farebox.wire.http.request_policy import Refusal

if TYPE_CHECKING:
    from farebox.proxy.admission.routes import Route
    from farebox.proxy.http1.client_connection import ClientConnection
    from farebox.proxy.upstream.connection import Origin
    from farebox.proxy.upstream.tls import UpstreamTls


def take_over(client: ClientConnection, data: bytes, tls: UpstreamTls) -> None:
    """Serve a connection as HTTP/2 from its first bytes on."""
    connection = ServerConnection(client, tls)
    client.service.clients.discard(client)
    client.service.clients.add(connection)
    transport = client.transport
    client.hand_over()
    transport.set_protocol(connection)
    connection.start(transport)
    connection.data_received(data)


class ServerConnection(ClientPeer):
    """One client's connection."""

    def __init__(self, client: ClientConnection, tls: UpstreamTls) -> None:
        super().__init__(client.service, client_side=False)
        self._tls = tls
        self.client = client
        """What it was before; it knows whose connection this is and where its requests may go."""
        self.since = client.service.tick
        self.streams: dict[int, Stream] = {}
        self.sessions: dict[int, UpstreamSession] = {}
        """The connection to each origin, by the origin's identity."""
        self._leaving: list[UpstreamSession] = []

    # What asyncio calls.

    def connection_lost(self, exc: Exception | None) -> None:
        self.read_rest()
        self.state.clients.discard(self)
        self.transport = None
        for stream in list(self.streams.values()):
            stream.client_reset(ErrorCodes.CANCEL)
        for session in (*self.sessions.values(), *self._leaving):
            session.close()

    # What h2 says.

    def take(self, event: Event) -> None:
        if isinstance(event, DataReceived):
            stream_id, data = event.stream_id or 0, event.data or b""
            stream = self.streams.get(stream_id)
            counted = event.flow_controlled_length or 0
            if stream is None:
                self.acknowledge(stream_id, counted)
            else:
                stream.client_data(data, counted)
        elif isinstance(event, RequestReceived):
            self.begin(event.stream_id or 0, list(event.headers or ()))  # pyright: ignore[reportArgumentType]
        elif isinstance(event, StreamEnded):
            stream = self.streams.get(event.stream_id or 0)
            if stream is not None:
                stream.client_ended()
        elif isinstance(event, StreamReset):
            stream = self.streams.get(event.stream_id or 0)
            if stream is not None:
                stream.client_reset(int(event.error_code or 0))
        elif isinstance(event, TrailersReceived):
            stream = self.streams.get(event.stream_id or 0)
            if stream is not None:
                stream.flag("http:request_trailers")  # not announced, and it is being paid for
        elif isinstance(event, RemoteSettingsChanged):
            self.pump_all()
        elif isinstance(event, ConnectionTerminated):
            self.going_away = True
            self.close_if_done()

    def begin(self, stream_id: int, headers: Headers) -> None:
        """Judge and route a request; what is refused gets its response here."""
        self.since = self.state.tick
        if self.going_away or self.state.draining:
            self.reset(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        judged = heads.judge(headers, self.client.hosts)
        if isinstance(judged, Refusal):
            self.state.refused += 1
            rule = f"policy:{judged.rule}"
            self.respond(stream_id, heads.is_grpc(headers), "farebox", judged.status, rule, judged.message)
            return
        found = self.find(judged.request.path, grpc=judged.grpc)
        admitted = self.client.admit(judged.request)
        if isinstance(admitted, NotAdmitted):
            self.state.refused += 1
            shape = found[0].provider.error_shape if found else "farebox"
            self.turn_away(stream_id, judged.grpc, shape, admitted)
            return
        if found is None:
            message = "the path names no provider and no service that is known here."
            self.respond(stream_id, judged.grpc, "farebox", 404, "route_not_found", message)
            return
        route, path = found
        routed = self.client.shared.admission.route(judged.request, route, path, admitted)
        if routed is None:
            self.state.refused += 1
            message = "the request has come back to where it was: an upstream leads to this Farebox."
            self.respond(stream_id, judged.grpc, "farebox", 508, "policy:loop", message)
            return
        stream = Stream(self, self.client.shared.recorder, stream_id, judged, routed)
        if not stream.ended:
            self.streams[stream_id] = stream

    def find(self, path: bytes, *, grpc: bool) -> tuple[Route, bytes] | None:
        """Return where a request goes; a gRPC client cannot put a route's name before its service."""
        found = self.client.find(path)
        if found is None and grpc:
            return self.client.shared.admission.routes.find_service(path)
        return found

    def session(self, origin: Origin) -> UpstreamSession:
        """Return this client's own connection to an origin."""
        known = self.sessions.get(id(origin))
        if known is not None and known.usable:
            return known
        if known is not None:
            self._leaving = [session for session in (*self._leaving, known) if session.streams]
        session = self.sessions[id(origin)] = UpstreamSession(self.state, origin, self._tls)
        return session

    # What streams ask for.

    def respond(
        self,
        stream_id: int,
        grpc: bool,
        shape: str,
        status: int,
        slug: str,
        message: str,
        more: Headers | None = None,
    ) -> None:
        """Respond ourselves, in the shape the client's library reads, with `more` headers."""
        headers, body = heads.refusal(grpc, shape, status, slug, message)
        headers += more or ()
        if self.send_headers(stream_id, headers, end=not body) and body:
            self.send_data(stream_id, body, end=True)
        self.reset(stream_id, ErrorCodes.NO_ERROR)  # what the client is still sending is not read

    def turn_away(self, stream_id: int, grpc: bool, shape: str, why: NotAdmitted) -> None:
        """Say that a request may not pass; nothing of it is written down."""
        more = [
            (name.encode(), value.strip().encode())
            for name, _, value in (line.partition(":") for line in why.headers)
        ]
        self.respond(stream_id, grpc, shape, why.status, why.slug, why.message, more)

    def forget(self, stream: Stream) -> None:
        self.streams.pop(stream.stream_id, None)
        self.since = self.state.tick
        self.close_if_done()

    def close_if_done(self) -> None:
        if self.going_away and not self.streams and not self.lingers and self.transport is not None:
            self.flush()
            self.transport.close()

    def pump_all(self) -> None:
        for stream in list(self.streams.values()):
            stream.pump()

    # Limits.

    def broken(self, error: Exception) -> None:
        """Say why, and read on without looking for a moment: closing at once would lose what was said."""
        self.state.refused += 1
        self.going_away = True
        if self.transport is None or self.transport.is_closing():
            return
        self.since = self.state.tick
        self.lingers = True
        for stream in list(self.streams.values()):
            stream.client_reset(ErrorCodes.CANCEL)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def sweep(self, now: float) -> None:
        """Once a second: limits in time, PARTIAL records, a graceful end."""
        limits = self.state.limits
        if self.lingers:
            if now - self.since > limits.linger_s:
                self.transport.abort()
            return
        if self.stalled_since and now - self.stalled_since > limits.write_stall_s:
            self.transport.abort()
            return
        for stream in list(self.streams.values()):
            stream.sweep(now)
        self.flush()
        if self.transport is None or self.streams:
            if self.state.draining and not self.going_away and self.transport is not None:
                self.go_away()
            return
        if now - self.since > (limits.drain_idle_s if self.state.draining else limits.client_idle_s):
            self.go_away()
            self.transport.close()

    def cut_off(self) -> None:
        """The time for a graceful stop is over."""
        for stream in list(self.streams.values()):
            stream.fail(503, "proxy_stopped", "the proxy was stopped.", "timed_out")
        if self.transport is not None:
            self.go_away()
            self.transport.close()
