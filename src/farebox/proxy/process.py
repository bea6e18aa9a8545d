"""The proxy's process: socket, limits of the system, event loop, signals, `run/proxy.json`."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

import farebox
from farebox import catalog, listeners
from farebox.access.client_address import ReverseProxies
from farebox.access.rate_limit import rates_for
from farebox.access.server_certificate import ServerCertificate
from farebox.access.token_use import TokenUse
from farebox.access.tokens import owner_token
from farebox.budgets.limits_in_force import LimitsInForce
from farebox.certificates.authority import INSTALLED
from farebox.clock import iso, now_ns
from farebox.config import Address, Config, TlsConfig, is_exposed
from farebox.config.exposure import speaks_tls
from farebox.descriptors import allow_many
from farebox.errors import (
    CertificateError,
    FareboxError,
    JournalError,
    PortInUseError,
    StateDirectoryUnusableError,
)
from farebox.home import Home, announce
from farebox.journal.health import JournalHealth
from farebox.journal.progress import ledger_trouble
from farebox.journal.records import MARK, Mark, encode
from farebox.journal.writer import (
    SYNC_AFTER_BYTES,
    SYNC_AFTER_RELAXED_BYTES,
    SYNC_AFTER_RELAXED_S,
    SYNC_AFTER_S,
    JournalWriter,
)
from farebox.program import command
from farebox.proxy.admission.client_tokens import ClientTokens
from farebox.proxy.free_memory import FreeMemory
from farebox.proxy.intercept.unmetered import UnmeteredHosts
from farebox.proxy.limits import BODY_EXPOSED, Limits
from farebox.proxy.recording.estimates import Estimates
from farebox.proxy.recording.recorder import Journal, NoJournal
from farebox.proxy.service import Proxy
from farebox.proxy.sockets.tls_buffer import settle_memory
from farebox.recording.callers import labels_of
from farebox.snapshot import SnapshotReader
from farebox.standard_error import tell

EX_UNAVAILABLE = 69
EX_CANTCREAT = 73
EX_CONFIG = 78

PASSWORD_VARIABLE = "FAREBOX_PROXY_PASSWORD"  # noqa: S105  # its name, not one
"""Where `farebox run` puts what its command says to be let through to any host."""

_DESCRIPTORS_KEPT = 64
_UNMETERED = "unmetered.json"
_UNMETERED_EVERY_S = 5.0
"""Descriptors for everything that is not a connection: journal, pipes, listeners."""


class Announcement(msgspec.Struct):
    """`run/proxy.json`: who listens where."""

    pid: int
    host: str
    port: int
    secure: bool
    """Whether the port speaks TLS."""
    url: str
    """What clients are pointed at."""
    tokens: bool
    """Whether each request needs a client token."""
    started_at: str
    version: str
    source: str
    config: str | None
    """The configuration file in force, None where there is none."""
    recording: bool
    """False where no journal could be made: traffic passes and nothing of it is written down."""


def run(
    home: Home,
    config: Config,
    *,
    listen_fd: int | None,
    reuse_port: bool,
    private: bool,
    authority: Path | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT and drain; return the exit status."""
    os.umask(0o077)
    try:
        home.prepare()
        listener = _listener(config.listen, listen_fd, reuse_port=reuse_port)
        secret = home.secret()
        known = catalog.load(config.providers)
    except PortInUseError as error:
        tell(f"farebox proxy: {error}")
        return EX_UNAVAILABLE
    except StateDirectoryUnusableError as error:
        tell(f"farebox proxy: {error}")
        return EX_CANTCREAT
    except FareboxError as error:
        tell(f"farebox proxy: {error}")
        return EX_CONFIG
    except OSError as error:
        tell(f"farebox proxy: {home.unusable(error)}")
        return EX_CANTCREAT
    published = SnapshotReader(home)
    if published.problem is not None:
        tell(f"farebox proxy: {published.problem}")
    exposed = is_exposed(config.listen, config) and not private
    if exposed and not any(token.scope == "client" for token in published.current.tokens.values()):
        tell(
            f"farebox proxy: {config.listen} is reached by others, who need client tokens, and there is none "
            f"yet; type: {command('tokens create NAME --scope client', home)}"
        )
        return EX_CONFIG
    certificate = None
    try:
        if speaks_tls(config.listen):
            certificate = _certificate(config.tls)
    except CertificateError as error:
        tell(f"farebox proxy: {error}")
        return EX_CONFIG
    settle_memory()
    clients_max = _prepare_process()
    journal: Journal
    writer_id = ""
    try:
        waits = config.durability == "power"
        journal = writer = JournalWriter(
            home.journal,
            sync_after_s=SYNC_AFTER_S if waits else SYNC_AFTER_RELAXED_S,
            sync_after_bytes=SYNC_AFTER_BYTES if waits else SYNC_AFTER_RELAXED_BYTES,
        )
        writer_id = writer.writer_id
    except JournalError as error:
        tell(f"farebox proxy: nothing is recorded: {error}")
        journal = NoJournal(str(error))
    started_ns = now_ns()
    published.follow()
    used = TokenUse(home, "run" if private else "proxy")
    used.start()
    body_max = config.limits.body_bytes_max
    budgets = LimitsInForce(
        home,
        published,
        known,
        writer_id=writer_id,
        config_file=Path(config.named) if config.named else None,
        trusts_stated=not exposed,
    )
    proxy = Proxy(
        config,
        catalog=known,
        journal=journal,
        secret=secret,
        labels=labels_of(os.environ) if private else None,
        finds_processes=True,
        runs_for=os.getppid() if private else None,
        addresses=home.cache / "addresses.json",
        recorded_in=(home.journal, home.path / "collectors"),
        certificate=certificate,
        clients=ClientTokens(
            published,
            required=exposed,
            rates=rates_for(config.limits, exposed=exposed),
            behind=ReverseProxies(
                (config.trusted_proxies or "").split(",") if config.trusted_proxies else ()
            ),
            owner=owner_token(secret),
            used=used.note,
        ),
        limits=Limits(request_body=(BODY_EXPOSED if exposed else 0) if body_max is None else body_max),
        clients_max=clients_max,
        authority=authority or home.path / "ca" / INSTALLED,
        pins=home.run / "pinned",
        password=os.environ.pop(PASSWORD_VARIABLE, "") if private else "",
        budgets=budgets,
    )
    proxy.recorder.estimates = estimates = Estimates(home.journal)
    lock = listeners.announce(listener.getsockname()[1], home.path)
    if not private:
        proxy.ledger_trouble = partial(ledger_trouble, home.journal)
    proxy.free_memory = FreeMemory()
    try:
        announced = None if private else home
        _run_loop(_serve(proxy, listener, announced, keep_pending=reuse_port, config_file=config.file))
    finally:
        published.close()
        used.close()
        journal.close()
        budgets.close()
        estimates.close()
        if lock is not None:
            os.close(lock)
        _tell_losses(home, journal, started_ns)
    return 0


