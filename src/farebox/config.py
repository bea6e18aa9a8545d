"""`farebox.yaml`: where to listen, how durable, which upstreams, which prices.

Every problem is reported at once with file, line, key and what was expected.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from farebox.yamltext import Node

Durability = Literal["process", "power"]


class Address(msgspec.Struct, frozen=True):
    """Host and port to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class ProviderConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A user's change to a provider of the catalog, or a provider of their own."""

    upstream: str | None = None
    """Base URL, `http://` or `https://`, without a query."""
    speaks: str | None = None
    """The catalog provider whose formats this one speaks (`openai`)."""


class Config(msgspec.Struct, kw_only=True):
    """A checked configuration. The defaults are a laptop's."""

    file: str | None = None
    listen: Address = Address("127.0.0.1", 3273)
    dashboard: Address = Address("127.0.0.1", 3274)
    durability: Durability = "process"
    providers: dict[str, ProviderConfig] = {}
    pricing: Node | None = None
    """The `pricing:` section as written; `farebox.pricing` reads and checks it."""
