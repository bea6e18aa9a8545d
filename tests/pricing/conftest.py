"""Books of prices that a test writes out itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from price_books import agreements, compiled_from, user_pricing

from farebox.pricing import load_book
from farebox.pricing.book import PriceBook

# How long an example takes depends on the machine and decides nothing.
settings.register_profile("farebox", deadline=None)
settings.load_profile("farebox")


@pytest.fixture
def book_of(tmp_path: Path) -> Callable[..., PriceBook]:
    """A function that makes a book from texts of prices.yaml, overlay.yaml and `pricing:`."""

    def make(
        prices: dict[str, str] | None = None,
        *,
        overlay: str = "",
        user: str = "",
        litellm: dict[str, str] | None = None,
        contracts: str = "",
    ) -> PriceBook:
        compiled = compiled_from(tmp_path / "catalog", prices or {}, overlay, litellm)
        agreed = agreements(compiled, contracts) if contracts else None
        return PriceBook(compiled, user_pricing(compiled, user) if user else None, agreed)

    return make


@pytest.fixture(scope="session")
def shipped() -> PriceBook:
    """The price book as it is shipped."""
    return load_book()
