"""Price rows as data: what one source says a model costs, since when, and under which condition.

These are the shapes of the compiled price book. Amounts stay decimal text until a rating needs
them, so that the published figure is the one shown.
"""

from __future__ import annotations

from typing import Any

import msgspec

EVER = -(2**63)
"""The earliest time, in nanoseconds: a row without a date has always been valid."""

NEVER = 2**63 - 1

DAY_S = 86_400
WEEK = 0b1111111


class Quote(msgspec.Struct, frozen=True, array_like=True):
    """`usd` decimal text buys `per` units."""

    usd: str
    per: int


class Window(msgspec.Struct, frozen=True, array_like=True):
    """Hours of the day, UTC, half-open; `end_s` before `start_s` runs past midnight."""

    start_s: int
    end_s: int
    days: int = WEEK
    """Bit 0 is Monday. A window past midnight belongs to the day it starts on."""


class Tier(msgspec.Struct, frozen=True, array_like=True):
    """Prices of the whole request once its input is larger than `above` tokens: a cliff."""

    above: int
    quotes: dict[str, Quote]


class PriceRow(msgspec.Struct, frozen=True, array_like=True):
    """What one source says, since `from_ns`."""

    id: str
    """Stable for ever: `openai/gpt-4o/ever`, `openai/gpt-5/2026-10-12@service_tier=priority`."""
    from_ns: int
    effective_from: str | None
    """The date or instant as written; None for since ever."""
    quotes: dict[str, Quote]
    tiers: tuple[Tier, ...] = ()
    when: dict[str, str] = {}
    """Facts of the call that select this row; empty for the standard price. `!global` matches any stated
    value except that one."""
    window: Window | None = None
    source: str = ""
    checked: str = ""
    observed: bool = False
    """The price changed without a stated date; `from_ns` is when we first saw it."""


class PricedModel(msgspec.Struct, frozen=True, array_like=True):
    """A model with its rows. Of those in force the last one counts."""

    id: str
    match: dict[str, Any]
    rows: tuple[PriceRow, ...]
    name: str | None = None
    deprecated: bool = False


class Adjustment(msgspec.Struct, frozen=True, array_like=True):
    """A factor on every token price of some models, selected by facts of the call."""

    id: str
    match: dict[str, Any]
    when: dict[str, str]
    multiply: str
    from_ns: int
    source: str
    checked: str


class NoCharge(msgspec.Struct, frozen=True, array_like=True):
    """Calls that cost nothing by themselves: a local server, provisioned capacity."""

    state: str
    """`free` or `included`."""
    because: str
    when: dict[str, str]
    match: dict[str, Any]
    unless: dict[str, Any]


class Minimum(msgspec.Struct, frozen=True, array_like=True):
    """The least quantity of a leaf that one call is charged for."""

    match: dict[str, Any]
    leaf: str
    at_least: str


class ProviderOverlay(msgspec.Struct, frozen=True, array_like=True):
    """Our own corrections for one provider, each with its source."""

    prices_of: str | None = None
    """The provider whose price list this one shares."""
    models: tuple[PricedModel, ...] = ()
    defaults: tuple[PriceRow, ...] = ()
    """Rows for any model, used where neither overlay nor list has a price."""
    adjustments: tuple[Adjustment, ...] = ()
    no_charge: tuple[NoCharge, ...] = ()
    minimums: tuple[Minimum, ...] = ()
    strip_prefixes: tuple[str, ...] = ()
    request_model_first: bool = False
    """The requested name says more about the price than the response's (it contains a region)."""
    resells: dict[str, str] = {}
    """Makers by the first segment of a model's name, whose list pays for what this list leaves out."""


class ProviderPrices(msgspec.Struct, frozen=True, array_like=True):
    """Everything the price book knows about one provider."""

    id: str
    models: tuple[PricedModel, ...] = ()
    """In the order they are tried: the first that matches a name is the model."""
    fallbacks: tuple[str, ...] = ()
    """Providers whose standard prices apply to models this one only resells."""
    overlay: ProviderOverlay = ProviderOverlay()
    others: tuple[PricedModel, ...] = ()
    """Models only the second list knows, found by their whole name."""


class Leaf(msgspec.Struct, frozen=True, array_like=True):
    """How one measured quantity is paid for."""

    paid_by: tuple[str, ...]
    is_tokens: bool
    included: bool
    """Without a price it costs nothing, instead of being unpriced."""


class FactRule(msgspec.Struct, frozen=True, array_like=True):
    """A provider's own word for a fact, folded into the name price variants use."""

    when: dict[str, str]
    then: dict[str, str]


class Units(msgspec.Struct, frozen=True, array_like=True):
    """`catalog/units.yaml`, compiled."""

    prices: dict[str, bool]
    """Price names; True where the price is for tokens."""
    leaves: dict[str, Leaf]
    facts: tuple[FactRule, ...]


class CompiledPrices(msgspec.Struct, frozen=True, array_like=True):
    """The whole price book in one file. Providers are decoded when first asked for."""

    digest: str
    units: Units
    known: tuple[str, ...]
    """Every model name the catalog spells out, normalised, sorted."""
    providers: dict[str, msgspec.Raw]
