"""TLS to upstreams: always verified, and resumed where an upstream lets us."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from farebox.outbound.tls import verified


class UpstreamTls:
    """One proxy's contexts: one for each protocol, made when it is needed first."""

    def __init__(self, ca_file: Path | str | None = None) -> None:
        """`ca_file`: certificates that are trusted beside the system's."""
        self._ca_file = ca_file
        self._http1: ssl.SSLContext | None = None
        self._http2: ssl.SSLContext | None = None

    def http1(self) -> ssl.SSLContext:
        """Return the context for upstreams that speak HTTP/1.1."""
        if self._http1 is None:
            self._http1 = self._make()
        return self._http1

    def http2(self) -> ssl.SSLContext:
        """Return the context for upstreams that speak HTTP/2."""
        if self._http2 is None:
            self._http2 = self._make()
            self._http2.set_alpn_protocols(["h2"])
        return self._http2

    def _make(self) -> ssl.SSLContext:
        context = client_tls()  # reads some hundred certificates: only when they are needed
        if self._ca_file is not None:
            context.load_verify_locations(self._ca_file)
        return context


class _ReusingContext(ssl.SSLContext):
    """A client context that offers each server the session of an earlier connection."""

    sessions: dict[str, ssl.SSLSession]

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        if session is None and isinstance(server_hostname, str):
            session = self.sessions.get(server_hostname)
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def client_tls() -> ssl.SSLContext:
    """Return a new context: system roots and certifi's, always verified."""
    context = _ReusingContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sessions = {}
    return verified(context)


def keep_session(transport: asyncio.BaseTransport, host: str) -> None:
    """Keep a connection's TLS session for the next one to the same host."""
    tls_object = transport.get_extra_info("ssl_object")
    if tls_object is not None and isinstance(tls_object.context, _ReusingContext):
        session = tls_object.session
        if session is not None:
            tls_object.context.sessions[host] = session
