"""Which addresses a connection may go to, checked on the address itself, not on its name."""

from __future__ import annotations

import ipaddress

LOOPBACK, PRIVATE = "loopback address", "private address"

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL = (
    ipaddress.ip_network("64:ff9b:1::/48"),  # a network's own NAT64 (RFC 8215): whatever it embeds
    ipaddress.ip_network("fec0::/10"),  # site-local, deprecated by RFC 3879 and routed by old networks
)
"""Private networks that Python's `is_global` does not know, or not in every version."""


def refusal(address: str, port: int, *, private_allowed: bool, own_ports: frozenset[int]) -> str | None:
    """Return why nothing may connect to `address`, None where it is fine.

    `private_allowed`: the user's own configuration names this upstream. Our own listeners and
    multicast are refused even then.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    found = _embedded(found)
    if found.is_multicast:
        return "multicast address"
    if port in own_ports and (found.is_loopback or found.is_unspecified):
        return "Farebox's own address"
    if private_allowed:
        return None
    if found.is_loopback or found.is_unspecified:
        return LOOPBACK
    if found.is_link_local:
        return "link-local address"
    if not found.is_global or found.is_reserved or any(found in network for network in _LOCAL):
        return PRIVATE
    return None


def _embedded(
    found: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address that an IPv6 address carries inside, or the address itself."""
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return found.ipv4_mapped
        if found.sixtofour is not None:
            return found.sixtofour
        if found.teredo is not None:
            return found.teredo[1]
        if found in _NAT64:
            return ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if int(found) >> 32 == 0 and int(found) > 1:
            return ipaddress.IPv4Address(int(found))
    return found
