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
    from farebox.yamltext import Node

__all__ = ["check_pricing", "load_book"]


def load_book(
    pricing: Node | None = None, cache_dir: Path | None = None, *, contracts: Node | None = None
) -> PriceBook:
    """Return the book of the catalog with the user's `pricing:` and `contracts:` on top.

    Raises:
        PriceFileError: With everything that is wrong with them.
    """
    from farebox.errors import PriceFileError
    from farebox.pricing.book import PriceBook
    from farebox.pricing.compiled import open_prices

    compiled = open_prices(cache_dir)
    if pricing is None and contracts is None:
        return PriceBook(compiled)
    from farebox.pricing.contracts import read_contracts
    from farebox.pricing.user_prices import read_pricing

    user, findings = read_pricing(pricing, compiled.units.prices, frozenset(compiled.known))
    agreed, problems = read_contracts(contracts, compiled.units.prices)
    if findings or problems:
        raise PriceFileError([*findings, *problems])
    return PriceBook(compiled, user, agreed)


def check_pricing(
    pricing: Node | None, cache_dir: Path | None = None, *, contracts: Node | None = None
) -> list[Finding]:
    """Return everything that is wrong with a user's `pricing:` and `contracts:` sections."""
    from farebox.pricing.compiled import open_prices
    from farebox.pricing.contracts import read_contracts
    from farebox.pricing.user_prices import read_pricing

    compiled = open_prices(cache_dir)
    findings = read_pricing(pricing, compiled.units.prices, frozenset(compiled.known))[1]
    return [*findings, *read_contracts(contracts, compiled.units.prices)[1]]
