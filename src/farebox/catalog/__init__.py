"""Providers as data: hosts, routes, formats, prices, and the reader that turns a path into an endpoint.

Owns `<provider>/{provider.yaml, prices.yaml, fixtures/}`. Does not own how bytes are read (that is
`farebox.wire`) or what things cost (`farebox.pricing`).
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from farebox.catalog import routes
from farebox.catalog.loading import load_data
from farebox.catalog.shape import (
    CatalogData,
    EndpointData,
    Login,
    ProviderData,
    RequestLimitsData,
    UsageFormat,
    Vendor,
)
from farebox.config import ProviderConfig

__all__ = ["Catalog", "Endpoint", "Provider", "load"]

_PATHS_REMEMBERED = 1024


class UsageShapes(msgspec.Struct, frozen=True):
    """How a route that no list has is read: by the fields of its usage, the first shape that fits."""

    any: UsageFormat
    """What is looked at until a usage object has been seen."""
    shapes: tuple[tuple[frozenset[str], UsageFormat], ...]

    def format_of(self, usage: Mapping[str, Any]) -> UsageFormat | None:
        """Return how a usage object is read; None for one of no known shape."""
        return next((form for fields, form in self.shapes if not fields.isdisjoint(usage)), None)

    def each(self, change: Callable[[UsageFormat], UsageFormat]) -> UsageShapes:
        """Return the shapes with every format changed."""
        return UsageShapes(change(self.any), tuple((fields, change(form)) for fields, form in self.shapes))


class Endpoint(msgspec.Struct, frozen=True):
    """Where a request goes and how its response is read. Unknown paths get one, too."""

    provider_id: str
    prices_id: str
    surface: str
    format: UsageFormat | None = None
    by_model: tuple[tuple[re.Pattern[str], UsageFormat], ...] = ()
    pattern: re.Pattern[str] | None = None
    free: str | None = None
    inject_include_usage: bool = False
    """Whether the host accepts `stream_options.include_usage` here and streams no usage without."""
    model_prefixes: tuple[str, ...] = ()
    vendors: tuple[Vendor, ...] = ()
    """Whose names for customer, user, session … a request may use."""
    unlisted: UsageShapes | None = None
    """For a route that no list has: how usage found there is read."""
    reads: bool = False
    """Whether the method of an unlisted route orders nothing (`GET`, `DELETE` …)."""
    host_values: Mapping[str, str] = {}
    """`region` … where the host carries them."""

    @property
    def metered(self) -> bool:
        return self.format is not None

    def of_login(self, login: Login) -> Endpoint:
        """Return it for calls that are made with a login: their usage says so."""

        def told(form: UsageFormat) -> UsageFormat:
            return msgspec.structs.replace(
                form,
                constants={**form.constants, **login.constants},
                headers=(*form.headers, *login.headers),
                facts={**form.facts, **login.facts},
            )

        return msgspec.structs.replace(
            self,
            format=None if self.format is None else told(self.format),
            by_model=tuple((pattern, told(form)) for pattern, form in self.by_model),
            unlisted=None if self.unlisted is None else self.unlisted.each(told),
        )

    @property
    def has_values(self) -> bool:
        """Whether host or path carry values."""
        return bool(self.host_values) or (self.pattern is not None and self.pattern.groups > 0)

    def path_values(self, path: str) -> dict[str, str]:
        """Return `model`, `region` … where the path carries them, or the host."""
        values = dict(self.host_values)
        if self.pattern is not None and self.pattern.groupindex:
            values |= routes.path_values(self.pattern, path)
        return values


class Provider:
    """One provider of the catalog as the configuration left it."""

    def __init__(
        self,
        data: ProviderData,
        formats: Mapping[str, UsageFormat],
        vendors: tuple[Vendor, ...] = (),
        unlisted: UsageShapes | None = None,
        endpoints: Callable[[], tuple[EndpointData, ...]] = tuple,
    ) -> None:
        """`endpoints` returns what it has; asked when the first request comes."""
        self.data = data
        self._endpoints = endpoints
        self.vendors = vendors
        self.formats = formats
        self._unlisted = unlisted
        self.id = data.id
        self.name = data.name
        self.upstream = data.upstream
        self.hosts = data.hosts
        self.key_headers = data.key_headers
        self.grpc_packages = data.grpc_packages
        self.path_aliases = data.path_aliases
        self.key_query = data.key_query
        self.login = data.login
        self.error_shape = data.error_shape
        self.base_url_env = data.base_url_env
        self.headers_env = data.headers_env
        self._routes: list[tuple[str, re.Pattern[str], Endpoint]] | None = None
        self._known: dict[tuple[str, str, str], Endpoint] = {}
        self._places = tuple(routes.compile_path(place) for place in data.places)

    @property
    def endpoints(self) -> tuple[EndpointData, ...]:
        """What is known of its paths."""
        return self._endpoints()

    def __repr__(self) -> str:
        return f"Provider({self.id!r}, {self.upstream!r})"

    def endpoint(self, method: str, path: str, host: str = "", *, remember: bool = True) -> Endpoint:
        """Return the endpoint of a request; an unknown path is `<id>.other`, read by its response.

        `host` is where the request goes, which may say in what region it is served. Do not `remember`
        a path that holds a key.
        """
        key = (method, path, host)
        known = self._known.get(key)
        if known is not None:
            return known
        found = self._find(method, path.partition("?")[0])
        place = self._place(host)
        if place:
            found = msgspec.structs.replace(found, host_values=place)
        if remember and len(self._known) < _PATHS_REMEMBERED:
            self._known[key] = found
        return found

    def _place(self, host: str) -> dict[str, str]:
        for pattern in self._places:
            if pattern.match(host.lower()):
                return routes.path_values(pattern, host.lower())
        return {}

    def _find(self, method: str, path: str) -> Endpoint:
        if self._routes is None:
            self._routes = [self._route(entry) for entry in self._endpoints()]
        for wanted, pattern, endpoint in self._routes:
            if wanted in (method, "*") and pattern.match(path):
                return endpoint
        return Endpoint(
            self.id,
            self.data.prices or self.id,
            f"{self.id}.other",
            model_prefixes=self.data.model_prefixes,
            vendors=self.vendors,
            unlisted=self._unlisted,
            reads=method != "POST",
        )

    def _route(self, entry: EndpointData) -> tuple[str, re.Pattern[str], Endpoint]:
        data = self.data
        pattern = routes.compile_path(entry.path)
        endpoint = Endpoint(
            provider_id=self.id,
            prices_id=entry.prices or data.prices or self.id,
            surface=entry.surface,
            format=self.formats[entry.format] if entry.format else None,
            by_model=tuple(
                (re.compile(fnmatch.translate(glob), re.IGNORECASE), self.formats[reference])
                for glob, reference in entry.by_model.items()
            ),
            pattern=pattern,
            free=entry.free,
            inject_include_usage=entry.include_usage and data.accepts_include_usage,
            model_prefixes=data.model_prefixes,
            vendors=self.vendors,
        )
        return entry.method, pattern, endpoint


class Catalog:
    """Every provider, by the path's first segment and by host."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        vendors: tuple[Vendor, ...] = (),
        request_limits: RequestLimitsData | None = None,
    ) -> None:
        self.providers = dict(providers)
        self.vendors = vendors
        """Whose names for customer, user, session … are understood."""
        self.request_limits = request_limits
        """What in a request decides how much it can cost; for `farebox.wire.request_limits`."""
        self._exact: dict[str, Provider] = {}
        self._globs: list[tuple[re.Pattern[str], Provider]] = []
        for provider in self.providers.values():
            for host in provider.hosts:
                if "*" in host:
                    self._globs.append((re.compile(fnmatch.translate(host.lower())), provider))
                else:
                    self._exact.setdefault(host.lower(), provider)

    def provider(self, segment: str) -> Provider | None:
        """Return the provider a path's first segment names."""
        return self.providers.get(segment)

    def by_host(self, host: str) -> Provider | None:
        """Return the provider behind `host` (`api.openai.com`, port ignored)."""
        name = host.lower()
        if name.count(":") == 1:
            name = name.partition(":")[0]
        found = self._exact.get(name)
        if found is not None:
            return found
        for pattern, provider in self._globs:
            if pattern.match(name):
                return provider
        return None


