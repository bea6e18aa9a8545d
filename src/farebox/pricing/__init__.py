"""The price book and the one rating function.

    book = load_book(config.pricing, cache_dir=home.cache)
    rated = book.rate(part, occurred_at_ns=…, completeness="final", billable=True)

Rating is pure; only `load_book` and `check_pricing` open files, and only the catalog's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from farebox.errors import Finding
    from farebox.pricing.book import PriceBook
    from farebox.pricing.contracts.terms import Contracts
    from farebox.pricing.price_rows import CompiledPrices
    from farebox.pricing.sources.user_prices import UserPricing
    from farebox.yamltext import Node

__all__ = ["check_pricing", "load_book"]


def load_book(
    pricing: Node | None = None,
    cache_dir: Path | None = None,
    *,
    contracts: Node | None = None,
    directory: Node | None = None,
    state: Path | None = None,
) -> PriceBook:
    """Return the book of the catalog with the user's `pricing:` and `contracts:` on top.

    `directory` is the working directory's `pricing:`, for what has no price otherwise. `state` is the
    state directory: its price files and fetched lists count, too.

    Raises:
        PriceFileError: With everything that is wrong with them.
    """
    from farebox.errors import PriceFileError
    from farebox.pricing.book import PriceBook
    from farebox.pricing.compiled_book import open_prices

    compiled = open_prices(cache_dir)
    updates = None
    if state is not None and state.joinpath("prices").is_dir():
        from farebox.pricing.sources.price_updates import newest

        updates = newest(state)
    if pricing is None and contracts is None and directory is None and not _has_files(state):
        return PriceBook(compiled, updates=updates)
    user, agreed, findings = _read(compiled, pricing, contracts, state)
    fallback = None
    if directory is not None:
        fallback, problems = _read_directory(compiled, directory, user)
        findings += problems
    if findings:
        raise PriceFileError(findings)
    return PriceBook(compiled, user, agreed, updates, fallback)


def check_pricing(
    pricing: Node | None,
    cache_dir: Path | None = None,
    *,
    contracts: Node | None = None,
    directory: Node | None = None,
    state: Path | None = None,
) -> list[Finding]:
    """Return everything that is wrong with `pricing:`, `contracts:` and the price files of `state`."""
    from farebox.pricing.compiled_book import open_prices

    compiled = open_prices(cache_dir)
    user, _, findings = _read(compiled, pricing, contracts, state)
    if directory is not None:
        findings += _read_directory(compiled, directory, user)[1]
    return findings


def _read(
    compiled: CompiledPrices, pricing: Node | None, contracts: Node | None, state: Path | None
) -> tuple[UserPricing, Contracts, list[Finding]]:
    from farebox.pricing.contracts.terms import read_contracts
    from farebox.pricing.sources.user_prices import read_pricing

    sections: dict[str, list[Node]] = {
        "pricing": [] if pricing is None else [pricing],
        "contracts": [] if contracts is None else [contracts],
    }
    findings: list[Finding] = []
    if state is not None and _has_files(state):
        from farebox.pricing.sources.price_folder import read_folder

        more, findings = read_folder(state)
        for name, nodes in more.items():
            sections[name] += nodes
    names = compiled.units.prices
    user, problems = read_pricing(sections["pricing"], names, frozenset(compiled.known))
    findings += problems
    agreed, problems = read_contracts(sections["contracts"], names)
    return user, agreed, findings + problems


def _read_directory(
    compiled: CompiledPrices, directory: Node, user: UserPricing
) -> tuple[UserPricing, list[Finding]]:
    """Return a working directory's prices, and a finding for each model that has a price without them."""
    from farebox.pricing.book import PriceBook
    from farebox.pricing.sources.user_prices import read_pricing

    own, findings = read_pricing([directory], compiled.units.prices, frozenset(compiled.known))
    book = PriceBook(compiled, user)
    for key, entry in directory.items():
        provider, slash, name = key.partition("/")
        if "*" not in key and book.find(provider if slash else None, name if slash else key):
            findings.append(
                entry.finding(
                    "it in the home's `farebox.yaml`: a working directory's file may only price what has no "
                    "price otherwise",
                    "a model that has a price",
                )
            )
    return own, findings


def _has_files(state: Path | None) -> bool:
    return state is not None and state.joinpath("prices.d").is_dir()
