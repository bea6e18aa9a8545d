"""Vectors of one call's cost: prices become a price book, and the book rates the call."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from farebox.catalog.shape import Group, Take, UsageFormat
from farebox.money import PICO_PER_USD
from farebox.pricing.book import PriceBook
from farebox.pricing.compiled_book import open_prices
from farebox.pricing.price_rows import (
    EVER,
    CompiledPrices,
    PricedModel,
    PriceRow,
    ProviderPrices,
    Quote,
    Tier,
)
from farebox.wire.facts import Part
from farebox.wire.usage.quantities import Measure, Oddities
from tools.vectors.vector import NotUnderstood, Result, Stated, Vector

_PROVIDER, _MODEL = "vector", "model"
_PER = 10**6

_LEAVES = {
    "output_tokens": "output_text",
    "cache_read_tokens": "cache_read",
    "cache_write_tokens": "cache_write_other",
    "cache_write_5m_tokens": "cache_write_5m",
    "cache_write_1h_tokens": "cache_write_1h",
    "reasoning_tokens": "output_reasoning",
    "web_searches": "calls_web_search",
}
"""What a vector counts, to the leaf that the meter would have found."""

_PRICES = ("input", "output", "cache_read", "cache_write", "cache_write_5m", "cache_write_1h")


def token_cost(vector: Vector) -> Result:
    """What the provider charges for one call."""
    part = Part(provider=_PROVIDER, response_model=_MODEL, quantities=_quantities(vector))
    rated = _book(vector.parameters).rate(part, occurred_at_ns=0, completeness="final", billable=True)
    if rated.cost_pico is None or rated.cost_state not in ("priced", "free"):
        raise NotUnderstood(f"{rated.cost_state}: {rated.reason}")
    return Result(Decimal(rated.cost_pico) / PICO_PER_USD)


def _quantities(vector: Vector) -> dict[str, Any]:
    """Return a call's disjoint quantities, as the meter reads a provider's usage object."""
    usage = vector.usage
    counts = {name: usage.raw(name) for name in ("input_tokens", *_LEAVES) if name in usage}
    within = vector.parameters.raw("input_includes", [])
    if set(within) - set(_LEAVES):
        raise NotUnderstood(f"input_includes {', '.join(sorted(set(within) - set(_LEAVES)))}")
    inside = {_LEAVES[name]: Take((name,)) for name in within}
    beside = [Group((name,), leaf) for name, leaf in _LEAVES.items() if name not in within]
    form = UsageFormat(
        tokens=(Group(("input_tokens",), "input_uncached", inside), *beside), output_optional=True
    )
    oddities = Oddities()
    quantities = Measure(form).read(counts, oddities)
    if oddities.flags:
        raise NotUnderstood(", ".join(oddities.flags))
    return dict(quantities)


def _book(parameters: Stated) -> PriceBook:
    prices = parameters.raw("prices_per_million", {})
    if set(prices) - set(_PRICES):
        raise NotUnderstood(f"prices of {', '.join(sorted(set(prices) - set(_PRICES)))}")
    quotes: dict[str, Quote] = {}
    tiers: dict[int, dict[str, Quote]] = {}
    for name, price in prices.items():
        stated = price if isinstance(price, dict) else {"base": price}
        quotes[name] = Quote(str(stated["base"]), _PER)
        for tier in stated.get("tiers") or ():
            above = int(tier["above_input_tokens"])
            tiers.setdefault(above, {})[name] = Quote(str(tier["price"]), _PER)
    if "price_per_1000_web_searches" in parameters:
        quotes["calls_web_search"] = Quote(str(parameters.raw("price_per_1000_web_searches")), 1000)
    row = PriceRow(
        id=f"{_PROVIDER}/{_MODEL}/ever",
        from_ns=EVER,
        effective_from=None,
        quotes=quotes,
        tiers=tuple(Tier(above, tiers[above]) for above in sorted(tiers)),
        source="vector",
    )
    provider = ProviderPrices(
        id=_PROVIDER, models=(PricedModel(id=_MODEL, match={"equals": _MODEL}, rows=(row,)),)
    )
    known = CompiledPrices(
        digest="vector",
        units=open_prices(None).units,
        known=(),
        providers={_PROVIDER: msgspec.Raw(msgspec.msgpack.encode(provider))},
    )
    return PriceBook(known)
