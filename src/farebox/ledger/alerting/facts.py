"""What alerts need to know that no row of the record says: handed in once a second, where it changed."""

from __future__ import annotations

import msgspec


class WalletLeft(msgspec.Struct, frozen=True):
    """What a customer can still use."""

    customer: str
    left: int
    """In 10⁻¹² of the currency."""
    currency: str


class UnmeteredClient(msgspec.Struct, frozen=True):
    """A program that reaches a provider past the meter."""

    name: str
    hosts: str
    why: str
    since_ns: int
    """When it was first seen so."""
    last_ns: int


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All of them at one moment; None where it is not known just now."""

    wallets: tuple[WalletLeft, ...] | None = None
    prices: str | None = None
    """The digest of the prices in force."""
    prices_checked_ns: int | None = None
    """When prices were last looked up."""
    unmetered: tuple[UnmeteredClient, ...] | None = None
    missing: int | None = None
    """Records that the last day is known to miss."""
    missing_words: str = ""
