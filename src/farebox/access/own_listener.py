"""How a command of this machine's owner asks a running process of the same state directory.

The connection stays on this machine, as it does without TLS: the certificate is the one that other machines
check, under a name that may not even lead here, so it is not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from http.client import HTTPConnection

_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # whoever listens everywhere is asked here


def connect_to(host: str, port: int, *, secure: bool, seconds: float) -> HTTPConnection:
    """Return a connection that is not open yet; `secure`: the process speaks TLS."""
    import http.client  # only where there is somebody to ask: every command imports this module

    reached = _REACHED_AT.get(host, host)
    if not secure:
        return http.client.HTTPConnection(reached, port, timeout=seconds)
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(reached, port, timeout=seconds, context=context)
