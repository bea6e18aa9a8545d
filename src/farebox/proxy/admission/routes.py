"""Where a request goes: the path's first segment names a provider of the catalog or the user's.

Everything a route needs per request is worked out when the proxy starts. Nothing in a request
can select a host.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

from farebox.catalog import Catalog, Endpoint, Provider
from farebox.catalog.shape import ProviderData
from farebox.config import Config
from farebox.proxy.limits import Limits
from farebox.proxy.upstream.connection import Origin
from farebox.proxy.upstream.fixed_address import make_origin
from farebox.wire.keys import path_without_keys
from farebox.wire.plan import plan_for
from farebox.wire.reading import value_pattern

_REMEMBERED = 1024
_PATH_SHOWN_MAX = 1024

UNMETERED = Provider(
    ProviderData(id="unmetered", name="a host that nobody meters", key_headers=(), error_shape="farebox"), {}
)
"""Whose routes go where a client of the forward proxy says: by the same rules, and without a record."""


class Target:
    """One method and path at one provider."""

    __slots__ = ("endpoint", "method", "path", "shown_path", "terminal", "upstream_path", "usage")

    def __init__(self, endpoint: Endpoint, method: str, path: str, upstream_path: bytes) -> None:
        self.endpoint = endpoint
        self.method = method
        self.path = path
        """The path below the route, as the catalog knows it."""
        self.upstream_path = upstream_path
        self.shown_path = path_without_keys(upstream_path.decode("latin-1"))[:_PATH_SHOWN_MAX]
        """What records say."""
        form = endpoint.format
        ends = (value_pattern((word,)) for word in form.terminal) if form is not None else ()
        self.terminal = tuple(pattern for pattern in ends if pattern is not None)
        """What a complete stream ends with, any of them. One by one they are searched for at C
        speed; as one pattern with alternatives a stream would take ten times as long."""
        self.usage = plan_for(form).watch if form is not None else None
        """What the events look like that state usage."""


class Route:
    """A provider, its origin, and what its requests are changed into."""

    __slots__ = (
        "_targets",
        "aliases",
        "host",
        "host_line",
        "key_headers",
        "key_query",
        "login_keys",
        "metered",
        "name",
        "origin",
        "provider",
    )

    def __init__(self, provider: Provider, origin: Origin, *, metered: bool = True) -> None:
        self.provider = provider
        self.metered = metered
        """Whether its calls are written down here; others pass by the same rules and leave nothing."""
        self.origin = origin
        self.name = provider.id.encode()
        self.host = origin.authority
        self.host_line = b"Host: " + origin.authority.encode("ascii")
        self.key_headers = tuple(name.lower().encode() for name in provider.key_headers)
        self.key_query = frozenset(name.encode() for name in provider.key_query)
        login = provider.login
        self.login_keys = tuple(start.encode() for start in login.keys) if login is not None else ()
        aliases = {} if origin.base_path else provider.path_aliases  # a path of the user's own is theirs
        self.aliases = {name.encode(): path.encode() for name, path in aliases.items()}
        self._targets: dict[tuple[bytes, bytes, bool], Target] = {}

    def target(self, method: bytes, path: bytes, key: bytes | None = None) -> Target:
        """Return what the catalog knows about a request; unknown paths are passed on, too."""
        login = key is not None and key.startswith(self.login_keys)
        target = self._targets.get((method, path, login))
        if target is None:
            text = path.decode("latin-1")
            verb = method.decode("ascii")
            remember = path_without_keys(text) == text
            endpoint = self.provider.endpoint(verb, text, self.origin.host, remember=remember)
            if login and self.provider.login is not None:
                endpoint = endpoint.of_login(self.provider.login)
            target = Target(endpoint, verb, text, self.origin.base_path + path)
            if len(self._targets) < _REMEMBERED and remember:
                self._targets[method, path, login] = target
        return target


class Routes:
    """All routes, by first segment."""

    def __init__(
        self,
        catalog: Catalog,
        config: Config,
        *,
        limits: Limits,
        own_ports: Callable[[], frozenset[int]],
        tls: Callable[[], ssl.SSLContext],
    ) -> None:
        self.origins: list[Origin] = []
        self._routes: dict[bytes, Route] = {}
        self._services: dict[bytes, Route] = {}
        for name, provider in catalog.providers.items():
            if not provider.upstream:
                continue
            configured = config.providers.get(name)
            origin = make_origin(
                provider.upstream,
                config.interception.addresses,
                limits=limits,
                private_allowed=configured is not None and configured.upstream is not None,
                own_ports=own_ports,
                tls=tls,
            )
            self.origins.append(origin)
            route = self._routes[name.encode()] = Route(provider, origin)
            for package in provider.grpc_packages:
                self._services.setdefault(package.encode(), route)

    @property
    def names(self) -> list[str]:
        return sorted(name.decode() for name in self._routes)

    def find(self, path: bytes) -> tuple[Route, bytes] | None:
        """Return the route of a path and the path below it."""
        segment, slash, rest = path[1:].partition(b"/")
        route = self._routes.get(segment)
        if route is None:
            return None
        below = b"/" + rest if slash else b"/"
        return route, route.aliases.get(below, below)

    def find_service(self, path: bytes) -> tuple[Route, bytes] | None:
        """Return the route of a gRPC call, `/package.Service/Method`, by its package."""
        service = path[1:].partition(b"/")[0]
        route = self._services.get(service.rpartition(b".")[0])
        return None if route is None else (route, path)
