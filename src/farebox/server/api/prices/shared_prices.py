"""What this Farebox rates with, for programs that rate with the same prices elsewhere."""

from __future__ import annotations

import msgspec

from farebox.charges.customer_terms import PublishedTerms
from farebox.config import Config
from farebox.config.file_stamps import ConfigWatch
from farebox.home import Home
from farebox.pricing.price_copy import PriceCopy, copy_of
from farebox.snapshot import read_snapshot


class SharedPrices:
    """A copy of the prices and terms in force, read again when one of their files has changed."""

    def __init__(self, home: Home, config: Config) -> None:
        self._home = home
        self._configuration = ConfigWatch(home, config)

    def __call__(self) -> PriceCopy:
        """Return the copy."""
        published = read_snapshot(self._home)
        terms = PublishedTerms(
            published.identities, published.customers, published.plans, published.subscriptions
        ).without_addresses()
        said = msgspec.json.encode(terms, order="sorted").decode() if terms != PublishedTerms() else "{}"
        return copy_of(self._home.path, self._configuration.current(), said)
