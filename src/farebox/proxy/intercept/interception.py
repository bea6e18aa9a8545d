"""Terminate a client's TLS for a provider's host and serve what is inside like any other request.

The one difference is the route: the name in `CONNECT` has chosen it, and the `Host` of every
request has to say the same. Metering, limits and policy are `ClientConnection`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from farebox.certificates.names import HOST, matches
from farebox.config import Address, parse_address
from farebox.proxy.admission.routes import UNMETERED, Route
from farebox.proxy.http1.client_connection import ClientConnection
from farebox.proxy.intercept.leaf_contexts import LeafContexts
from farebox.proxy.intercept.pinning_clients import Pin, PinningClients
from farebox.proxy.intercept.unmetered import UnmeteredHosts
from farebox.proxy.sockets.tls_buffer import TlsBuffer, settle_memory
from farebox.proxy.upstream.fixed_address import make_origin

if TYPE_CHECKING:
    from farebox.catalog import Catalog, Provider
    from farebox.config import Config
    from farebox.proxy.admission.routes import Routes
    from farebox.proxy.caller.connection_caller import ConnectionCaller
    from farebox.proxy.http1.client_connection import Shared
    from farebox.proxy.intercept.tunnel import ClientSide
    from farebox.proxy.service_state import ServiceState
    from farebox.proxy.upstream.tls import UpstreamTls

_ROUTES_MAX = 512
LOOK_UP_SECONDS = 1.5
"""How long a client that may be pinned waits until it is known which process it is."""
SILENT_SECONDS = 1.0
"""A client that looks at our certificate and does not like it is gone within this."""
_PORTS = {True: 443, False: 80}
_PROTOCOLS = ("http/1.1", "h2")
"""In order of preference: HTTP/2 only for a client that offers nothing else."""

REJECTIONS = frozenset(
    (
        "TLSV1_ALERT_UNKNOWN_CA",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "TLSV1_ALERT_ACCESS_DENIED",
    )
)
"""How TLS libraries say that they do not accept our certificate."""


class InterceptedConnection(ClientConnection):
    """A client's connection whose requests all go to one provider's host."""

    __slots__ = (
        "agent",
        "began",
        "forwards",
        "interception",
        "own_hosts",
        "pages",
        "spoken",
        "via",
    )

    def __init__(self, shared: Shared, via: Route, hosts: frozenset[bytes], *, forwards: bool) -> None:
        super().__init__(shared)
        self.via = via
        self.own_hosts = hosts
        self.forwards = forwards
        self.pages = not forwards
        """What is inside TLS may come from a web page: the client trusts us with what it trusts the
        provider with."""
        self.interception: Interception | None = None
        self.agent = ""
        self.spoken = forwards
        self.began = self.service.loop.time()

    may_begin_tls = False

    @property
    def hosts(self) -> frozenset[bytes]:
        return self.own_hosts

    @property
    def asked_as_proxy(self) -> bool:
        return self.forwards

    @property
    def speaks_http2(self) -> bool:
        return not self.forwards

    def find(self, path: bytes) -> tuple[Route, bytes] | None:
        return self.via, path

    def data_received(self, data: bytes) -> None:
        if not self.spoken:
            self.spoken = True
            self.caller.when_known(self._trusted)
        super().data_received(data)

    def _trusted(self) -> None:
        if self.interception is not None and self.caller.process is not None:
            self.interception.pins.trusted(self.via.origin.host, self.agent, self.caller.process)

    def connection_lost(self, exc: Exception | None) -> None:
        # Later it is a connection that was kept in store, or one that we closed ourselves. Without a
        # transport it is a handshake that failed, and that is counted already.
        silent = (
            self.transport is not None
            and not self.spoken
            and self.service.loop.time() - self.began < SILENT_SECONDS
        )
        if silent and self.interception is not None:
            self.interception.failed(self.via.origin.host, self.agent, "", self.caller)
        super().connection_lost(exc)


class Interception:
    """Which hosts one proxy answers for, and how."""

    def __init__(
        self,
        state: ServiceState,
        routes: Routes,
        catalog: Catalog,
        config: Config,
        *,
        tls: UpstreamTls,
        authority: Path | None,
        pins: Path | None,
    ) -> None:
        self.state = state
        self._origins = routes.origins
        self._tls = tls
        self.leaves = LeafContexts(authority, _PROTOCOLS) if authority is not None else None
        self.pins = PinningClients(pins)
        self.unmetered = UnmeteredHosts()
        self._catalog = catalog
        self._addresses = config.interception.addresses
        self._never = config.interception.never
        self._routes: dict[tuple[str, int, bool, bool], Route] = {}
        self._own: dict[tuple[str, int, bool], Provider] = {}
        """Upstreams of the configuration, which may be on any port."""
        for name in config.providers:
            provider = catalog.provider(name)
            parts = urlsplit(provider.upstream) if provider is not None else None
            if provider is not None and parts is not None and parts.hostname:
                secure = parts.scheme == "https"
                self._own.setdefault((parts.hostname, parts.port or _PORTS[secure], secure), provider)

    def wants(self, host: str, port: int) -> bool:
        """Return whether TLS to `host` is to be ended here."""
        if self.leaves is None or self._provider(host, port, secure=True) is None:
            return False
        authority = self.leaves.authority()
        return authority is not None and authority.covers(host)

    def passes_over(self, host: str, port: int) -> str | None:
        """Return why a provider's host is not metered, None where `host` is nobody's that we know."""
        if port == _PORTS[True] and self._never and matches(host, self._never):
            return "excepted" if HOST.fullmatch(host) and self._catalog.by_host(host) else None
        if self._provider(host, port, secure=True) is None:
            return None
        authority = self.leaves.authority() if self.leaves is not None else None
        return "no_authority" if authority is None else "not_covered"

    def unseen(
        self, host: str, agent: str, reason: str, caller: ConnectionCaller, pin: Pin | None = None
    ) -> None:
        """Count a tunnel to a provider's host."""
        self.unmetered.add(host, agent, reason, caller, pin.until if pin is not None else 0)

    async def pinned(self, host: str, agent: str, caller: ConnectionCaller) -> Pin | None:
        """Return the pin of a client that is known not to accept our certificate.

        A host name alone identifies no client, since any program may use it: the process counts, and
        finding it may take a moment.
        """
        if not self.pins.any(host, agent):
            return None
        known = asyncio.Event()
        caller.when_known(known.set)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(known.wait(), LOOK_UP_SECONDS)
        return self.pins.find(host, agent, caller.process) if caller.process is not None else None

    def place(self, host: str) -> Address | None:
        """Return where the configuration says that a host is."""
        return parse_address(self._addresses.get(host, ""))

    def route(self, host: str, port: int, *, secure: bool, trusted: bool = False) -> Route | None:
        """Return the way to a host that is metered, None for all others.

        `trusted`: the client could reach private addresses without us, so it may through us.
        """
        provider = self._provider(host, port, secure=secure)
        if provider is None:
            return None
        return self._way(provider, host, port, secure=secure, trusted=trusted)

    def unmetered_route(self, host: str, port: int, *, secure: bool, trusted: bool = False) -> Route | None:
        """Return the way to a host that nobody meters, None where there are too many in use."""
        if self._provider(host, port, secure=secure) is not None:
            return None
        return self._way(UNMETERED, host, port, secure=secure, trusted=trusted)

    def _way(self, provider: Provider, host: str, port: int, *, secure: bool, trusted: bool) -> Route | None:
        key = (host, port, secure, trusted)
        found = self._routes.get(key)
        if found is not None:
            return found
        if len(self._routes) >= _ROUTES_MAX and not self._make_room():
            return None
        shown = f"[{host}]" if ":" in host else host
        shown = shown if port == _PORTS[secure] else f"{shown}:{port}"
        limits = self.state.limits
        if provider is UNMETERED:
            # Some servers give a connection the rights of who spoke on it first: it is nobody else's.
            limits = msgspec.structs.replace(limits, pool_size=0)
        origin = make_origin(
            f"{'https' if secure else 'http'}://{shown}",
            self._addresses,
            limits=limits,
            private_allowed=trusted or (host, port, secure) in self._own,
            own_ports=lambda: self.state.own_ports,
            tls=self._tls.http1,
        )
        self._origins.append(origin)
        route = self._routes[key] = Route(provider, origin, metered=provider is not UNMETERED)
        return route

    async def terminate(
        self, side: ClientSide, route: Route, agent: str, opener: ClientConnection, context: ssl.SSLContext
    ) -> None:
        """Terminate the TLS of a client that has been told that it is connected.

        `opener` is what the connection was before: it knows which program is at the other end.
        """
        state = self.state
        origin = route.origin
        shown = origin.authority.encode("ascii")
        hosts = frozenset((shown, origin.host.encode("ascii") + b":443") if b":" not in shown else (shown,))
        connection = InterceptedConnection(opener.shared, route, hosts, forwards=False)
        connection.interception, connection.agent, connection.caller = self, agent, opener.caller
        settle_memory()
        transport = None
        try:
            transport = await state.loop.start_tls(
                side.transport,
                TlsBuffer(connection),
                context,
                server_side=True,
                ssl_handshake_timeout=state.limits.client_head_s,
            )
        except ssl.SSLError as error:
            reason = error.reason or ""
            alert = reason.partition("ALERT_")[2].lower() if reason in REJECTIONS else ""
            self.failed(origin.host, agent, alert, opener.caller)
        except (OSError, EOFError, TimeoutError):
            self.failed(origin.host, agent, "", opener.caller)
        finally:
            state.clients.discard(side)
            side.opening = None
        if transport is None:
            side.transport.abort()
            return
        connection.connection_made(transport)

    def failed(self, host: str, agent: str, alert: str, caller: ConnectionCaller) -> None:
        """Take in that a client would not go on after our certificate; `alert` is what it said, if anything.

        What a process of another user does counts for nothing, nor what nobody knows the process of.
        """

        def remember() -> None:
            if caller.process is None:
                return
            if alert:
                self.pins.rejected(host, agent, caller.process, alert)
            else:
                self.pins.closed(host, agent, caller.process)

        caller.when_known(remember)

    async def close(self) -> None:
        if self.leaves is not None:
            await self.leaves.close()

    def _provider(self, host: str, port: int, *, secure: bool) -> Provider | None:
        if self._never and matches(host, self._never):
            return None
        found = self._own.get((host, port, secure))
        if found is None and port == _PORTS[secure] and HOST.fullmatch(host):
            found = self._catalog.by_host(host)
        return found

    def _make_room(self) -> bool:
        """Forget a host that nobody uses; return whether there was one."""
        for key, route in self._routes.items():
            if not route.origin.live:
                del self._routes[key]
                self._origins.remove(route.origin)
                return True
        return False
