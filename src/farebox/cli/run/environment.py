"""The variables `farebox run` sets for its child, and what the user's own values mean. Which variable
each client reads is in the catalog (`base_url_env`, `headers_env`). A value the user has set is never
silently ignored: one that names a known provider is routed to that provider, one that names another host
becomes an upstream of this run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from farebox.config import Config, ProviderConfig, is_loopback, upstream_problem
from farebox.listeners import is_farebox

if TYPE_CHECKING:
    from farebox.catalog import Catalog, Provider

LABELS = ("customer", "user", "agent", "task", "project")
"""`FAREBOX_CUSTOMER` in the environment becomes the header `x-farebox-customer`, and so on."""

_DIRECT = ("127.0.0.1", "localhost")
_PROXY_VARIABLES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_NO_PROXY = ("NO_PROXY", "no_proxy")


@dataclass
class Plan:
    """What to set for the child, and what to tell the user about it."""

    variables: dict[str, str] = field(default_factory=dict[str, str])
    """Name to path on the proxy: `/openai/v1`."""
    upstreams: dict[str, ProviderConfig] = field(default_factory=dict[str, ProviderConfig])
    """Providers this run adds, because the user's own variables name their hosts."""
    notes: list[str] = field(default_factory=list[str])


def plan(
    catalog: Catalog,
    environment: Mapping[str, str],
    own_address: str | None = None,
    *,
    interception: bool = False,
) -> Plan:
    """Return what a child's environment needs for its calls to pass the proxy.

    `own_address` is the running proxy's `host:port`: a value that names it keeps its path.
    `interception`: calls that do not use the proxy's base URL are metered as well.
    """
    made = Plan()
    for provider in catalog.providers.values():
        for name, suffix in provider.base_url_env.items():
            value = environment.get(name, "").strip()
            if provider.data.keeps_host:
                if value and interception:
                    _intercept(made, catalog, provider, name, value)
            elif not value:
                if not provider.upstream:
                    continue  # the user's own host, which the catalog cannot know
                made.variables.setdefault(name, f"/{provider.id}{suffix}")
            elif own_address is not None and netloc(value) == own_address:
                made.variables[name] = urlsplit(value).path
            elif _names_a_farebox(value):
                _reroute(made, catalog, provider, name, suffix, value)
                made.notes.pop()
                note = f"another Farebox listens on {netloc(value)}: calls that go there are metered by it"
                if note not in made.notes:
                    made.notes.append(note)
            else:
                _reroute(made, catalog, provider, name, suffix, value)
    return made


def redirections(config: Config) -> list[str]:
    """Return warnings about upstreams that the file moves to other machines, which would receive the
    user's keys. `farebox.yaml` may lie in a folder that came from somebody else.
    """
    from farebox.catalog import load

    known = load().providers
    notes: list[str] = []
    for name, provider in config.providers.items():
        host = urlsplit(provider.upstream or "").hostname
        if name in known and host and not is_loopback(host):
            notes.append(f"{config.file} sends {name}'s calls, keys included, to {provider.upstream}")
    return notes


def netloc(url: str) -> str | None:
    """Return a URL's `host:port`, None where it has none."""
    try:
        return urlsplit(url).netloc or None
    except ValueError:
        return None


def _names_a_farebox(value: str) -> bool:
    """Return whether a base URL leads to a Farebox of this user, such as the one of a run around this one."""
    try:
        parts = urlsplit(value)
        return parts.hostname in ("127.0.0.1", "localhost") and is_farebox(parts.port or 80)
    except ValueError:
        return False


def _reroute(made: Plan, catalog: Catalog, provider: Provider, name: str, suffix: str, value: str) -> None:
    problem = upstream_problem(value)
    if problem:
        made.notes.append(f"{name}={value!r} is not a base URL ({problem}); calls through it are not metered")
        return
    parts = urlsplit(value)
    known = catalog.by_host(parts.hostname or "")
    below = _path_below(known, value) if known is not None else None
    if known is not None and below is not None:
        made.variables[name] = f"/{known.id}{below}"
        if known.id != provider.id:
            made.notes.append(f"{name} names {known.name}: its calls are metered as {known.id}")
        return
    segment = _segment(parts.netloc)
    trimmed = value.rstrip("/")
    path = suffix if suffix and trimmed.endswith(suffix) else ""
    upstream = trimmed[: len(trimmed) - len(path)] if path else trimmed
    earlier = made.upstreams.get(segment)
    number = 2
    while earlier is not None and (earlier.upstream, earlier.speaks) != (upstream, provider.id):
        segment = f"{_segment(parts.netloc)}-{number}"
        earlier = made.upstreams.get(segment)
        number += 1
    made.upstreams[segment] = ProviderConfig(upstream=upstream, speaks=provider.id)
    made.variables[name] = f"/{segment}{path}"
    made.notes.append(f"{name} names {parts.netloc}: its calls are forwarded there, metered as {segment}")


