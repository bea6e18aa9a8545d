"""The proxy as a service: what every connection shares, listening, draining, health.

No admin interface: `/`, `/health` and what is below it say how it is, and that is all that can be asked here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import farebox
from farebox.access.public_names import names_of, url_of
from farebox.access.server_certificate import ServerCertificate
from farebox.catalog import Catalog
from farebox.config import Address, Config
from farebox.proxy.admission.admission import Admission
from farebox.proxy.admission.client_tokens import ClientTokens
from farebox.proxy.admission.routes import Routes
from farebox.proxy.caller.process_lookup import ProcessLookup
from farebox.proxy.free_memory import FreeMemory
from farebox.proxy.http1.client_connection import ClientConnection, SecuredConnection, Shared
from farebox.proxy.intercept.direct_connections import DirectConnections, ProviderAddresses
from farebox.proxy.intercept.forward_proxy import ForwardProxy
from farebox.proxy.intercept.interception import Interception
from farebox.proxy.limits import Limits
from farebox.proxy.other_protocols import OtherProtocols
from farebox.proxy.recording.recorder import Journal, NoJournal, Recorder
from farebox.proxy.service_state import ServiceState
from farebox.proxy.sockets.tls_buffer import TlsBuffer, settle_memory
from farebox.proxy.upstream.tls import UpstreamTls
from farebox.readiness import LIVE, READY, Liveness, Readiness, readiness
from farebox.recording.callers import Callers
from farebox.recording.guarded_meter import MakeMeter
from farebox.wire.http.request_policy import allowed_hosts
from farebox.wire.meter import Meter

if TYPE_CHECKING:  # only where budgets exist
    from farebox.budgets.call_limits import CallLimits
    from farebox.budgets.limits_in_force import LimitsInForce


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
        recorded_in: Iterable[Path] = (),
        certificate: ServerCertificate | None = None,
        clients: ClientTokens | None = None,
        budgets: LimitsInForce | None = None,
    ) -> None:
        """`runs_for`: the process whose descendants alone are served, where there is one; `addresses`: the
        file where addresses of providers are kept; `certificate`: what its own port speaks TLS with;
        `clients`: who may ask, and the names of keys, renewed while this runs; `budgets`: what may be
        spent."""
        clients = clients or ClientTokens()
        self._tokens_needed = clients.required
        self.state = state = ServiceState(Limits() if limits is None else limits, clients_max)
        self.recorder = Recorder(journal, meter, power=config.durability == "power")
        self.tls = UpstreamTls(config.interception.ca_file)
        self.routes = Routes(
            catalog, config, limits=state.limits, own_ports=lambda: state.own_ports, tls=self.tls.http1
        )
        names = dict(labels or {})
        admission = Admission(
            self.routes,
            Callers(secret, catalog.vendors, config.keys, clients.published),
            source=journal.source,
            given=(names, {name: f"env:FAREBOX_{name.upper()}" for name in names}),
            pages={
                b"/": self.health,
                b"/health": self.health,
                LIVE.encode(): lambda: (200, Liveness()),
                READY.encode(): self._ready,
            },
            clients=clients,
        )
        self.shared = Shared(state, self.recorder, admission)
        self.interception = Interception(
            state, self.routes, catalog, config, tls=self.tls, authority=authority, pins=pins
        )
        forward_proxy = ForwardProxy(
            state, self.interception, password=password, ports=config.interception.ports
        )
        self.shared.protocols = OtherProtocols(forward_proxy, self.tls)
        self.free_memory: FreeMemory | None = None
        """Overwrites what has passed; None where nobody does."""
        self.ledger_trouble: Callable[[], str | None] = lambda: None
        """Says why what is recorded does not get into the ledger, where one should be running."""
        self._config = config
        self._budgets = budgets
        self._finds_processes = finds_processes
        self._runs_for = runs_for
        self._addresses = addresses
        self._recorded_in = tuple(recorded_in)
        self._certificate = certificate
        self._direct: DirectConnections | None = None
        self._server: asyncio.Server | None = None
        self._pending: socket.socket | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._started = time.time()

    @property
    def secure(self) -> bool:
        """Whether its own port speaks TLS."""
        return self._certificate is not None

    @property
    def needs_tokens(self) -> bool:
        """Whether each request needs a client token: others than this machine's users can send some."""
        return self._tokens_needed

    def url(self, address: Address) -> str:
        """Return what clients are pointed at."""
        return url_of(address.host, address.port, secure=self.secure, public_url=self._config.public_url)

    @property
    def recording(self) -> bool:
        """Whether there is a journal at all; how it does is its health."""
        return not isinstance(self.recorder.journal, NoJournal)

    async def listen(self, listener: socket.socket, *, keep_pending: bool = False) -> Address:
        """Serve on a bound socket; `keep_pending` when nobody else shares it after us."""
        state, shared = self.state, self.shared
        state.loop = loop = asyncio.get_running_loop()
        host, port = listener.getsockname()[:2]
        public = names_of(host, port, secure=self.secure, public_url=self._config.public_url)
        shared.admission.hosts = allowed_hosts(port, (host, self._config.listen.host)) | public.hosts
        state.own_ports = frozenset((port, self._config.listen.port, self._config.dashboard.port)) - {0}
        state.tick = loop.time()
        if self._budgets is not None:
            self._limit(self._budgets.current())
            self._budgets.follow(self._limits_changed)
        if self._finds_processes:
            shared.processes = ProcessLookup(loop, shared.admission.given)
            known = ProviderAddresses(
                self._addresses, self._config.interception.addresses, lambda: self.routes.origins
            )
            tell = self.interception.unmetered.add_direct
            self._direct = DirectConnections(
                loop, known, tell, parent=self._runs_for, recorded_in=self._recorded_in
            )
            self._direct.start()
        if keep_pending:
            self._pending = listener.dup()
        certificate = self._certificate
        if certificate is not None:
            certificate.watch()
            settle_memory()
        self._server = await loop.create_server(
            self._accepted,
            sock=listener,
            backlog=4096,
            ssl=certificate.context if certificate is not None else None,
            ssl_handshake_timeout=state.limits.client_head_s if certificate is not None else None,
        )
        self._sweep()
        return Address(host, port)

    def _accepted(self) -> asyncio.BaseProtocol:
        """Return what serves a connection that was accepted."""
        if self._certificate is None:
            return ClientConnection(self.shared)
        return TlsBuffer(SecuredConnection(self.shared))

    def _limits_changed(self, limits: CallLimits | None) -> None:
        """Called in a thread of its own."""
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self.state.loop.call_soon_threadsafe(self._limit, limits)

    def _limit(self, limits: CallLimits | None) -> None:
        """Have calls pass these limits from now on; None: there are none."""
        state, budgets = self.state, self._budgets
        if budgets is None:
            return
        if state.gate is not None:
            state.gate.renew(limits)
        elif limits is not None:
            from farebox.proxy.admission.budget_gate import BudgetGate

            state.gate = BudgetGate(limits, budgets.keys, state.loop)
        if limits is None:
            state.gate = None

    def _sweep(self) -> None:
        """Once a second: limits in time, PARTIAL records, unused upstream connections."""
        state = self.state
        state.tick = now = state.loop.time()
        if state.gate is not None:
            state.gate.sweep()
        for client in list(state.clients):
            client.sweep(now)
        moment = time.monotonic()
        for origin in self.routes.origins:
            origin.sweep(moment)
        if self.free_memory is not None:
            self.free_memory.sweep(now, used=state.passed)
        state.passed = False
        self._sweeper = state.loop.call_later(state.limits.sweep_s, self._sweep)

    async def drain(self) -> None:
        """Stop accepting, let exchanges end, then close; at most `drain_s` seconds."""
        state = self.state
        state.draining = True
        state.tick = state.loop.time()
        for client in state.clients:
            client.since = max(client.since, state.tick)
        if self._server is not None:
            self._server.close()
        await self._accept_pending()
        deadline = state.loop.time() + state.limits.drain_s
        # Connections come and go meanwhile: looking now and then is simpler than an event.
        while state.clients and state.loop.time() < deadline:
            if state.gate is not None and state.gate.waiting:
                # Nobody else can take a call over that waits for room: it goes on, and then has its time.
                deadline = state.loop.time() + state.limits.drain_s
            await asyncio.sleep(0.02)
        self.cut_off()
        await asyncio.sleep(0)
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self.free_memory is not None:
            self.free_memory.close()
        for origin in self.routes.origins:
            origin.close()
        await self.interception.close()
        if self.shared.processes is not None:
            self.shared.processes.close()
        if self._direct is not None:
            self._direct.close()
        if self._certificate is not None:
            self._certificate.close()
        await asyncio.sleep(0)

    def cut_off(self) -> None:
        """End every exchange now and record it as what it is."""
        for client in list(self.state.clients):
            client.cut_off()

    async def _accept_pending(self) -> None:
        """Serve connections that the kernel has accepted for us and nobody else will take."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        pending.setblocking(False)
        waiting: list[socket.socket] = []
        with contextlib.suppress(OSError):
            while True:
                waiting.append(pending.accept()[0])
        pending.close()
        secure = self._certificate is not None
        serving = [
            self.state.loop.connect_accepted_socket(
                self._accepted,
                connection,
                ssl=self._certificate.context if self._certificate is not None else None,
                ssl_handshake_timeout=self.state.limits.client_head_s if secure else None,
            )
            for connection in waiting
        ]
        # All at once: one that begins no handshake must not keep the others waiting. One that fails is the
        # client's affair.
        await asyncio.gather(*serving, return_exceptions=True)

    def readiness(self) -> Readiness:
        """Return whether everything that passes is recorded as it should be, and gets into the ledger."""
        state = self.recorder.journal.health.state
        return readiness(
            "draining" if self.state.draining else None,
            "journal_unwritable" if state == "degraded" or not self.recording else None,
            "records_lost" if state == "lost" else None,
            "ledger_behind" if self.ledger_trouble() is not None else None,
        )

    def _ready(self) -> tuple[int, Readiness]:
        found = self.readiness()
        return found.status, found

    def health(self) -> tuple[int, dict[str, Any]]:
        """Return status and body of `/health`: 503 whenever anything is not recorded as it should be."""
        state = self.state
        journal = self.recorder.journal.health
        trouble = self.ledger_trouble()
        healthy = journal.state == "ok" and trouble is None
        return 200 if healthy else 503, {
            "state": "ok" if healthy else "degraded",
            "recording": self.recording,
            "journal": msgspec.to_builtins(journal),
            "unmetered": msgspec.to_builtins(self.interception.unmetered.listed()),
            "ledger": {"state": "ok" if trouble is None else "degraded", "reason": trouble},
            "certificate": self._certificate.trouble if self._certificate is not None else None,
            "in_flight": state.in_flight,
            "connections": len(state.clients),
            "draining": state.draining,
            "durability": self._config.durability,
            "version": farebox.__version__,
            "pid": os.getpid(),
            "uptime_s": int(time.time() - self._started),
        }
