"""The TLS context of a client: always verified."""

from __future__ import annotations

import contextlib
import ssl
from typing import TypeVar

_Context = TypeVar("_Context", bound=ssl.SSLContext)


def verified(context: _Context) -> _Context:
    """Make a client's context trust the system's roots, and certifi's where it is there, and return it."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A name stands in the alternative names or nowhere (RFC 9525 §6.3): a common name proves nothing.
    context.hostname_checks_common_name = False
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    with contextlib.suppress(ImportError):  # the SDK alone is installed without it
        import certifi

        context.load_verify_locations(certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


def client_context() -> ssl.SSLContext:
    """Return a new context. Reads some hundred certificates, so make it when it is needed first."""
    return verified(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