def _intercept(made: Plan, catalog: Catalog, provider: Provider, name: str, value: str) -> None:
    """Keep a base URL whose host must not change, and have that host intercepted."""
    host = urlsplit(value).hostname if upstream_problem(value) is None else None
    if host is None or catalog.by_host(host) is not None:
        return
    made.upstreams[_segment(host)] = ProviderConfig(upstream=value.rstrip("/"), speaks=provider.id)
    made.notes.append(f"{name} names {host}: its calls are metered as {_segment(host)}")


def _path_below(provider: Provider, value: str) -> str | None:
    """Return what a URL adds to the catalog's upstream, None where it is not on that upstream."""
    ours, theirs = urlsplit(provider.upstream), urlsplit(value)
    default = {"http": 80, "https": 443}
    same = (ours.scheme, ours.hostname, ours.port or default.get(ours.scheme)) == (
        theirs.scheme,
        theirs.hostname,
        theirs.port or default.get(theirs.scheme),
    )
    base, path = ours.path.rstrip("/"), theirs.path.rstrip("/")
    if not same or not (path == base or path.startswith(f"{base}/")):
        return None
    return path[len(base) :]


def _segment(netloc: str) -> str:
    name = re.sub(r"[^a-z0-9._-]+", "-", netloc.lower()).strip("-._")
    return name[:48] or "upstream"


def base_urls(url: str, catalog: Catalog | None = None) -> dict[str, str]:
    """Return every base-URL variable with its value for a proxy at `url`."""
    if catalog is None:
        from farebox.catalog import load

        catalog = load()
    return {name: f"{url}{path}" for name, path in plan(catalog, {}).variables.items()}


def direct(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the `NO_PROXY` variables with this machine added to the user's own entries.

    A base URL on loopback is plain HTTP: through an HTTP proxy the API key would travel in clear.
    `::1` is not added: no base URL names it, and clients that take it for a host and a port fail.
    """
    values: dict[str, str] = {}
    for name, other in (_NO_PROXY, _NO_PROXY[::-1]):
        theirs = environment.get(name, "").strip() or environment.get(other, "").strip()
        entries = [entry.strip() for entry in theirs.split(",") if entry.strip()]
        added = [] if "*" in entries else [host for host in _DIRECT if host not in entries]
        values[name] = ",".join([*entries, *added])
    return values


def proxied_by(environment: Mapping[str, str]) -> str | None:
    """Return the variable that sends calls to this machine through an HTTP proxy, None for none."""
    excepted = {entry.strip() for name in _NO_PROXY for entry in environment.get(name, "").split(",")}
    if excepted & {"*", "127.0.0.1"}:
        return None
    return next((name for name in _PROXY_VARIABLES if environment.get(name, "").strip()), None)


def labels_of(environment: Mapping[str, str], *, session: str, app: str) -> dict[str, str]:
    """Return the default attribution: session, app, and the `FAREBOX_*` labels that are set."""
    labels = {"session": session, "app": app}
    for label in LABELS:
        value = environment.get(f"FAREBOX_{label.upper()}", "")
        if value:
            labels[label] = value
    return labels


def custom_headers(
    catalog: Catalog, environment: Mapping[str, str], labels: Mapping[str, str]
) -> dict[str, str]:
    """Return the `*_CUSTOM_HEADERS` variables with our lines after the user's own, which take precedence."""
    lines = [f"x-farebox-{label}: {_header_value(value)}" for label, value in labels.items()]
    names = {name for provider in catalog.providers.values() for name in provider.headers_env}
    values: dict[str, str] = {}
    for name in sorted(names):
        theirs = [line for line in environment.get(name, "").splitlines() if line.strip()]
        taken = {line.partition(":")[0].strip().lower() for line in theirs}
        ours = [line for line in lines if line.partition(":")[0] not in taken]
        values[name] = "\n".join([*theirs, *ours])
    return values


def _header_value(text: str) -> str:
    """Return `text` as a header can carry it: printable ASCII, one line."""
    return "".join(character if " " <= character <= "~" else "?" for character in text)[:256]
