"""Addresses to listen on, and base URLs of upstreams."""

from __future__ import annotations

import msgspec


class Address(msgspec.Struct, frozen=True):
    """Host and port to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(text: str) -> Address | None:
    """Return `host:port` or `[v6]:port` as an address, None where it is neither."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        return None
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if ":" not in host:
            return None
    elif ":" in host:
        return None
    return Address(host, int(port)) if host and not host.isspace() else None


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a listener on `host`."""
    if host in ("localhost", "127.0.0.1", "::1"):
        return True
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def upstream_problem(url: str) -> str | None:
    """Return why `url` cannot be an upstream, None where it can."""
    from urllib.parse import urlsplit

    if any(character <= " " or character == "\x7f" for character in url):
        return "without spaces or control characters"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https"):
        return "it starts with http:// or https://"
    if not parts.hostname:
        return "it names a host"
    if port == 0:
        return "a port is 1 to 65535"
    if parts.username is not None or parts.password is not None:
        return "without a user or password: keys come with each request"
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        return "without ? and #"
    return None
