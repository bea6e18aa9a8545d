"""Open the price book of a state directory and its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farebox.home import Home
from farebox.pricing import load_book

if TYPE_CHECKING:
    from farebox.cli.options import Place
    from farebox.pricing.book import PriceBook


def open_book(place: Place) -> tuple[Home, PriceBook]:
    """Return the state directory and the prices in force there.

    Raises:
        FindingsError: With everything that is wrong with the configuration and the price files.
    """
    home = place.state_to_read()
    config = place.configuration(home)
    return home, load_book(
        config.pricing,
        home.cache,
        contracts=config.contracts,
        directory=config.directory_pricing,
        state=home.path,
    )
