"""Connections to upstreams: pooled per origin, checked addresses, verified TLS.

A connection belongs to one exchange at a time. Relay two it waits in its origin's pool and is
thrown away when the upstream says or closes anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from farebox.listeners import is_farebox
from farebox.outbound import addresses
from farebox.proxy.limits import Limits
from farebox.proxy.sockets import socket_poll
from farebox.proxy.sockets.read_batch import running_batch
from farebox.proxy.sockets.tls_buffer import TlsBuffer
from farebox.proxy.upstream.tls import keep_session

_TICKETS_S = 0.1
_LOOK_S = 1.0
_LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))


class ConnectError(Exception):
    """No connection to the upstream. `error_class` is what the record says."""

    def __init__(self, error_class: str, message: str) -> None:
        super().__init__(message)
        self.error_class = error_class


_Opened = TypeVar("_Opened", bound=asyncio.BaseProtocol)


class Waiting(Protocol):
    """What a connection serves: an exchange."""

    def connected(self, connection: UpstreamConnection) -> None: ...
    def connect_failed(self, error: ConnectError) -> None: ...
    def upstream_data(self, data: bytes) -> None: ...
    def upstream_lost(self, error: Exception | None) -> None: ...
    def upstream_full(self) -> None: ...
    def upstream_drained(self) -> None: ...


class UpstreamConnection(asyncio.Protocol):
    """One connection to an origin."""

    __slots__ = (
        "batch",
        "exchange",
        "idle_since",
        "origin",
        "reading_paused",
        "reused",
        "session_kept",
        "transport",
        "write",
    )

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.exchange: Waiting | None = None
        self.reused = False
        self.session_kept = False
        self.idle_since = 0.0
        self.reading_paused = False
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.batch = running_batch()
        self.transport.set_write_buffer_limits(self.origin.limits.stream_buffer)
        self.write: Callable[[bytes | memoryview], None] = self.transport.write
        self.origin.live.add(self)

    def data_received(self, data: bytes) -> None:
        self.batch.add(self, data)

    def eof_received(self) -> bool:
        self.batch.run()
        return False

    def received(self, data: bytes) -> None:
        """Take in what has come from the upstream."""
        exchange = self.exchange
        if exchange is not None:
            exchange.upstream_data(data)
        else:
            # Nobody asked: an idle connection that speaks is not used again.
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        origin = self.origin
        origin.live.discard(self)
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.upstream_lost(exc)
        else:
            with contextlib.suppress(ValueError):
                origin.idle.remove(self)

    def pause_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.upstream_full()

    def resume_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.upstream_drained()

    def pause_reading(self) -> None:
        if not self.reading_paused:
            self.reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.reading_paused:
            self.reading_paused = False
            self.transport.resume_reading()

    def leave(self, *, reusable: bool) -> None:
        """End the exchange's use of this connection."""
        self.exchange = None
        origin = self.origin
        if origin.secure and not self.session_kept:
            self.session_kept = True
            keep_session(self.transport, origin.host)
        if reusable and len(origin.idle) < origin.limits.pool_size:
            if self.reading_paused:
                self.resume_reading()
            self.reused = True
            self.idle_since = origin.tick
            origin.idle.append(self)
        else:
            self.abort()

    def abort(self) -> None:
        self.exchange = None
        self.transport.abort()

    def is_stale(self) -> bool:
        """Ask the kernel whether the other side has closed it or spoken; costs one system call."""
        return socket_poll.happened(self.transport, socket_poll.SPOKEN)


