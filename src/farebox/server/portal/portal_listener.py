"""The portal's listener: a socket, an origin and a count of connections of its own, in the server's process.

Customers who open many connections take none of the owner's.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import uvicorn
from uvicorn.server import ServerState

from farebox.access.client_address import ReverseProxies
from farebox.access.public_names import names_of, url_of
from farebox.access.rate_limit import RequestRates
from farebox.clock import iso, now_ns
from farebox.config.exposure import speaks_tls
from farebox.home import announce
from farebox.server.access.connection import Connection
from farebox.server.announcement import Run, retract
from farebox.server.listening_socket import bind
from farebox.server.portal.portal_app import REQUESTS_PER_MINUTE, build_portal

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.config.configuration import PortalConfig
    from farebox.server.api.services import Services
    from farebox.snapshot import SnapshotReader


class PortalListener:
    """Listens from its making on, and accepts between `start` and `leave`."""

    def __init__(
        self,
        config: Config,
        portal: PortalConfig,
        services: Services,
        published: SnapshotReader,
        context: Callable[..., ssl.SSLContext] | None,
        used: Callable[[str], None],
    ) -> None:
        """`context` is what a listener beyond loopback speaks TLS with; `used` is told each link's id."""
        secure = speaks_tls(portal.listen)
        self._socket = bind(portal.listen, "portal")
        host, port = self._socket.getsockname()[:2]
        names = names_of(host, port, secure=secure, public_url=portal.public_url)
        limits = config.limits
        self._server, guarded = build_portal(
            services,
            portal,
            names,
            published,
            rates=RequestRates(
                _rate(limits.token_requests_per_minute), _rate(limits.address_requests_per_minute)
            ),
            behind=ReverseProxies(config.trusted_proxies.split(",") if config.trusted_proxies else ()),
            used=used,
        )
        self._config = uvicorn.Config(
            guarded,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            ssl_context_factory=context if secure else None,
            server_header=False,
            date_header=False,
            timeout_keep_alive=75,
            backlog=128,
        )
        self._state = ServerState()
        self._file = services.home.run / "portal.json"
        url = portal.public_url or url_of(host, port, secure=secure)
        self._announced = Run(os.getpid(), host, port, iso(now_ns()), url, secure)

    async def start(self) -> asyncio.Server:
        """Accept connections."""
        self._config.load()
        tls = self._config.ssl
        started = await asyncio.get_running_loop().create_server(
            lambda: Connection(self._config, self._state, {}),
            sock=self._socket,
            ssl=tls,
            ssl_handshake_timeout=Connection.limits.request_s if tls is not None else None,
            backlog=self._config.backlog,
        )
        announce(self._file, msgspec.json.encode(self._announced))
        return started

    def leave(self) -> None:
        """End every connection as soon as its response is sent."""
        for connection in list(self._state.connections):
            connection.shutdown()

    def close(self) -> None:
        """Take no more work, and say so."""
        self._server.close()
        retract(self._file)


def _rate(said: int | None) -> int:
    """Return requests a minute: those of the configuration, where it says fewer."""
    return min(said, REQUESTS_PER_MINUTE) if said else REQUESTS_PER_MINUTE
