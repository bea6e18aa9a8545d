"""`farebox prices unpriced`: models that were called and have no price, and what a price would change."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from farebox.analytics.dimensions import UNPRICED
from farebox.cli.access import open_ledger, open_questions
from farebox.cli.exits import ANSWER_IS_NO, OK
from farebox.cli.options import AsJson, Filters, PeriodFlags, Place, selection_of
from farebox.cli.prices.opening import open_book
from farebox.cli.reports import json_shapes
from farebox.cli.screen import Column, clean, count, table
from farebox.money import display_usd
from farebox.pricing.quotation import instant_ns
from farebox.program import command
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


class UnpricedAnswer(msgspec.Struct, kw_only=True):
    """`farebox prices unpriced --json`."""

    schema: str = "farebox.prices-unpriced/1"
    models: list[Unpriced]


def unpriced(
    *,
    place: Place | None = None,
    period: PeriodFlags | None = None,
    filters: Filters | None = None,
    as_json: AsJson = False,
) -> int:
    """List the models seen without a price: calls, tokens, and what pricing them would re-rate."""
    chosen = place or Place()
    _, book = open_book(chosen)
    home, reader = open_ledger(chosen)
    which = selection_of((period or PeriodFlags()).period(), filters)
    # Every sum counts both states as unpriced, so the counts agree everywhere.
    which = msgspec.structs.replace(which, where={**which.where, "cost_state": list(UNPRICED)})
    found: dict[tuple[str, str | None], Unpriced] = {}
    with open_questions(home) as questions:
        for row in reader.export(questions.every_call(which)):
            _count(found, row, book)
    models = sorted(found.values(), key=lambda each: -each.calls)
    if as_json:
        json_shapes.print_json(UnpricedAnswer(models=models))
    else:
        print(render(models))
    return ANSWER_IS_NO if any(each.calls > each.without_usage for each in models) else OK


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


def render(models: list[Unpriced]) -> str:
    """Return the queue, most calls first, and what to type."""
    if not models:
        return "Every call has a price."
    without = sum(each.without_usage for each in models)
    columns = [
        Column("model", width_max=70),
        Column("calls", right=True),
        Column("tokens in", right=True),
        Column("tokens out", right=True),
        Column("no price for", drop=2),
        Column("first seen", drop=1),
        Column("re-rating makes", drop=3),
    ]
    cells = [
        [
            f"{each.provider}/{each.model}",
            f"{each.calls:,}",
            f"{each.input_tokens:,}",
            f"{each.output_tokens:,}",
            ", ".join(each.missing) or ("usage is not known" if each.without_usage else "–"),
            each.first_at[:10],
            f"{display_usd(each.would_cost_pico)} of {count(each.priceable_calls, 'call')}"
            if each.priceable_calls
            else "–",
        ]
        for each in models
    ]
    lines = [table(columns, cells)]
    if without:
        lines.append(f"Of {count(without, 'call')} nobody stated the usage: no price gives them a cost.")
    open_ones = [each for each in models if each.priceable_calls < each.calls - each.without_usage]
    if open_ones:
        first = open_ones[0]
        rates = " ".join(f"{_asked(unit)}=…" for unit in first.missing) or "input=… output=…"
        named = clean(f"{first.provider}/{first.model}")
        typed = command(f"prices set {named} {rates} --from {first.first_at[:10]}")
        lines.append(f"Set one:  {typed}")
    if any(each.priceable_calls for each in models):
        lines.append(f"Show them:  {command('rerate')}     Correct them:  {command('rerate --apply')}")
    return "\n".join(lines)


def _asked(leaf: str) -> str:
    return {"input_uncached": "input", "output_text": "output"}.get(leaf, leaf)
