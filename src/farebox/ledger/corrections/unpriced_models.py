"""Models that were called and have no price, and what the prices in force now would make of their calls."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from farebox.pricing.quotation import instant_ns
from farebox.wire.facts import Part

if TYPE_CHECKING:
    from farebox.ledger.call_row import CallRow, PartRow
    from farebox.pricing.book import PriceBook


class Unpriced(msgspec.Struct, kw_only=True):
    """One model's calls that have no price, or not for everything."""

    provider: str
    model: str | None
    calls: int = 0
    without_usage: int = 0
    """Those of them whose usage nobody stated: no price would give them a cost."""
    input_tokens: int = 0
    output_tokens: int = 0
    missing: list[str] = []
    """The quantities without a price."""
    first_at: str = ""
    last_at: str = ""
    priceable_calls: int = 0
    """Calls that the prices in force now would price: what re-rating would change."""
    would_cost_pico: int = 0
    """What they would cost then."""


def unpriced_models(rows: Iterable[CallRow], book: PriceBook) -> list[Unpriced]:
    """Return the models of calls without a price, most calls first."""
    found: dict[tuple[str, str | None], Unpriced] = {}
    for row in rows:
        _count(found, row, book)
    return sorted(found.values(), key=lambda each: -each.calls)


def _count(found: dict[tuple[str, str | None], Unpriced], row: CallRow, book: PriceBook) -> None:
    model = row.response_model or row.request_model
    entry = found.setdefault(
        (row.provider, model), Unpriced(provider=row.provider, model=model, first_at=row.occurred_at)
    )
    entry.calls += 1
    entry.input_tokens += row.input_tokens
    entry.output_tokens += row.output_tokens
    entry.first_at = min(entry.first_at, row.occurred_at)
    entry.last_at = max(entry.last_at, row.occurred_at)
    if row.cost_state == "unknown":
        entry.without_usage += 1
        return
    attribution = dict(row.attribution)
    if row.key_fingerprint:
        attribution["key"] = row.key_fingerprint
    rated = [
        book.rate(
            _part(part),
            occurred_at_ns=instant_ns(row.occurred_at) or 0,
            completeness=row.completeness,
            billable=row.billable,
            attribution=attribution,
        )
        for part in row.parts
    ]
    lines = [line for each in rated for line in each.lines]
    missing = [line.unit for line in lines if line.amount_pico is None]
    entry.missing = sorted({*entry.missing, *missing})
    if all(each.cost_state != "unpriced" for each in rated):
        entry.priceable_calls += 1
        entry.would_cost_pico += sum(each.cost_pico or 0 for each in rated)


def _part(row: PartRow) -> Part:
    quantities = {
        leaf: count if isinstance(count, int) else Decimal(count) for leaf, count in row.quantities.items()
    }
    return Part(
        provider=row.provider,
        request_model=row.request_model,
        response_model=row.response_model,
        kind=row.kind,
        quantities=quantities,
        facts=row.facts,
        provider_cost_usd=row.provider_cost_usd,
    )
