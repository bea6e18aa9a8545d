"""How a command of this machine's owner asks a running process of the same state directory.

The connection stays on this machine, as it does without TLS: the certificate is the one that other machines
check, under a name that may not even lead here, so it is not looked at. Whose the listener is, is: after a
crash or a reboot any user of this machine may have taken the port, and is shown no token.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from http.client import HTTPConnection

_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # whoever listens everywhere is asked here
_LISTENERS = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENS = "0A"


def connect_to(host: str, port: int, *, secure: bool, seconds: float) -> HTTPConnection:
    """Return a connection that is not open yet; `secure`: the process speaks TLS.

    Raises:
        ConnectionRefusedError: What listens there belongs to another user.
    """
    import http.client  # only where there is somebody to ask: every command imports this module

    if _is_anothers(port):
        raise ConnectionRefusedError(f"port {port} belongs to another user of this machine")
    reached = _REACHED_AT.get(host, host)
    if not secure:
        return http.client.HTTPConnection(reached, port, timeout=seconds)
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(reached, port, timeout=seconds, context=context)


def _is_anothers(port: int) -> bool:
    """Return whether the listeners on a port are another user's; False where the system does not say."""
    owners: set[int] = set()
    for table in _LISTENERS:
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == _LISTENS and int(columns[1].rpartition(":")[2], 16) == port:
                owners.add(int(columns[7]))
    return bool(owners) and os.getuid() not in owners
