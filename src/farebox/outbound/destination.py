"""Where a request of our own goes: a URL, and the address behind it where the owner wrote one.

A private or loopback address is a destination only where the owner wrote the address himself. A name never
leads to one: whoever answers for the name would choose the machine.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from farebox.outbound import addresses

URL_CHARACTERS_MAX = 2048
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")
_LOCAL = "localhost"


class Destination(NamedTuple):
    """A checked URL, in the pieces that a request needs."""

    secure: bool
    host: str
    """In lower case, an IPv6 address without brackets; the certificate has to be for it."""
    port: int
    authority: str
    """The `Host` of the request."""
    target: str
    """Path and query."""
    address: str | None
    """The address the owner wrote; None: what the name resolves to, which has to be public."""

    @property
    def origin(self) -> str:
        """The URL without path and query, which may hold a secret."""
        return f"{'https' if self.secure else 'http'}://{self.authority}"

    def refusal(self, address: str, own_ports: frozenset[int]) -> str | None:
        """Return why this destination must not be at `address`, None where it may."""
        if self.host == _LOCAL and self.address is None:
            if not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
                return "address that is not this machine's"
            return addresses.refusal(address, self.port, private_allowed=True, own_ports=own_ports)
        written = self.address is not None
        return addresses.refusal(address, self.port, private_allowed=written, own_ports=own_ports)


def destination(url: str, address: str | None = None) -> Destination:
    """Return the destination of a URL that the owner wrote; `address` is where its host really is.

    Raises:
        ValueError: With what is expected instead.
    """
    if len(url) > URL_CHARACTERS_MAX:
        raise ValueError(f"at most {URL_CHARACTERS_MAX:,} characters")
    if not all("!" <= character <= "~" and character != "\\" for character in url):
        raise ValueError("ASCII without spaces: a path is percent-encoded, a name in its xn-- form")
    parts = urlsplit(url)  # raises ValueError itself
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a URL that starts with https:// and names a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("without a user or password, which would be shown")
    if parts.fragment or url.endswith("#"):
        raise ValueError("without #")
    host = parts.hostname
    is_address = _is_address(host)
    if not is_address and not _HOST.fullmatch(host):
        raise ValueError("a host name or address")
    if address is not None and not _is_address(address):
        raise ValueError("an IP address as the address")
    secure = parts.scheme == "https"
    port = parts.port if parts.port is not None else 443 if secure else 80
    if port == 0:
        raise ValueError("a port of 1 to 65535")
    shown = f"[{host}]" if ":" in host else host
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    found = Destination(
        secure=secure,
        host=host,
        port=port,
        authority=shown if parts.port is None else f"{shown}:{port}",
        target=target,
        address=address if address is not None else host if is_address else None,
    )
    if not secure and not _is_near(found):
        raise ValueError("https://… (http only to localhost, or to a private address that you write)")
    return found


def mail_destination(host: str, port: int, address: str | None = None, *, clear: bool = False) -> Destination:
    """Return the destination of a mail server that the owner wrote; `clear`: without TLS.

    Raises:
        ValueError: With what is expected instead.
    """
    is_address = _is_address(host)
    if not is_address and not _HOST.fullmatch(host):
        raise ValueError("a host name or address, and a port")
    if address is not None and not _is_address(address):
        raise ValueError("an IP address as the address")
    found = Destination(
        secure=not clear,
        host=host,
        port=port,
        authority=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        target="",
        address=address if address is not None else host if is_address else None,
    )
    if clear and not _is_near(found):
        raise ValueError("TLS (without it only localhost, or a private address that you write)")
    return found


def _is_near(found: Destination) -> bool:
    """Return whether clear text stays on this machine or a private network."""
    if found.address is None:
        return found.host == _LOCAL
    problem = addresses.refusal(found.address, found.port, private_allowed=False, own_ports=frozenset())
    return problem in (addresses.LOOPBACK, addresses.PRIVATE)


def _is_address(host: str) -> bool:
    try:
        return "%" not in host and bool(ipaddress.ip_address(host))
    except ValueError:
        return False
