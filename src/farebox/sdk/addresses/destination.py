"""A provider at an address: its keys, its paths, and how records call it."""

from __future__ import annotations

from typing import NamedTuple

from farebox.catalog import Endpoint, Provider
from farebox.recording.callers import find_key


class Destination(NamedTuple):
    """A provider at an address."""

    provider: Provider
    host: str
    """As records say it: without the port where that is the scheme's own."""
    base_path: str
    """What stands before the paths that the catalog knows."""
    listed_only: bool
    """Whether only paths of the catalog are this provider's: many a program listens on such an address."""
    key_headers: tuple[bytes, ...]
    key_query: frozenset[bytes]
    login_keys: tuple[bytes, ...]

    def key(self, fields: dict[bytes, bytes], query: bytes | None) -> bytes | None:
        """Return the API key that a request carries."""
        return find_key(fields, query, self.key_headers, self.key_query)

    def endpoint(self, method: str, path: str, key: bytes | None, *, remember: bool) -> Endpoint | None:
        """Return what the catalog knows of a request; None for one that is not this provider's."""
        below = path
        if self.base_path and path.startswith(self.base_path + "/"):
            below = path[len(self.base_path) :]
        host = self.host.partition(":")[0]
        endpoint = self.provider.endpoint(method, below, host, remember=remember)
        if self.listed_only and not endpoint.metered:
            return None
        login = self.provider.login
        if login is not None and key is not None and key.startswith(self.login_keys):
            return endpoint.of_login(login)
        return endpoint


def destination_of(provider: Provider, shown: str, base_path: str, *, listed_only: bool) -> Destination:
    """Return a provider at an address that is shown as `shown`."""
    return Destination(
        provider,
        shown,
        base_path,
        listed_only,
        tuple(name.lower().encode() for name in provider.key_headers),
        frozenset(name.encode() for name in provider.key_query),
        tuple(start.encode() for start in provider.login.keys) if provider.login is not None else (),
    )
