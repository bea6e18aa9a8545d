"""Two connections made one: what a client says to a host that nobody meters, byte for byte.

Nothing of it is looked at, counted or written down. Where it may go is decided before, in
`forward`, on the name and here on the address.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from farebox.outbound import addresses
from farebox.proxy.sockets.read_batch import FULL_READ

if TYPE_CHECKING:
    from farebox.proxy.service_state import ServiceState

_EARLY_MAX = 64 * 1024
"""Bytes a client may send before it is connected."""


class TunnelError(Exception):
    """There is no way to the host. `status` and `slug` are what the client is told."""

    def __init__(self, status: int, slug: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.slug = slug


class Side(asyncio.Protocol):
    """One of a tunnel's two connections. What comes in here goes out there."""

    __slots__ = ("ended", "other", "since", "stalled_since", "state", "transport")

    def __init__(self, state: ServiceState) -> None:
        self.state = state
        self.transport: Any = None
        self.other: Side | None = None
        self.ended = False
        """It has said that it will send no more."""
        self.stalled_since = 0.0
        self.since = state.tick

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.set_write_buffer_limits(self.state.limits.stream_buffer)
        # A tunnel may be silent for hours; what it may not is outlive a machine that has gone.
        connection = self.transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        other = self.other
        if other is not None:
            other.transport.write(data)
            if len(data) >= FULL_READ and not other.stalled_since:
                # As in `batch`: a socket with megabytes must not keep the others waiting.
                self.transport.pause_reading()
                self.state.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self.other is not None and not self.other.stalled_since and not self.transport.is_closing():
            self.transport.resume_reading()

    def eof_received(self) -> bool:
        other = self.other
        self.ended = True
        if other is None or other.ended or not other.transport.can_write_eof():
            return False
        other.transport.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        other, self.other = self.other, None
        if other is not None:
            other.other = None
            if exc is None:
                other.transport.close()
            else:
                other.transport.abort()

    def pause_writing(self) -> None:
        self.stalled_since = self.state.tick
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        self.stalled_since = 0.0
        if self.other is not None:
            self.other.transport.resume_reading()


class ClientSide(Side):
    """The client's half: it is there first, and waits until there is somewhere to go."""

    __slots__ = ("early", "may_stay", "opening")

    def __init__(self, state: ServiceState, early: bytes = b"") -> None:
        super().__init__(state)
        self.early = early
        self.may_stay: Callable[[], bool] | None = None
        """Says whether the token that it was opened with is still good; None where there was none."""
        self.opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.state.clients.add(self)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
            return
        self.early += data
        if len(self.early) > _EARLY_MAX:
            self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.state.clients.discard(self)
        if self.opening is not None:
            self.opening.cancel()
        super().connection_lost(exc)

    def joined(self, other: Side) -> None:
        """Begin to pass bytes on, beginning with what the client has sent already."""
        self.other, other.other = other, self
        data, self.early = self.early, b""
        if data:
            other.transport.write(data)
        self.transport.resume_reading()

    def sweep(self, now: float) -> None:
        if self.may_stay is not None and not self.may_stay():
            self.cut_off()
            return
        stalled = self.stalled_since or (self.other.stalled_since if self.other is not None else 0.0)
        if stalled and now - stalled > self.state.limits.write_stall_s:
            self.cut_off()

    def cut_off(self) -> None:
        self.transport.abort()


async def reach(
    state: ServiceState,
    host: str,
    port: int,
    *,
    private_allowed: bool,
) -> Side:
    """Return a connection to `host`.

    Raises:
        TunnelError: There is none, or it may not be made.
    """
    loop = asyncio.get_running_loop()
    error = TunnelError(502, "connect_failed", f"{host} cannot be reached.")
    try:
        async with asyncio.timeout(state.limits.connect_s):
            try:
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError):
                raise TunnelError(502, "dns_failed", f"{host} has no address.") from None
            for family, address in dict.fromkeys((entry[0], str(entry[4][0])) for entry in found):
                reason = addresses.refusal(
                    address, port, private_allowed=private_allowed, own_ports=state.own_ports
                )
                if reason is not None:
                    error = TunnelError(403, "policy:address", f"{host} is a {reason}.")
                    continue
                try:
                    _, side = await loop.create_connection(
                        lambda: Side(state),
                        address,
                        port,
                        family=family,
                    )
                except (OSError, EOFError):
                    continue
                else:
                    return side
    except TimeoutError:
        raise TunnelError(504, "connect_timeout", f"{host} did not accept in time.") from None
    raise error
