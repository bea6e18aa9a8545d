"""The server process: bind, announce the address, serve, stop cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import ssl
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uvicorn

from farebox.access.client_address import ReverseProxies
from farebox.access.public_names import names_of, url_of
from farebox.access.rate_limit import rates_for
from farebox.access.server_certificate import ServerCertificate
from farebox.access.token_use import TokenUse
from farebox.access.tokens import PublishedTokens
from farebox.analytics.questions import Questions
from farebox.analytics.worker import Worker
from farebox.clock import iso, now_ns
from farebox.config import Config, TlsConfig, exposure_problem, is_exposed
from farebox.config.exposure import speaks_tls
from farebox.descriptors import allow_many
from farebox.errors import CertificateError
from farebox.home import Home, announce
from farebox.ingest.intake import Intake
from farebox.ingest.limits import IngestLimits
from farebox.ledger.calls import LedgerReader
from farebox.program import command
from farebox.server.access.connection import Connection
from farebox.server.access.guard import Visitors
from farebox.server.access.sessions import Sessions, load_token
from farebox.server.alert_explanations import AlertExplanations
from farebox.server.announcement import Run, retract
from farebox.server.api.prices.shared_prices import SharedPrices
from farebox.server.api.queries import Ledger, Reader
from farebox.server.api.status.key_labels import KeyLabels
from farebox.server.app import Server, build
from farebox.server.deliveries import delivery_worker, own_ports
from farebox.server.listening_socket import bind
from farebox.server.price_updates import PriceUpdates
from farebox.server.publication import Publication
from farebox.server.status_lines import StatusLines
from farebox.server.struct_types import know_types
from farebox.server.wallet_expiry import WalletExpiry
from farebox.snapshot import SnapshotReader
from farebox.standard_error import tell

if TYPE_CHECKING:
    from farebox.catalog import Catalog
    from farebox.config import Address, ProviderConfig
    from farebox.exports.following import UsageFollower
    from farebox.server.api.services import Services
    from farebox.server.portal.portal_listener import PortalListener
    from farebox.telemetry.otlp_out.export import OtlpExport

EXIT_CONFIG = 78


def serve(home: Home, config: Config) -> int:
    """Serve the dashboard until told to stop."""
    problem = exposure_problem(config.dashboard, config)
    if problem is not None:
        _tell(f"dashboard: refusing to listen on {config.dashboard}: expected {problem}")
        return EXIT_CONFIG
    try:
        certificate = _certificate(config.tls) if any(map(speaks_tls, _addresses(config))) else None
    except CertificateError as error:
        _tell(f"dashboard: {error}")
        return EXIT_CONFIG
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    allow_many()
    home.prepare()
    know_types()
    sessions = Sessions(load_token(home))
    listener = bind(config.dashboard, "dashboard")
    host, port = listener.getsockname()[:2]
    secure = speaks_tls(config.dashboard)
    exposed = is_exposed(config.dashboard, config) or config.public_url is not None
    names = names_of(host, port, secure=secure, public_url=config.public_url)
    published = SnapshotReader(home)
    published.follow()
    used = TokenUse(home, "server")
    used.start()
    questions = Questions(Worker(home))
    ledger = Ledger(open_reader(home), questions)
    rates = rates_for(config.limits, exposed=exposed)
    per_minute = rates.token.per_minute if rates.token is not None else None
    intake = Intake(
        home,
        lambda: load_catalog(config.providers),
        LedgerReader(home),
        IngestLimits(requests_per_minute=per_minute),
    )
    server, guarded = build(
        home,
        ledger,
        sessions,
        visitors=Visitors(
            hosts=names.hosts,
            origins=names.origins,
            tokens=PublishedTokens(published),
            rates=rates,
            behind=ReverseProxies(config.trusted_proxies.split(",") if config.trusted_proxies else ()),
            used=used.note,
        ),
        port=port,
        typed=lambda words: command(words, home, anywhere=True),
        key_labels=KeyLabels(home, config),
        secure_hosts=frozenset((names.public_host,)) if names.public_host else frozenset(),
        way_in="farebox open" if exposed else "",  # no path of this machine for strangers
        intake=intake,
        prices=SharedPrices(home, config),
        config=config,
    )
    url = config.public_url or url_of(host, port, secure=secure)
    announced = Run(os.getpid(), host, port, iso(now_ns()), url, secure)
    portal = _portal_of(config, server.services, published, certificate, used)
    runner = _Runner(
        uvicorn.Config(
            guarded,
            http=Connection,
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="error",  # any client could fill the log with warnings about malformed requests
            access_log=False,
            proxy_headers=False,  # the guard believes them of the proxies that the configuration names
            ssl_context_factory=_context_of(certificate) if certificate is not None and secure else None,
            server_header=False,
            date_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=3,
            backlog=128,
        ),
        server,
        home,
        announced,
        portal,
    )
    if certificate is not None:
        certificate.watch()
    publication = Publication(home)
    publication.start()
    explanations = AlertExplanations(home, questions, KeyLabels(home, config), url)
    explanations.start()
    deliveries = delivery_worker(home, explanations)
    deliveries.start()
    wallet_expiry = WalletExpiry(home)
    wallet_expiry.start()
    price_updates = PriceUpdates(home, config)
    price_updates.start()
    usage_exports = _usage_exports_of(home, config)
    usage_exports.start()
    status_lines = StatusLines(home, open_reader(home), questions)
    status_lines.start()
    export = _export_of(home, config)
    if export is not None:
        export.start()
    gc.collect()
    gc.freeze()
    try:
        runner.run(sockets=[listener])
    finally:
        intake.close()
        price_updates.close()
        status_lines.close()
        if export is not None:
            export.close()
        publication.close()
        usage_exports.close()
        deliveries.close()
        explanations.close()
        wallet_expiry.close()
        published.close()
        used.close()
        if certificate is not None:
            certificate.close()
        runner.retract()
        if portal is not None:
            portal.close()
    return 0


def _addresses(config: Config) -> list[Address]:
    """Return where the server listens."""
    return [config.dashboard, *([] if config.portal is None else [config.portal.listen])]


def _portal_of(
    config: Config,
    services: Services,
    published: SnapshotReader,
    certificate: ServerCertificate | None,
    used: TokenUse,
) -> PortalListener | None:
    """Return what serves customers' own pages, None where there are none."""
    if config.portal is None:
        return None
    from farebox.server.portal.portal_listener import PortalListener  # it loads what bills

    context = _context_of(certificate) if certificate is not None else None
    return PortalListener(config, config.portal, services, published, context, used.note)