def load(providers: Mapping[str, ProviderConfig] | None = None) -> Catalog:
    """Return the catalog with the configuration's upstreams and own providers in it."""
    loaded = load_data()
    data = dict(loaded.providers)
    endpoints: dict[str, Callable[[], tuple[EndpointData, ...]]] = {
        name: functools.partial(loaded.endpoints.__getitem__, name) for name in data
    }
    for name, configured in (providers or {}).items():
        base = data.get(name)
        if configured.speaks is not None and (base is None or configured.speaks != name):
            spoken = data.get(configured.speaks)
            if spoken is not None:
                base = _derive(name, spoken)
                spoken_endpoints = endpoints[configured.speaks]
                endpoints[name] = functools.partial(_derived, name, configured.speaks, spoken_endpoints)
        if base is None:
            continue  # farebox.config has already reported it: neither known nor `speaks`
        if configured.upstream is not None:
            base = msgspec.structs.replace(base, upstream=configured.upstream)
        if configured.hosts:
            base = msgspec.structs.replace(base, hosts=(*configured.hosts, *base.hosts))
        data[name] = base
    unlisted = _shapes(loaded)
    return Catalog(
        {
            name: Provider(entry, loaded.formats, loaded.vendors, unlisted, endpoints[name])
            for name, entry in data.items()
        },
        loaded.vendors,
        loaded.request_limits,
    )


def _shapes(data: CatalogData) -> UsageShapes | None:
    if data.unlisted is None:
        return None
    return UsageShapes(
        data.formats[data.unlisted.format],
        tuple((frozenset(shape.fields), data.formats[shape.format]) for shape in data.unlisted.shapes),
    )


def _derive(name: str, spoken: ProviderData) -> ProviderData:
    """Return a provider of the user's own that speaks a known one's formats."""
    return msgspec.structs.replace(
        spoken,
        id=name,
        name=name,
        hosts=(),
        prices="",
        unpriced_because="",
        base_url_env={},
        grpc_packages=(),
        path_aliases={},
    )


def _derived(
    name: str, speaks: str, spoken: Callable[[], tuple[EndpointData, ...]]
) -> tuple[EndpointData, ...]:
    """Return the endpoints of a provider of the user's own that speaks a known one's formats."""

    def own(surface: str) -> str:
        family, _, rest = surface.partition(".")
        return f"{name}.{rest}" if family == speaks else f"{name}.{surface}"

    return tuple(
        msgspec.structs.replace(entry, surface=own(entry.surface))
        for entry in spoken()
        if entry.format or entry.shared or not entry.free
    )
