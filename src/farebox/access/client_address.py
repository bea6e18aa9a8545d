"""Whose address a request comes from: the peer's, or what a reverse proxy that was named says.

Anybody can send `X-Forwarded-For`. It is believed only from addresses that the configuration names, and of it
only the last entry that is not one of those: what stands before it, the client could have written.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Headers = Iterable[tuple[bytes, bytes]]

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

FORWARDED = frozenset(
    (
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-forwarded-server",
        b"x-real-ip",
    )
)
"""What reverse proxies add about their clients: no provider's business."""

_ENTRIES_MAX = 16


class ReverseProxies:
    """The addresses of reverse proxies that are believed."""

    def __init__(self, named: Iterable[str] = ()) -> None:
        """`named` are addresses and networks (`10.0.0.0/8`).

        Raises:
            ValueError: One of them is neither.
        """
        self._networks = tuple(_network(text) for text in named)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def includes(self, address: str) -> bool:
        """Return whether an address is one of theirs."""
        if not self._networks:
            return False
        found = _address(address)
        return found is not None and any(
            found.version == network.version and found in network for network in self._networks
        )

    def client_of(self, peer: str, headers: Headers) -> str:
        """Return the client's address of a request that `peer` has sent."""
        if not self.includes(peer):
            return peer
        said = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        for entry in reversed(said.decode("latin-1").split(",")[-_ENTRIES_MAX:]):
            text = _without_port(entry.strip())
            if _address(text) is None:
                return peer  # malformed: nothing before it can be believed either
            if not self.includes(text):
                return text
        return peer


def rate_key(address: str) -> str:
    """Return what one client's requests are counted under: an IPv4 address, an IPv6 network of 64 bits.

    Whoever has one IPv6 address usually has 2^64 of them.
    """
    found = _address(address)
    if found is None:
        return "unknown"
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))


def _address(text: str) -> _Address | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if found.version == 6 else None
    return mapped or found


def _network(text: str) -> _Network:
    return ipaddress.ip_network(text.strip(), strict=False)


def _without_port(text: str) -> str:
    """Return the address of `10.0.0.7:1234` and of `[2001:db8::1]:1234`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, _ = text.partition(":")
    return host if colon and text.count(":") == 1 else text