def _usage_exports_of(home: Home, config: Config) -> UsageFollower:
    """Return what hands usage over to whom `exports` name: beyond loopback, of proven customers only."""
    from farebox.exports.following import UsageFollower

    return UsageFollower(home, verified=is_exposed(config.listen, config))


def _export_of(home: Home, config: Config) -> OtlpExport | None:
    """Return what sends calls to an OTLP endpoint, None where none is configured."""
    if config.otlp is None:
        return None
    from farebox.telemetry.otlp_out.export import OtlpExport

    return OtlpExport(home, config.otlp, LedgerReader(home), own_ports=lambda: own_ports(home))


def _certificate(tls: TlsConfig) -> ServerCertificate:
    """Return what the port speaks TLS with.

    Raises:
        CertificateError: It cannot be used.
    """
    found = ServerCertificate(Path(tls.certificate or ""), Path(tls.key or ""), tell=_tell)
    if found.warning is not None:
        _tell(found.warning)
    return found


def _context_of(certificate: ServerCertificate) -> Callable[..., ssl.SSLContext]:
    """Return what uvicorn asks for the context of its listener."""
    return lambda *_: certificate.context  # pyright: ignore[reportUnknownLambdaType]  # what it has in mind itself


def _tell(text: str) -> None:
    tell(f"farebox: {text}")


def load_catalog(providers: Mapping[str, ProviderConfig]) -> Catalog:
    """Return the catalog, which only a collector needs here."""
    from farebox.catalog import load

    return load(providers)


def open_reader(home: Home) -> Reader:
    """Return a read-only view of the ledger."""
    return LedgerReader(home)


class _Runner(uvicorn.Server):
    """uvicorn's server, which also announces its address, sleeps while idle, and ends live streams first."""

    def __init__(
        self,
        config: uvicorn.Config,
        server: Server,
        home: Home,
        announced: Run,
        portal: PortalListener | None = None,
    ) -> None:
        super().__init__(config)
        self._portal = portal
        self._farebox = server
        self._file = home.run / "server.json"
        self._announced = announced
        self._leaving = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn would wait a minute for a handshake, and count no connection before it.
        await super().startup(sockets=[])
        tls = self.config.ssl
        for listener in sockets or ():
            self.servers.append(
                await asyncio.get_running_loop().create_server(
                    self._accepted,
                    sock=listener,
                    ssl=tls,
                    ssl_handshake_timeout=Connection.limits.request_s if tls is not None else None,
                    backlog=self.config.backlog,
                )
            )
        if self._portal is not None:
            self.servers.append(await self._portal.start())
        if self.started:
            announce(self._file, msgspec.json.encode(self._announced))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._portal is not None:
            self._portal.leave()
        await super().shutdown(sockets)

    def _accepted(self) -> asyncio.Protocol:
        return Connection(self.config, self.server_state, self.lifespan.state)

    async def main_loop(self) -> None:
        """Wait for a signal. uvicorn's own loop wakes ten times a second to look for one."""
        await self._leaving.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Stop on SIGTERM and SIGINT with status 0; uvicorn would die of the signal afterwards."""
        loop = asyncio.get_running_loop()
        wanted = (signal.SIGTERM, signal.SIGINT)
        for number in wanted:
            loop.add_signal_handler(number, self._leave)
        try:
            yield
        finally:
            for number in wanted:
                loop.remove_signal_handler(number)

    def _leave(self) -> None:
        self.force_exit = self.should_exit  # asked a second time
        self.should_exit = True
        self._farebox.pulse.close()
        self._leaving.set()

    def retract(self) -> None:
        """Remove our file, unless another server has put its own there."""
        retract(self._file)
