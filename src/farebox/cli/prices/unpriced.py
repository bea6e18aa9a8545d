"""`farebox prices unpriced`: models that were called and have no price, and what a price would change."""

from __future__ import annotations

import msgspec

from farebox.analytics.dimensions import UNPRICED
from farebox.cli.access import open_ledger, open_questions
from farebox.cli.exits import ANSWER_IS_NO, OK
from farebox.cli.options import AsJson, Filters, PeriodFlags, Place, selection_of
from farebox.cli.prices.opening import open_book
from farebox.cli.reports import json_shapes
from farebox.cli.screen import Column, clean, count, table
from farebox.ledger.corrections.unpriced_models import Unpriced, unpriced_models
from farebox.money import display_usd
from farebox.program import command


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
    with open_questions(home) as questions:
        models = unpriced_models(reader.export(questions.every_call(which)), book)
    if as_json:
        json_shapes.print_json(UnpricedAnswer(models=models))
    else:
        print(render(models))
    return ANSWER_IS_NO if any(each.calls > each.without_usage for each in models) else OK


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