def _certificate(tls: TlsConfig) -> ServerCertificate:
    """Return what the proxy's port speaks TLS with.

    Raises:
        CertificateError: It cannot be used.
    """
    found = ServerCertificate(
        Path(tls.certificate or ""),
        Path(tls.key or ""),
        ("http/1.1", "h2"),  # HTTP/2 only for a client that offers nothing else
        lambda text: tell(f"farebox proxy: {text}"),
    )
    if found.warning is not None:
        tell(f"farebox proxy: {found.warning}")
    return found


def _tell_losses(home: Home, journal: Journal, started_ns: int) -> None:
    """Say what this process took in and could not keep, once it is certain."""
    health = journal.health
    if isinstance(journal, NoJournal) and health.lost_records:
        _note_losses(home, health, started_ns)
    if health.state == "lost" and health.lost_records:
        calls = "1 call" if health.lost_exchanges == 1 else f"{health.lost_exchanges:,} calls"
        why = f": {health.reason}" if health.reason else ""
        tell(f"farebox proxy: {calls} could not be kept{why}")


def _note_losses(home: Home, health: JournalHealth, started_ns: int) -> None:
    """Put on record what passed without a journal, if there is room for one by now."""
    detail: dict[str, str | int] = {
        "records": health.lost_records,
        "exchanges": health.lost_exchanges,
        "bytes": health.lost_bytes,
        "from_ns": started_ns,
        "until_ns": now_ns(),
    }
    with contextlib.suppress(JournalError):
        late = JournalWriter(home.journal)
        late.append(MARK, encode(Mark(at_ns=now_ns(), kind="lost", detail=detail)))
        late.close()


