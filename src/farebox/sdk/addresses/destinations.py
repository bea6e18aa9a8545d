"""Which hosts are metered: those of the catalog, those that the configuration declares, and Fareboxes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from urllib.parse import urlsplit

from farebox.catalog import Catalog, Provider
from farebox.config import Config, is_loopback
from farebox.listeners import home_of
from farebox.sdk.addresses.destination import destination_of
from farebox.sdk.addresses.known_request import KnownRequests

_LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
_REMEMBERED = 1024
_LOOK_AGAIN_S = 1.0
_PORTS = {"http": 80, "https": 443}

Address = tuple[str, int]


class Destinations:
    """What is known of addresses, remembered."""

    def __init__(self, catalog: Catalog, config: Config, home: Path) -> None:
        self._catalog = catalog
        self._home = str(home.resolve())
        self._declared: dict[Address, list[tuple[Provider, str, bool]]] = {}
        """Provider, base path, and whether only listed paths are its: the longest base path first."""
        for name, provider in catalog.providers.items():
            configured = config.providers.get(name)
            own = configured is not None and configured.upstream is not None
            parts = urlsplit(provider.upstream or "")
            if parts.hostname and (own or is_loopback(parts.hostname)):
                port = parts.port or _PORTS.get(parts.scheme, 443)
                here = self._declared.setdefault((parts.hostname, port), [])
                here.append((provider, parts.path.rstrip("/"), not own))
                here.sort(key=lambda entry: (len(entry[1]), not entry[2]), reverse=True)
        self._never = frozenset(config.interception.never)
        self._known: dict[tuple[str, str, int], tuple[KnownRequests, ...]] = {}
        self._fareboxes: dict[int, tuple[float, str | None]] = {}
        """For a port, the home of the Farebox there, and until when that is believed."""
        self._routes: dict[str, KnownRequests] = {}
        self._run_proxy = _run_proxy()

    def find(self, scheme: str, host: str, port: int | None, path: bytes) -> KnownRequests | None:
        """Return the provider at an address, None where nobody is metered."""
        number = port or _PORTS.get(scheme, 0)
        found = self._known.get((scheme, host, number))
        if found is None:
            found = self._look(scheme, host.lower(), number)
            if len(self._known) < _REMEMBERED:
                self._known[scheme, host, number] = found
        for known in found:
            base = known.base_path
            if not base or path.startswith(base + b"/") or path == base:
                return known
        return None

    def is_farebox(self, host: str, port: int | None) -> bool:
        """Tell whether a Farebox of this user listens at an address; looked up again after a second."""
        return port is not None and host in _LOOPBACK and self._home_at(port) is not None

    def is_own(self, port: int | None) -> bool:
        """Tell whether the Farebox that listens at a port writes to the same record as this process."""
        return port is not None and self._home_at(port) == self._home

    def route(self, raw_path: bytes) -> tuple[KnownRequests, bytes] | None:
        """Return where a Farebox of the same home sends a request, and the path there; None for a route that
        is not known here."""
        name, slash, rest = raw_path[1:].decode("latin-1").partition("/")
        known = self._routes.get(name)
        if known is None:
            known = self._look_for_route(name)
            if known is None:
                return None
            self._routes[name] = known
        destination = known.destination
        below, base = ("/" + rest if slash else "/"), destination.base_path
        if not base:
            below = destination.provider.path_aliases.get(below, below)
        return known, (base + below).encode("latin-1", "replace")

    def _home_at(self, port: int) -> str | None:
        now = time.monotonic()
        known = self._fareboxes.get(port)
        if known is not None and now < known[0]:
            return known[1]
        found = home_of(port)
        if len(self._fareboxes) >= _REMEMBERED:
            self._fareboxes.clear()
        self._fareboxes[port] = now + _LOOK_AGAIN_S, found
        return found

    def is_intercepted(self, scheme: str, host: str, port: int | None, via: Address) -> bool:
        """Tell whether a request through an HTTP proxy is read by a Farebox, that of a `farebox run`."""
        return (
            self._run_proxy == via
            and scheme == "https"
            and (port or 443) == 443
            and host not in self._never
            and self._catalog.by_host(host) is not None
            and self.is_farebox(*via)
        )

    def _look(self, scheme: str, host: str, port: int) -> tuple[KnownRequests, ...]:
        declared = self._declared.get((host, port)) or (
            self._declared.get(("127.0.0.1", port), []) if host in _LOOPBACK else []
        )
        known = self._catalog.by_host(host)
        if known is not None:
            declared = [*declared, (known, "", False)]
        shown = host if port == _PORTS.get(scheme) else f"{host}:{port}"
        return tuple(
            KnownRequests(destination_of(provider, shown, base_path, listed_only=listed_only))
            for provider, base_path, listed_only in declared
        )

    def _look_for_route(self, name: str) -> KnownRequests | None:
        provider = self._catalog.providers.get(name)
        if provider is None or not provider.upstream:
            return None
        parts = urlsplit(provider.upstream)
        host = parts.hostname or ""
        shown = host if parts.port in (None, _PORTS.get(parts.scheme)) else f"{host}:{parts.port}"
        return KnownRequests(destination_of(provider, shown, parts.path.rstrip("/"), listed_only=False))


def _run_proxy() -> Address | None:
    """Return the address of the proxy of the `farebox run` around this process."""
    try:
        parts = urlsplit(os.environ.get("FAREBOX_PROXY", ""))
        return (parts.hostname, parts.port) if parts.hostname and parts.port else None
    except ValueError:
        return None
