"""What an exchange and a socket have in common: they stand between a client and an upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from farebox.proxy.http1.client_connection import ClientConnection
    from farebox.proxy.upstream.connection import UpstreamConnection


class Relay:
    """Two connections. Who cannot take more is not sent more."""

    client: ClientConnection
    survives_half_close = False
    """Whether a client that sends no more may still be waiting for a response."""
    upstream: UpstreamConnection | None = None
    connecting: asyncio.Task[None] | None = None

    def drop_upstream(self) -> None:
        if self.connecting is not None:
            self.connecting.cancel()
            self.connecting = None
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.abort()

    def client_full(self) -> None:
        if self.upstream is not None:
            self.upstream.pause_reading()

    def client_drained(self) -> None:
        if self.upstream is not None:
            self.upstream.resume_reading()

    def upstream_full(self) -> None:
        self.client.pause_reading()

    def upstream_drained(self) -> None:
        self.client.resume_reading()