class Origin:
    """One upstream: where it is, its idle connections, how to open another."""

    def __init__(
        self,
        url: str,
        *,
        limits: Limits,
        private_allowed: bool,
        own_ports: Callable[[], frozenset[int]],
        tls: Callable[[], ssl.SSLContext],
    ) -> None:
        parts = urlsplit(url)
        self.url = url
        self.secure = parts.scheme == "https"
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if self.secure else 80)
        self.base_path = parts.path.rstrip("/").encode("ascii", "strict")
        shown = f"[{self.host}]" if ":" in self.host else self.host
        self.authority = shown if parts.port is None else f"{shown}:{parts.port}"
        self.limits = limits
        self.private_allowed = private_allowed
        self.own_ports = own_ports
        self.tls = tls
        self.idle: list[UpstreamConnection] = []
        self.tick = 0.0
        """When `sweep` was called last: precise enough to tell how long a connection is unused."""
        self.live: set[UpstreamConnection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._resolved: list[tuple[int, str]] = []
        self._resolved_at = 0.0
        self._looked_at = -_LOOK_S
        self._farebox = False

    def leads_to_farebox(self) -> bool:
        """Return whether another Farebox of this user listens there: it meters what it is sent."""
        if self.secure or self.host not in _LOOPBACK or self.port in self.own_ports():
            return False
        now = time.monotonic()
        if now - self._looked_at > _LOOK_S:
            self._looked_at = now
            self._farebox = is_farebox(self.port)
        return self._farebox

    def take(self) -> UpstreamConnection | None:
        """Return the pooled connection used last, None where a new one is needed."""
        idle = self.idle
        while idle:
            connection = idle.pop()
            if connection.transport.is_closing():
                continue
            if connection.idle_since != self.tick and connection.is_stale():
                connection.abort()  # unused for a while, and closed meanwhile
                continue
            return connection
        return None

    def sweep(self, now: float) -> None:
        """Close connections that have been unused for too long. Called once a second."""
        self.tick = now
        idle = self.idle
        # The ones used longest ago are at the front.
        while idle and now - idle[0].idle_since > self.limits.pool_idle_s:
            idle.pop(0).abort()

    def close(self) -> None:
        for task in list(self._connecting):
            task.cancel()
        for connection in list(self.live):
            connection.abort()

    def connect(self, exchange: Waiting) -> asyncio.Task[None]:
        """Open a connection and hand it to `exchange`, or tell it why there is none."""
        task = asyncio.get_running_loop().create_task(self._connect(exchange))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return task

    async def _connect(self, exchange: Waiting) -> None:
        try:
            async with asyncio.timeout(self.limits.connect_s):
                connection = await self._open()
        except ConnectError as error:
            exchange.connect_failed(error)
        except TimeoutError:
            exchange.connect_failed(ConnectError("connect_timeout", "The upstream did not accept in time."))
        else:
            exchange.connected(connection)

    async def _open(self) -> UpstreamConnection:
        if not self.secure:
            return await self.open(lambda: UpstreamConnection(self), None)
        connection = (await self.open(lambda: TlsBuffer(UpstreamConnection(self)), self.tls())).protocol
        # A server sends its tickets after the handshake. A connection that resumes costs a third of the
        # processor time and keeps no certificates in memory, so no stream's end is waited for.
        asyncio.get_running_loop().call_later(_TICKETS_S, keep_session, connection.transport, self.host)
        return connection

    async def open(self, make: Callable[[], _Opened], tls: ssl.SSLContext | None) -> _Opened:
        """Connect what `make` returns to this origin; raise `ConnectError` where that cannot be."""
        loop = asyncio.get_running_loop()
        last = ConnectError("dns_failed", "The upstream's name has no address.")
        for family, address in await self._addresses():
            reason = addresses.refusal(
                address, self.port, private_allowed=self.private_allowed, own_ports=self.own_ports()
            )
            if reason is not None:
                last = ConnectError("policy:address", f"The upstream resolves to a {reason}.")
                continue
            try:
                _, connection = await loop.create_connection(
                    make,
                    address,
                    self.port,
                    family=family,
                    ssl=tls,
                    server_hostname=self.host if self.secure else None,
                    ssl_handshake_timeout=self.limits.connect_s if self.secure else None,
                )
            except ssl.SSLCertVerificationError:
                last = ConnectError("tls_failed", "The upstream's certificate is not valid for its name.")
            except ssl.SSLError:
                last = ConnectError("tls_failed", "The TLS handshake with the upstream failed.")
            except (OSError, EOFError):
                last = ConnectError("connect_failed", "The upstream cannot be reached.")
            else:
                return connection
        raise last

    @property
    def resolved(self) -> list[tuple[int, str]]:
        """Family and address, as they were found last; nothing before the first connection."""
        return self._resolved

    async def _addresses(self) -> list[tuple[int, str]]:
        now = time.monotonic()
        if self._resolved and now - self._resolved_at < self.limits.resolve_s:
            return self._resolved
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError:
            raise ConnectError("dns_failed", "The upstream's name cannot be resolved.") from None
        self._resolved = list(dict.fromkeys((int(entry[0]), str(entry[4][0])) for entry in found))
        self._resolved_at = now
        return self._resolved
