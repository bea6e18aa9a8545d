"""The names that a listener is reached by: `Host` values that mean it, and origins of its own pages.

A name that is not among them is another site's that points here (DNS rebinding), and a page of another
origin may not make a browser ask for anything.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104  # compared with, not listened on


class Names(NamedTuple):
    """The names of one listener, lower-case, as they stand in headers."""

    hosts: frozenset[bytes]
    origins: frozenset[bytes]
    public_host: str
    """The `Host` value of the public URL, empty without one."""


def names_of(host: str, port: int, *, secure: bool = False, public_url: str | None = None) -> Names:
    """Return the names of what listens on `host` and `port`; `public_url` is where others find it.

    `secure`: it speaks TLS itself.
    """
    scheme = "https" if secure else "http"
    local = {"localhost"}
    if host in WILDCARDS:
        local |= {"127.0.0.1", "[::1]"}
    else:
        local.add(f"[{host}]" if ":" in host else host)
    hosts = {_authority(name, port, scheme) for name in local} | {f"{name}:{port}" for name in local}
    origins = {f"{scheme}://{_authority(name, port, scheme)}" for name in local}
    public_host = ""
    if public_url is not None:
        parts = urlsplit(public_url)
        name = parts.hostname or ""
        name = f"[{name}]" if ":" in name else name
        public_host = _authority(name, parts.port or _PORTS[parts.scheme], parts.scheme)
        # By its public port, and by the one that it listens on.
        hosts |= {public_host, f"{name}:{port}"}
        origins |= {f"{parts.scheme}://{public_host}", f"{scheme}://{_authority(name, port, scheme)}"}
    return Names(frozenset(map(_encoded, hosts)), frozenset(map(_encoded, origins)), public_host)


def url_of(host: str, port: int, *, secure: bool, public_url: str | None = None) -> str:
    """Return the base URL of a listener, under the public name where it speaks TLS itself."""
    scheme = "https" if secure else "http"
    name = (urlsplit(public_url).hostname or host) if secure and public_url is not None else host
    return f"{scheme}://{_authority(f'[{name}]' if ':' in name else name, port, scheme)}"


def _authority(name: str, port: int, scheme: str) -> str:
    return name if port == _PORTS[scheme] else f"{name}:{port}"


def _encoded(text: str) -> bytes:
    return text.lower().encode("ascii", "replace")
