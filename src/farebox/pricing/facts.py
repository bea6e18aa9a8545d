"""What rating returns: each quantity times its unit price, and what could not be priced."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from farebox.money import PicoUsd
from farebox.wire.facts import Quantity

CostState = Literal[
    "priced",
    "free",  # the price row says zero, or the exchange is not billable
    "included",  # a subscription or provisioned capacity pays for it
    "unpriced",  # usage is known, a price is not
    "estimated",  # priced from estimated usage
    "unknown",  # usage is not known, so neither is the money
    "provider_reported",
]

PriceSource = Literal["contract", "user", "overlay", "genai-prices", "litellm", "provider"]


class CostLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One quantity, its unit price, and the amount rounded once to a pico-dollar."""

    unit: str
    """The leaf this prices, as in `wire.facts.LEAVES`."""
    quantity: Quantity
    list_unit_price_usd: Decimal | None
    """Per single unit (one token, one second); None when unpriced."""
    amount_pico: PicoUsd | None
    price_id: str | None = None
    """`provider/model/2025-08-07#cache_read`: which row, in force since when."""
    price_source: PriceSource | None = None
    effective_from: str | None = None
    """ISO date or instant from which the price row is valid; None for since ever."""
    contracted_unit_price_usd: Decimal | None = None
    """What your contract with the provider makes of it; the amount is by this one where it is there."""


class PeriodShare(msgspec.Struct, frozen=True, array_like=True):
    """What a call adds to what one charge of its customer's plan has seen in a period."""

    charge: str
    """`SUBSCRIPTION/PLAN@VERSION/CHARGE`."""
    period_ns: int
    """When the period begins, or for a charge that is rated by the hour or day, that."""
    quantity: str
    """An exact number: `1250`, or `1/3`."""
    events: int = 0
    """How many calls of it count by themselves, where the charge has an amount for each."""


class RatedPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part in money. `list_cost_pico` is ours by list price; `cost_pico` is what counts."""

    lines: tuple[CostLine, ...] = ()
    cost_state: CostState
    reason: str | None = None
    """Why it is unpriced, unknown, free or included."""
    list_cost_pico: PicoUsd | None = None
    cost_pico: PicoUsd | None = None
    """The provider's stated money where it states any, else the contracted cost, else
    `list_cost_pico`; None when nothing could be priced. A part with some unpriced lines is
    `unpriced` and keeps the sum of its priced ones here: a lower bound."""
    charge_pico: PicoUsd | None = None
    """The customer's price: by its plan, else cost times the markup, else the cost. What a plan charges
    for a call is with the call's first part."""
    contracted_cost_pico: PicoUsd | None = None
    """By your contract with the provider; None where no contract covers the call."""
    contract: str | None = None
    """The term of a provider's contract that made it: `openai-2026#1`."""
    charge_plan: str | None = None
    """The plan version that made the charge: `pro@3`."""
    shares: tuple[PeriodShare, ...] = ()
    """What the call adds to the period of its customer's plan."""
    markup: Decimal | None = None
    priced_model: str | None = None
    """The catalog's model id the price was found under."""
    snapshot: str = ""
    """Digest of the price book that rated this."""