async def _serve(
    proxy: Proxy, listener: socket.socket, home: Home | None, *, keep_pending: bool, config_file: str | None
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    telling: asyncio.Task[None] | None = None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    address = await proxy.listen(listener, keep_pending=keep_pending)
    _settle_memory()
    if home is not None:
        _announce(home, address, proxy, config_file)
        telling = loop.create_task(tell_unmetered(home, proxy.interception.unmetered))
    try:
        await stop.wait()
        hurry = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, hurry.set)
        drained = loop.create_task(proxy.drain())
        hurried = loop.create_task(hurry.wait())
        await asyncio.wait((drained, hurried), return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not drained.done():
            proxy.cut_off()
            await drained
    finally:
        if telling is not None:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling
        if home is not None:
            _withdraw(home)


async def tell_unmetered(home: Home, unmetered: UnmeteredHosts, every_s: float = _UNMETERED_EVERY_S) -> None:
    """Keep `run/unmetered.json` at what is not metered since this proxy began, for alerts on it."""
    file = home.run / _UNMETERED
    file.unlink(missing_ok=True)  # of a proxy that was killed
    told = 0
    while True:
        if unmetered.changes != told:
            told = unmetered.changes
            content = msgspec.json.encode(unmetered.listed())
            writing = asyncio.create_task(asyncio.to_thread(announce, file, content))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await writing  # nothing is written once we have left
                raise
        await asyncio.sleep(every_s)


def _listener(address: Address, listen_fd: int | None, *, reuse_port: bool) -> socket.socket:
    """Return the listening socket: the inherited one, or a new one on `address`."""
    if listen_fd is not None:
        listener = socket.socket(fileno=listen_fd)
        # It was handed to us, not to the processes that we start: one of them holds the authority's key.
        listener.set_inheritable(False)
        return listener
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, where = found[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind(where)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(f"port {address.port} on {address.host} is in use") from None
        raise PortInUseError(f"cannot listen on {address}: {error.strerror}") from None
    return listener


def _prepare_process() -> int:
    """No core dumps, as many descriptors as may be had; return how many clients fit."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A client may need a connection to an upstream.
    return max(8, (allow_many() - _DESCRIPTORS_KEPT) // 2)


def _settle_memory() -> None:
    """What is there now stays: the collector need not look at it again.

    It looks at the rest often, which is cheap because there is little: a cycle left by an
    exchange can hold on to a whole read of it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(1_000, 50, 1_000)
    # Helper threads (journal, look-up of processes) must not keep the loop waiting for long.
    sys.setswitchinterval(0.0005)


def _announce(home: Home, address: Address, proxy: Proxy, config_file: str | None) -> None:
    announcement = Announcement(
        pid=os.getpid(),
        host=address.host,
        port=address.port,
        secure=proxy.secure,
        url=proxy.url(address),
        tokens=proxy.needs_tokens,
        started_at=iso(now_ns()),
        version=farebox.__version__,
        source=proxy.recorder.journal.source,
        config=config_file,
        recording=proxy.recording,
    )
    announce(home.run / "proxy.json", msgspec.json.encode(announcement))


def _withdraw(home: Home) -> None:
    """Remove what we announced, unless a successor has written its own."""
    file = home.run / "proxy.json"
    with contextlib.suppress(OSError, msgspec.MsgspecError, ValueError, RecursionError):
        if msgspec.json.decode(file.read_bytes(), type=Announcement).pid == os.getpid():
            file.unlink()
            (home.run / _UNMETERED).unlink(missing_ok=True)


def _run_loop(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)
