"""`farebox margin`: revenue, provider cost and what is left of it, by customer, agent, model or outcome."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated

from cyclopts import Parameter

from farebox.billing.margin.margin import By
from farebox.cli.exits import OK, say
from farebox.cli.options import AsJson, PeriodFlags, Place
from farebox.cli.periods import days_of
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import BOLD, Column, clean, count, paint, table
from farebox.clock import now_ns
from farebox.errors import UsageError
from farebox.server.api.billing.margin_views import MarginRow, Margins, margins_view, read_percent

_NOBODY = {"customer": "no customer", "agent": "no agent", "model": "no model", "outcome": "no outcome"}
_OF_NONE = "base fees, minimums, discounts, rounding"


def margin(
    *,
    by: Annotated[By, Parameter(help="What to group by.")] = "customer",
    below: Annotated[
        str | None, Parameter(help="Only what has a margin below this percentage of its revenue: 20%.")
    ] = None,
    place: Place | None = None,
    period: PeriodFlags | None = None,
    as_json: AsJson = False,
) -> int:
    """Show what customers are charged, what providers charge for it, and the margin between.

    Of the billing periods that begin in the period, this month's unless `--since` says otherwise, running
    ones as far as they are. Revenue is before tax, rated now as an invoice would be; nothing is written.
    """
    from farebox.billing.margin.margin_question import margins_of
    from farebox.billing.rated_periods import periods_of
    from farebox.cli.invoices.invoice_issue import billing_desk

    threshold = _threshold(below)
    now = now_ns()
    since, until = days_of((period or PeriodFlags()).period("month", now), now)
    with billing_desk(place or Place()) as desk:
        answer = margins_view(margins_of(periods_of(desk, now), desk.usage, since, until, by), threshold)
    if as_json:
        print_json(answer)
    else:
        print(render(answer))
        if answer.total.unpriced_calls:
            bound = "revenue is at least, and margins may be more or less than what is shown"
            if not answer.total.revenue_unpriced_calls:
                bound = "margins are at most what is shown"
            say(f"{count(answer.total.unpriced_calls, 'call')} unpriced: {bound}")
        if answer.total.revenue_usd is None:
            say(
                "no rate: revenue in another currency counts in dollars by its plan's rates; write into it "
                f'what a dollar is, and from when, as in usd_rates: {{{since}: "0.92"}}'
            )
    return OK


_NOTHING = "Nobody has a plan or has used anything in these periods."


def render(answer: Margins) -> str:
    """Return margins as the terminal shows them."""
    head = f"Billing periods that begin from {answer.since} to before {answer.until}"
    if answer.below_percent is not None:
        head += f", margins below {answer.below_percent} %"
    if not answer.rows:
        none = "No margin is below that." if answer.below_percent is not None else _NOTHING
        return f"{head}\n{none}"
    columns = [
        Column(answer.by, width_max=60, width_min=16),
        Column("calls", right=True, drop=1),
        Column("revenue", right=True),
        Column("cost", right=True),
        Column("margin", right=True),
        Column("%", right=True),
    ]
    rows = [_cells(row, answer.by) for row in answer.rows]
    whole = answer.total
    total = (
        f"In all {_revenue(whole)} revenue, {_cost(whole)} cost, {_margin(whole)} margin"
        f"{f' ({whole.margin_percent} %)' if whole.margin_percent is not None else ''}"
    )
    return f"{head}\n{table(columns, rows)}\n{paint(total, BOLD)}"


def _cells(row: MarginRow, by: str) -> list[str]:
    name = _OF_NONE if row.value is None else row.value or _NOBODY[by]
    percent = "" if row.margin_percent is None else row.margin_percent
    return [clean(name), f"{row.calls:,}", _revenue(row), _cost(row), _margin(row), percent]


def _revenue(row: MarginRow) -> str:
    is_floor = row.revenue_unpriced_calls and row.revenue_usd is not None
    return f"{'≥ ' if is_floor else ''}{_money(row.revenue_usd)}"


def _cost(row: MarginRow) -> str:
    return f"{'≥ ' if row.unpriced_calls else ''}{_money(row.cost_usd)}"


def _margin(row: MarginRow) -> str:
    if row.margin_usd is None or not row.unpriced_calls:
        return _money(row.margin_usd)
    return f"{'~' if row.revenue_unpriced_calls else '≤'} {_money(row.margin_usd)}"


def _money(usd: str | None) -> str:
    """Return decimal dollars as cents, or as they are where they are less than a cent."""
    from farebox.money import display_usd, pico_from_usd

    return "no rate" if usd is None else display_usd(pico_from_usd(usd))


def _threshold(text: str | None) -> Fraction | None:
    if text is None:
        return None
    try:
        return read_percent(text)
    except ValueError as error:
        raise UsageError(f"--below {text!r} is not {error}") from None
