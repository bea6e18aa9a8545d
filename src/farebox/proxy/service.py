"""The proxy as a service: what every connection shares, listening, draining, health.

No admin interface: `/` and `/health` say how it is, and that is all that can be asked here.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

import farebox
from farebox.catalog import Catalog
from farebox.config import Address, Config
from farebox.journal import records
from farebox.journal.health import JournalHealth
from farebox.proxy.admission import own_response
from farebox.proxy.admission.routes import Routes
from farebox.proxy.caller.attribution import Callers
from farebox.proxy.caller.attribution_merge import Attribution
from farebox.proxy.caller.process_lookup import ProcessLookup
from farebox.proxy.free_memory import FreeMemory
from farebox.proxy.http1.client_connection import ClientConnection
from farebox.proxy.http1.held_bodies import HeldBodies
from farebox.proxy.intercept.direct_connections import DirectConnections, ProviderAddresses
from farebox.proxy.intercept.forward_proxy import ForwardProxy
from farebox.proxy.intercept.interception import Interception
from farebox.proxy.limits import Limits
from farebox.proxy.recording.estimates import Estimates
from farebox.proxy.recording.failed_meter import MakeMeter
from farebox.proxy.recording.logical_calls import LogicalCalls
from farebox.proxy.upstream.connection import client_tls
from farebox.wire.http_policy import RequestHead, allowed_hosts
from farebox.wire.meter import Meter


class Journal(Protocol):
    """What the proxy asks of a journal (`farebox.journal.writer.JournalWriter`)."""

    @property
    def source(self) -> str: ...
    @property
    def health(self) -> JournalHealth: ...
    def append(self, record_type: int, payload: bytes) -> int: ...
    def when_durable(self, position: int, callback: Callable[[], None]) -> None: ...
    def close(self) -> None: ...


class Served(Protocol):
    """A client's connection, whatever is spoken on it."""

    since: float

    def sweep(self, now: float) -> None: ...
    def cut_off(self) -> None: ...


class NoJournal:
    """Stands in where no journal can be written: traffic goes on and what is missing is counted."""

    source = "proxy:unrecorded"

    def __init__(self, reason: str) -> None:
        self.health = JournalHealth(state="lost", reason=reason)

    def append(self, record_type: int, payload: bytes) -> int:
        self.health.lost_records += 1
        self.health.lost_bytes += len(payload)
        if record_type == records.DONE:
            self.health.lost_exchanges += 1
        return 0

    def when_durable(self, position: int, callback: Callable[[], None]) -> None:
        self.health.released_unsynced += 1
        callback()

    def close(self) -> None:
        return


