"""Sockets that the server's listeners accept connections on."""

from __future__ import annotations

import errno
import socket

from farebox.config import Address
from farebox.errors import PortInUseError
from farebox.standard_error import tell

PORTS_TRIED = 20


def bind(address: Address, name: str) -> socket.socket:
    """Return a listening socket at the address, or at the next port that is free; `name` is who listens.

    Raises:
        PortInUseError: None of the next ports is free either.
    """
    host = "127.0.0.1" if address.host == "localhost" else address.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    last = address.port + (PORTS_TRIED if address.port else 1)
    for port in range(address.port, min(last, 65536)):
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(128)
        except OSError as error:
            listener.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            continue
        if port != address.port:
            tell(f"farebox: {name}: port {address.port} is taken, listening on {port}")
        listener.setblocking(False)
        return listener
    raise PortInUseError(f"ports {address.port} to {last - 1} on {host} are all taken")
