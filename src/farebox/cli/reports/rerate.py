"""`farebox rerate`: show what calls cost at today's prices, and on request correct them in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from farebox.cli.access import open_ledger, open_questions
from farebox.cli.exits import OK, UNAVAILABLE, say
from farebox.cli.options import AsJson, Filters, PeriodFlags, Place, selection_of
from farebox.cli.reports import json_shapes
from farebox.cli.reports.json_shapes import PeriodAnswer, period_answer
from farebox.cli.screen import BOLD, Column, clean, count, paint, table
from farebox.ledger.corrections.rerate_differences import Difference, Differences
from farebox.money import display_usd
from farebox.program import command

if TYPE_CHECKING:
    from farebox.analytics.questions import Selection
    from farebox.home import Home
    from farebox.pricing.book import PriceBook

APPLY_SECONDS = 600.0


class RerateAnswer(msgspec.Struct, kw_only=True):
    """`farebox rerate --json`."""

    schema: str = "farebox.rerate/1"
    period: PeriodAnswer
    applied: bool
    """Whether the ledger has the corrections; false for a preview."""
    request: str | None
    """The request's id, as in each call's `corrections`."""
    snapshot: str
    """The digest of the prices."""
    calls: int
    models: list[Difference]


def rerate(
    *,
    place: Place | None = None,
    period: PeriodFlags | None = None,
    filters: Filters | None = None,
    priced_too: Annotated[
        bool, Parameter(name="--all", negative="", help="Also calls that already have a price.")
    ] = False,
    apply: Annotated[bool, Parameter(negative="", help="Write the corrections to the ledger.")] = False,
    as_json: AsJson = False,
) -> int:
    """Show what calls without a price cost at the prices in force, and with `--apply` correct them.

    Rows are never edited: a correction is two more rows, and keeps the figures before it. Where it
    changes an invoice that is final, the next invoice has the difference.
    """
    from farebox.ledger.corrections.rerate_command import preview, request
    from farebox.pricing import load_book

    chosen = place or Place()
    home, _ = open_ledger(chosen)
    config = chosen.configuration(home)
    book = load_book(
        config.pricing,
        home.cache,
        contracts=config.contracts,
        directory=config.directory_pricing,
        state=home.path,
    )
    span = (period or PeriodFlags()).period()
    seqs = _selected(home, selection_of(span, filters), priced_too=priced_too)
    found = Differences()
    for changed in preview(home, seqs, book, priced_too=priced_too, config=config):
        found.add(changed)
    outcome = None
    if apply and found.seqs:
        outcome = request(
            home, config, found.seqs, book.digest, priced_too=priced_too, timeout_s=APPLY_SECONDS
        )
    answer = RerateAnswer(
        period=period_answer(span),
        applied=outcome is not None and outcome.applied and outcome.corrected > 0,
        request=outcome.request if outcome is not None else None,
        snapshot=book.digest,
        calls=outcome.corrected if outcome is not None else len(found.seqs),
        models=sorted(found.models.values(), key=lambda each: -abs(each.cost_after_pico)),
    )
    if as_json:
        json_shapes.print_json(answer)
    else:
        print(render(answer, priced_too=priced_too))
    if outcome is None or answer.applied:
        return OK
    if not outcome.applied:
        say(f"the ledger process has not finished; it will. The request is {outcome.request}.")
    else:
        say("nothing was changed: the ledger process uses other prices. Does it read another farebox.yaml?")
    return UNAVAILABLE


def render(answer: RerateAnswer, *, priced_too: bool) -> str:
    """Return the difference by model, and what to type to apply it."""
    lines: list[str] = []
    if answer.models:
        columns = [
            Column("model", width_max=60),
            Column("calls", right=True),
            Column("cost now", right=True),
            Column("re-rated", right=True),
            Column("why", drop=1, width_max=100),
        ]
        cells = [
            [
                f"{each.provider}/{each.model or '–'}",
                f"{each.calls:,}",
                _bounded(each.cost_before_pico, each.unpriced_before),
                _bounded(each.cost_after_pico, each.unpriced_after),
                "; ".join(clean(why) for why in each.why),
            ]
            for each in answer.models
        ]
        lines.append(table(columns, cells))
        before = sum(each.cost_before_pico for each in answer.models)
        after = sum(each.cost_after_pico for each in answer.models)
        total = f"{display_usd(before)} → {display_usd(after)} in {count(answer.calls, 'call')}"
        lines.append(paint(total, BOLD))
    else:
        lines.append("No call would cost anything else by the prices in force.")
    if answer.applied:
        lines.append(f"Corrected; each call's receipt shows it. The request is {answer.request}.")
    elif answer.models and answer.request is None:
        more = " --all" if priced_too else ""
        lines.append(f"Nothing was changed yet. To apply it: the same command with{more} --apply")
    return "\n".join(lines)


def _bounded(pico: int, unpriced: int) -> str:
    return f"≥ {display_usd(pico)}" if unpriced else display_usd(pico)


WOULD_MAX = 20_000


def would_rerate(home: Home, book: PriceBook) -> str | None:
    """Return in a sentence what re-rating would do, None for nothing; looks at the first 20,000 calls."""
    from farebox.analytics.questions import Selection
    from farebox.ledger.corrections.rerate_command import preview

    found = Differences()
    for changed in preview(home, _selected(home, Selection(), priced_too=False), book, priced_too=False):
        found.add(changed)
        if len(found.seqs) >= WOULD_MAX:
            break
    if not found.seqs:
        return None
    after = sum(each.cost_after_pico for each in found.models.values())
    more = " or more" if len(found.seqs) >= WOULD_MAX else ""
    return (
        f"{count(len(found.seqs), 'call')}{more} without a price would cost {display_usd(after)} by it. "
        f"{command('rerate')} shows them, {command('rerate --apply')} corrects them."
    )


def _selected(home: Home, narrowed: Selection, *, priced_too: bool) -> list[int]:
    """Return the numbers of the calls to look at, oldest first."""
    if not priced_too:
        where = {"cost_state": ["unpriced"], **narrowed.where}
        narrowed = msgspec.structs.replace(narrowed, where=where)
    with open_questions(home) as questions:
        return list(questions.every_call(narrowed))
