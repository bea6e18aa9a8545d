"""An origin whose address the user's configuration states: a private endpoint, a test's mock.

Only where the packets go is changed. Its name, and with it `Host`, SNI and what its certificate
must say, stays what it is.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from farebox.config import Address, parse_address
from farebox.proxy.limits import Limits
from farebox.proxy.upstream.connection import ConnectError, Origin


class FixedOrigin(Origin):
    """The origin of `url`, found at `place`."""

    def __init__(
        self,
        url: str,
        place: Address,
        *,
        limits: Limits,
        own_ports: Callable[[], frozenset[int]],
        tls: Callable[[], ssl.SSLContext],
    ) -> None:
        super().__init__(url, limits=limits, private_allowed=True, own_ports=own_ports, tls=tls)
        self._place = place.host
        self.port = place.port

    async def _addresses(self) -> list[tuple[int, str]]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._place, self.port, type=socket.SOCK_STREAM)
        except OSError:
            raise ConnectError("dns_failed", "The configured address cannot be resolved.") from None
        self._resolved = list(dict.fromkeys((int(entry[0]), str(entry[4][0])) for entry in found))
        return self._resolved


def make_origin(
    url: str,
    addresses: Mapping[str, str],
    *,
    limits: Limits,
    private_allowed: bool,
    own_ports: Callable[[], frozenset[int]],
    tls: Callable[[], ssl.SSLContext],
) -> Origin:
    """Return the origin of `url`, at the address that `addresses` gives its host, if any."""
    place = parse_address(addresses.get((urlsplit(url).hostname or "").lower(), ""))
    if place is not None:
        return FixedOrigin(url, place, limits=limits, own_ports=own_ports, tls=tls)
    return Origin(url, limits=limits, private_allowed=private_allowed, own_ports=own_ports, tls=tls)
