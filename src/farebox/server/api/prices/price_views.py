"""Prices in force, what has none, and what other prices would change, in the API's shape."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from farebox.ledger.corrections.rerate_differences import Difference
from farebox.ledger.corrections.unpriced_models import Unpriced
from farebox.pricing.book import PriceLine
from farebox.server.api.coverage.coverage_views import Coverage
from farebox.server.api.spending.spend_views import Span, Text


class PriceRowView(msgspec.Struct, kw_only=True):
    """One quoted price."""

    unit: str
    unit_price_usd: Text
    per_million_usd: Text
    price_id: str
    price_source: str
    source: str
    """A page, a release, a line of the user's file."""
    checked: str
    """When the figure was looked at last; empty where that is not known."""
    effective_from: str | None
    when: dict[str, str]
    """Only for calls with these facts."""
    above_input_tokens: int | None
    in_force: bool


class SeenModel(msgspec.Struct, kw_only=True):
    """A model that was called in the span, and the prices in force for it now."""

    provider: str
    model: str | None
    calls: int
    unpriced_calls: int
    cost_pico: Text
    prices: list[PriceRowView]


class SeenModels(msgspec.Struct, kw_only=True):
    """`GET /api/v1/prices/models`: most expensive first."""

    span: Span
    models: list[SeenModel]
    rest_models: int
    """How many more there are."""
    price_book: str
    """The digest of the prices in force."""
    coverage: Coverage


class PriceHistory(msgspec.Struct, kw_only=True):
    """`GET /api/v1/prices/history`: every price there ever was for a model, the newest last."""

    provider: str
    model: str
    prices: list[PriceRowView]


class UnpricedModel(msgspec.Struct, kw_only=True):
    """A model whose calls have no price, or not for everything."""

    provider: str
    model: str | None
    calls: int
    without_usage: int
    """Those of them whose usage nobody stated: no price would give them a cost."""
    input_tokens: int
    output_tokens: int
    missing: list[str]
    """The quantities without a price."""
    first_at: str
    last_at: str
    priceable_calls: int
    """Calls that the prices in force now would price: what applying them would change."""
    would_cost_pico: Text


class UnpricedQueue(msgspec.Struct, kw_only=True):
    """`GET /api/v1/prices/unpriced`: most calls first, whatever the span."""

    models: list[UnpricedModel]
    at_least: bool
    """There are more calls without a price than were looked at."""


class RerateDifference(msgspec.Struct, kw_only=True):
    """What the prices in force change for one model."""

    provider: str
    model: str | None
    calls: int
    unpriced_before: int
    unpriced_after: int
    cost_before_pico: Text
    cost_after_pico: Text
    why: list[str]


class Rerating(msgspec.Struct, kw_only=True):
    """`GET /api/v1/prices/rerating`, and after `POST` what was done."""

    calls: int
    cost_before_pico: Text
    cost_after_pico: Text
    models: list[RerateDifference]
    at_least: bool
    """There are more calls than were looked at; applying looks at all of them."""
    applied: bool
    """The ledger has the corrections."""
    request: str | None
    """As each call's corrections name it; None for a preview."""
    price_book: str


class PriceSet(msgspec.Struct, kw_only=True):
    """`PUT /api/v1/prices/own`: what was written, and where."""

    model: str
    file: str
    entry: dict[str, str]
    price_book: str


class PriceNews(msgspec.Struct, kw_only=True):
    """`GET /api/v1/prices/updates`: how the lists are kept up to date, and when they were looked for last."""

    update: str
    """`auto`, `review` or `off`."""
    every_s: int
    source: str
    list_from: str | None
    """When the list in force was fetched; None: it is this release's."""
    last_look_at: str | None
    last_look: str | None
    """What came of it, a sentence."""
    next_look_at: str | None
    waiting_changes: int
    """Changes of a list that waits for review."""
    waiting_because: list[str]
    told: list[str]
    """What a person should know."""


def price_row(line: PriceLine) -> PriceRowView:
    return PriceRowView(
        unit=line.unit,
        unit_price_usd=f"{line.unit_price_usd.normalize():f}",
        per_million_usd=f"{(line.unit_price_usd * 1_000_000).normalize():f}",
        price_id=line.price_id,
        price_source=line.price_source,
        source=line.source,
        checked=line.checked,
        effective_from=line.effective_from,
        when=line.when,
        above_input_tokens=line.above_input_tokens,
        in_force=line.in_force,
    )


def unpriced_model(found: Unpriced) -> UnpricedModel:
    return UnpricedModel(
        provider=found.provider,
        model=found.model,
        calls=found.calls,
        without_usage=found.without_usage,
        input_tokens=found.input_tokens,
        output_tokens=found.output_tokens,
        missing=found.missing,
        first_at=found.first_at,
        last_at=found.last_at,
        priceable_calls=found.priceable_calls,
        would_cost_pico=str(found.would_cost_pico),
    )


def rerating_view(
    found: Iterable[Difference],
    book: str,
    *,
    at_least: bool,
    applied: bool = False,
    request: str | None = None,
) -> Rerating:
    models = sorted(found, key=lambda each: -abs(each.cost_after_pico))
    return Rerating(
        calls=sum(each.calls for each in models),
        cost_before_pico=str(sum(each.cost_before_pico for each in models)),
        cost_after_pico=str(sum(each.cost_after_pico for each in models)),
        models=[
            RerateDifference(
                provider=each.provider,
                model=each.model,
                calls=each.calls,
                unpriced_before=each.unpriced_before,
                unpriced_after=each.unpriced_after,
                cost_before_pico=str(each.cost_before_pico),
                cost_after_pico=str(each.cost_after_pico),
                why=each.why,
            )
            for each in models
        ],
        at_least=at_least,
        applied=applied,
        request=request,
        price_book=book,
    )
