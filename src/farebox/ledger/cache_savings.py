"""What caching has saved in a call, read from the lines of its rating.

A cached token's saving is the list price of an uncached one less its own: writing to a cache costs more, so a
call can have saved less than nothing. Both prices are those the call was rated by. Where a rating has no line
of uncached tokens, their price is not known, and neither is the saving: such calls are counted.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any, Protocol

from farebox.money import pico_from_usd
from farebox.wire.facts import CACHE_READ_LEAVES, CACHE_WRITE_LEAVES

SAVINGS = ("cache_saved_pico", "cache_unknown_calls")
"""What cached tokens cost less than uncached ones, and whether part of that is not known: 1 or 0."""

_UNCACHED = {
    **{leaf: leaf.replace("cache_read", "input") for leaf in CACHE_READ_LEAVES},
    **dict.fromkeys(CACHE_WRITE_LEAVES, "input_uncached"),
    "cache_read": "input_uncached",
}
"""Leaf of cached tokens to that of the tokens they would have been."""

_NO_MONEY = frozenset(("free", "included"))


class Line(Protocol):
    """A line of a rating, as far as it matters here."""

    @property
    def unit(self) -> str: ...
    @property
    def quantity(self) -> Any: ...
    @property
    def price(self) -> Any: ...


class Part(Protocol):
    """A rated part of a call, as far as it matters here."""

    @property
    def lines(self) -> Sequence[Line]: ...
    @property
    def cost_state(self) -> str: ...


def savings_of(parts: Sequence[Part]) -> tuple[int, int]:
    """Return what caching has saved in a call, as `SAVINGS`."""
    saved = unknown = 0
    for part in parts:
        if part.cost_state in _NO_MONEY:
            continue
        prices: dict[str, str | None] | None = None
        for line in part.lines:
            uncached = _UNCACHED.get(line.unit)
            if uncached is None or not line.quantity:
                continue
            prices = prices or {each.unit: each.price for each in part.lines}
            full = prices.get(uncached)
            if full is None or line.price is None:
                unknown = 1
            else:
                saved += _saved(full, line.price, line.quantity)
    return saved, unknown


def _saved(full: str, price: str, quantity: int | str) -> int:
    with localcontext() as context:
        context.prec = 60
        return pico_from_usd(_difference(full, price) * Decimal(quantity))


@functools.lru_cache(maxsize=4096)
def _difference(full: str, price: str) -> Decimal:
    return Decimal(full) - Decimal(price)
