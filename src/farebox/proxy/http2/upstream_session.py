"""The provider's side: one HTTP/2 connection, used by the streams of one client's connection alone.

So no client's slowness, reset or key has anything to do with another's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import NoAvailableStreamIDError

from farebox.proxy.http2 import heads
from farebox.proxy.http2.peer import Headers, Peer
from farebox.proxy.upstream.connection import ConnectError

if TYPE_CHECKING:
    from farebox.proxy.service_state import ServiceState
    from farebox.proxy.upstream.connection import Origin
    from farebox.proxy.upstream.tls import UpstreamTls


class Stream(Protocol):
    """What a session asks of the streams on it (`farebox.proxy.http2.stream`)."""

    upstream_id: int
    trailers: Headers | None

    def connected(self, stream_id: int) -> None: ...
    def connect_failed(self, error: ConnectError) -> None: ...
    def informed(self, headers: Headers) -> None: ...
    def response_head(self, headers: Headers) -> None: ...
    def upstream_data(self, data: bytes, counted: int) -> None: ...
    def upstream_ended(self) -> None: ...
    def upstream_reset(self, code: int) -> None: ...
    def upstream_lost(self) -> None: ...
    def pump(self) -> None: ...


class UpstreamSession(Peer):
    """A connection to an origin."""

    def __init__(self, state: ServiceState, origin: Origin, tls: UpstreamTls) -> None:
        super().__init__(state, client_side=True)
        self._tls = tls
        self.origin = origin
        self.streams: dict[int, Stream] = {}
        self._waiting: deque[Stream] = deque()
        self._speaks = False
        self._connecting: asyncio.Task[None] | None = state.loop.create_task(self._connect())

    @property
    def usable(self) -> bool:
        return not self.going_away and (
            self._connecting is not None or (self.transport is not None and not self.transport.is_closing())
        )

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self.state.limits.connect_s):
                await self.origin.open(lambda: self, self._tls.http2() if self.origin.secure else None)
            if not self._speaks:
                raise ConnectError("http2_unsupported", "The upstream does not speak HTTP/2.")
        except ConnectError as error:
            self._failed(error)
        except TimeoutError:
            self._failed(ConnectError("connect_timeout", "The upstream did not accept in time."))
        else:
            self._connecting = None
            self.open_waiting()

    def _failed(self, error: ConnectError) -> None:
        self._connecting = None
        self.going_away = True
        waiting, self._waiting = self._waiting, deque()
        for stream in waiting:
            stream.connect_failed(error)
        self.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tls = transport.get_extra_info("ssl_object")
        self._speaks = tls is None or tls.selected_alpn_protocol() == "h2"
        if self._speaks:
            self.start(transport)  # our first bytes come before any response to theirs
        else:
            self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.read_rest()
        self.going_away = True
        streams, self.streams = list(self.streams.values()), {}
        waiting, self._waiting = self._waiting, deque()
        for stream in (*streams, *waiting):
            stream.upstream_lost()

    def close(self) -> None:
        """Nobody needs it any more."""
        self.going_away = True
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.abort()

    def add(self, stream: Stream) -> None:
        """Open a stream as soon as there is a connection and room on it."""
        self._waiting.append(stream)
        if self._connecting is None:
            self.open_waiting()
            self.flush()

    def forget(self, stream: Stream) -> None:
        if self.streams.pop(stream.upstream_id, None) is None and stream in self._waiting:
            self._waiting.remove(stream)
        self.open_waiting()

    def open_waiting(self) -> None:
        while self._waiting and len(self.streams) < self.h2.remote_settings.max_concurrent_streams:
            if self.going_away:
                waiting, self._waiting = self._waiting, deque()
                for stream in waiting:
                    stream.upstream_reset(ErrorCodes.REFUSED_STREAM)
                return
            stream = self._waiting.popleft()
            try:
                stream_id = self.h2.get_next_available_stream_id()
            except NoAvailableStreamIDError:
                self.going_away = True
                stream.upstream_reset(ErrorCodes.REFUSED_STREAM)
                continue
            self.streams[stream_id] = stream
            stream.connected(stream_id)
        self.flush()

    def take(self, event: Event) -> None:
        if isinstance(event, DataReceived):
            stream = self.streams.get(event.stream_id or 0)
            data, counted = event.data or b"", event.flow_controlled_length or 0
            if stream is None:
                self.acknowledge(event.stream_id or 0, counted)
            else:
                stream.upstream_data(data, counted)
        elif isinstance(event, ResponseReceived):
            stream = self.streams.get(event.stream_id or 0)
            if stream is not None:
                stream.response_head(list(event.headers or ()))  # pyright: ignore[reportArgumentType]
        elif isinstance(event, InformationalResponseReceived):
            stream = self.streams.get(event.stream_id or 0)
            if stream is not None:
                stream.informed(list(event.headers or ()))  # pyright: ignore[reportArgumentType]
        elif isinstance(event, TrailersReceived):
            stream = self.streams.get(event.stream_id or 0)
            if stream is not None:
                stream.trailers = heads.for_client(list(event.headers or ()))  # pyright: ignore[reportArgumentType]
        elif isinstance(event, StreamEnded):
            stream = self.streams.get(event.stream_id or 0)
            if stream is not None:
                stream.upstream_ended()
        elif isinstance(event, StreamReset):
            stream = self.streams.get(event.stream_id or 0)
            if stream is not None:
                stream.upstream_reset(int(event.error_code or 0))
        elif isinstance(event, RemoteSettingsChanged):
            self.pump_all()
            self.open_waiting()
        elif isinstance(event, ConnectionTerminated):
            self._terminated(event)

    def _terminated(self, event: ConnectionTerminated) -> None:
        """The provider takes no new streams; those it has not looked at may be tried again."""
        self.going_away = True
        last = event.last_stream_id or 0
        for stream_id, stream in list(self.streams.items()):
            if stream_id > last:
                stream.upstream_reset(ErrorCodes.REFUSED_STREAM)
        self.open_waiting()

    def broken(self, error: Exception) -> None:
        self.transport.abort()

    def pump_all(self) -> None:
        for stream in list(self.streams.values()):
            stream.pump()