class Proxy:
    """Everything that connections share. Seams are arguments: journal, catalog, meter, limits."""

    def __init__(
        self,
        config: Config,
        *,
        catalog: Catalog,
        journal: Journal,
        secret: bytes,
        limits: Limits | None = None,
        labels: Mapping[str, str] | None = None,
        meter: MakeMeter = Meter,
        clients_max: int = 4096,
        authority: Path | None = None,
        pins: Path | None = None,
        password: str = "",
        finds_processes: bool = False,
        runs_for: int | None = None,
        addresses: Path | None = None,
    ) -> None:
        """`runs_for`: the process whose descendants alone are served, where there is one; `addresses`: the
        file where addresses of providers are kept."""
        self.limits = Limits() if limits is None else limits
        self.journal = journal
        self.append = journal.append
        self.fingerprints = Callers(secret, catalog.vendors, config.keys)
        given = dict(labels or {})
        self.below: Attribution = (given, {name: f"env:FAREBOX_{name.upper()}" for name in given})
        """Attribution of every call, where a call does not say otherwise."""
        self.retries = LogicalCalls()
        self.finds_processes = finds_processes
        self.processes: ProcessLookup | None = None
        self._runs_for = runs_for
        self._addresses = addresses
        self._direct: DirectConnections | None = None
        self.meter = meter
        self.everyday = meter is Meter
        """Whether everyday exchanges may do without a meter of their own."""
        self.free_memory: FreeMemory | None = None
        """Overwrites what has passed; nobody where it is not set."""
        self.estimates: Estimates | None = None
        """Who estimates what no provider stated; nobody where it is not set."""
        self.ledger_trouble: Callable[[], str | None] = lambda: None
        """Says why what is recorded does not get into the ledger, where one should be running."""
        self.clients_max = clients_max
        self.waits_for_disk = config.durability == "power"
        self.clients: set[Served] = set()
        self.instance = os.urandom(8).hex().encode()
        """What this process calls itself to other Fareboxes."""
        self.in_flight = 0
        self.held_bodies = HeldBodies(self.limits.held_total)
        self.passed = False
        """Whether something has come from a client since the last sweep."""
        self.refused = 0
        """Requests refused before they were routed to a provider."""
        self.draining = False
        self.hosts: frozenset[bytes] = frozenset()
        self.loop: asyncio.AbstractEventLoop
        self.tick = 0.0
        """The loop's clock, read once a sweep: limits in time need no more."""
        self._config = config
        self.own_ports: frozenset[int] = frozenset()
        self._tls: ssl.SSLContext | None = None
        self._http2_tls: ssl.SSLContext | None = None
        self._server: asyncio.Server | None = None
        self._pending: socket.socket | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._started = time.time()
        self.routes = Routes(
            catalog, config, limits=self.limits, own_ports=lambda: self.own_ports, tls=self.client_tls
        )
        interception = Interception(self, catalog, config, authority=authority, pins=pins)
        self.forward = ForwardProxy(self, interception, password=password, ports=config.interception.ports)

    def client_tls(self) -> ssl.SSLContext:
        """Return the one context for upstreams: it always verifies."""
        if self._tls is None:
            self._tls = self._make_tls()
        return self._tls

    def http2_tls(self) -> ssl.SSLContext:
        """Return the context for upstreams that speak HTTP/2; it verifies just the same."""
        if self._http2_tls is None:
            self._http2_tls = self._make_tls()
            self._http2_tls.set_alpn_protocols(["h2"])
        return self._http2_tls

    def _make_tls(self) -> ssl.SSLContext:
        context = client_tls()  # reads some hundred certificates: only when they are needed
        if self._config.interception.ca_file is not None:
            context.load_verify_locations(self._config.interception.ca_file)
        return context

    @property
    def recording(self) -> bool:
        """Whether there is a journal at all; how it does is its health."""
        return not isinstance(self.journal, NoJournal)

    async def listen(self, listener: socket.socket, *, keep_pending: bool = False) -> Address:
        """Serve on a bound socket; `keep_pending` when nobody else shares it after us."""
        self.loop = asyncio.get_running_loop()
        host, port = listener.getsockname()[:2]
        self.hosts = allowed_hosts(port, (host, self._config.listen.host))
        self.own_ports = frozenset((port, self._config.listen.port, self._config.dashboard.port)) - {0}
        self.tick = self.loop.time()
        if self.finds_processes:
            self.processes = ProcessLookup(self.loop, self.below)
            known = ProviderAddresses(
                self._addresses, self._config.interception.addresses, lambda: self.routes.origins
            )
            unmetered = self.forward.interception.unmetered
            self._direct = DirectConnections(self.loop, known, unmetered.add_direct, parent=self._runs_for)
            self._direct.start()
        if keep_pending:
            self._pending = listener.dup()
        self._server = await self.loop.create_server(
            lambda: ClientConnection(self), sock=listener, backlog=4096
        )
        self._sweep()
        return Address(host, port)

    def _sweep(self) -> None:
        """Once a second: limits in time, PARTIAL records, unused upstream connections."""
        self.tick = now = self.loop.time()
        for client in list(self.clients):
            client.sweep(now)
        moment = time.monotonic()
        for origin in self.routes.origins:
            origin.sweep(moment)
        if self.free_memory is not None:
            self.free_memory.sweep(now, used=self.passed)
        self.passed = False
        self._sweeper = self.loop.call_later(self.limits.sweep_s, self._sweep)

    async def drain(self) -> None:
        """Stop accepting, let exchanges end, then close; at most `drain_s` seconds."""
        self.draining = True
        self.tick = self.loop.time()
        for client in self.clients:
            client.since = max(client.since, self.tick)
        if self._server is not None:
            self._server.close()
        await self._accept_pending()
        deadline = self.loop.time() + self.limits.drain_s
        # Connections come and go meanwhile: looking now and then is simpler than an event.
        while self.clients and self.loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        self.cut_off()
        await asyncio.sleep(0)
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self.free_memory is not None:
            self.free_memory.close()
        for origin in self.routes.origins:
            origin.close()
        await self.forward.interception.close()
        if self.processes is not None:
            self.processes.close()
        if self._direct is not None:
            self._direct.close()
        await asyncio.sleep(0)

    def cut_off(self) -> None:
        """End every exchange now and record it as what it is."""
        for client in list(self.clients):
            client.cut_off()

    async def _accept_pending(self) -> None:
        """Serve connections that the kernel has accepted for us and nobody else will take."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        pending.setblocking(False)
        while True:
            try:
                connection, _ = pending.accept()
            except OSError:
                break
            await self.loop.connect_accepted_socket(lambda: ClientConnection(self), connection)
        pending.close()

    # What we answer ourselves.

    def own_answer(self, request: RequestHead, *, close: bool) -> bytes:
        to_head = request.method == b"HEAD"
        if request.path not in (b"/", b"/health"):
            return own_response.unknown_route(self.routes.names, close=close, to_head=to_head)
        if request.method not in (b"GET", b"HEAD"):
            return own_response.error(
                "farebox", 405, "method", "GET is all that is answered here.", close=close
            )
        status, body = self.health()
        return own_response.json_response(status, body, close=close, to_head=to_head)

    def health(self) -> tuple[int, dict[str, Any]]:
        """Return status and body of `/health`: 503 whenever anything is not recorded as it should be."""
        journal = self.journal.health
        trouble = self.ledger_trouble()
        healthy = journal.state == "ok" and trouble is None
        return 200 if healthy else 503, {
            "state": "ok" if healthy else "degraded",
            "recording": self.recording,
            "journal": msgspec.to_builtins(journal),
            "unmetered": msgspec.to_builtins(self.forward.interception.unmetered.listed()),
            "ledger": {"state": "ok" if trouble is None else "degraded", "reason": trouble},
            "in_flight": self.in_flight,
            "connections": len(self.clients),
            "draining": self.draining,
            "durability": self._config.durability,
            "version": farebox.__version__,
            "pid": os.getpid(),
            "uptime_s": int(time.time() - self._started),
        }
