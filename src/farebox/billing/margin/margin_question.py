"""Margins of a period, asked of the record: revenue by the one rating, cost by the same cells of usage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from fractions import Fraction

import msgspec
from msgspec.structs import replace

from farebox.billing.documents.document import InvoiceLine
from farebox.billing.margin.attributed_revenue import OUTCOME, attributed, itemized
from farebox.billing.margin.margin import By, Earning, Margin, Spending, margins
from farebox.billing.margin.outcome_cost import TASK, cost_by_outcome
from farebox.billing.periods.terms import Terms
from farebox.billing.rated_periods import RatedPeriods, cells_of, outcomes_of
from farebox.billing.usage.questions import AsOf, Usage
from farebox.charges.usage.cells import Cell


class MarginsOfPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """What is earned in billing periods that begin in `[since, until)`, in each customer's zone."""

    since: date
    until: date
    by: By
    as_of_seq: int
    margins: tuple[Margin, ...]
    """The lowest first; what belongs to no value last."""


def margins_of(periods: RatedPeriods, usage: Usage, since: date, until: date, by: By) -> MarginsOfPeriod:
    """Return revenue, cost and margin of each customer, agent, model or outcome.

    Periods that run are taken as far as they are. Adjustments of earlier periods are in those periods.
    """
    as_of = usage.as_of()
    terms = periods.terms(since, until)
    lines = periods.lines(terms, usage, as_of)
    earnings = [_earned(each, of_it) for each, of_it in zip(terms, lines, strict=True)]
    if by != "customer":
        split = periods.lines([_itemized(each, by) for each in terms], usage, as_of)
        earnings = [
            part
            for each, all_of_it, of_it in zip(terms, earnings, split, strict=True)
            for part in _parts(each, all_of_it, of_it, by)
        ]
    return MarginsOfPeriod(
        since=since,
        until=until,
        by=by,
        as_of_seq=as_of.seq,
        margins=tuple(margins(earnings, _spendings(terms, usage, as_of, by))),
    )


def _earned(terms: Terms, lines: Sequence[InvoiceLine]) -> Earning:
    """Return what a customer is charged before tax, as the invoice rounds it."""
    minor = sum(line.amount_minor for line in lines)
    return Earning(
        value=terms.customer,
        usd=_usd(terms, Fraction(minor, 10**terms.exponent)),
        unpriced_calls=sum(line.unpriced_calls for line in lines),
    )


def _parts(terms: Terms, whole: Earning, lines: Sequence[InvoiceLine], by: By) -> Iterable[Earning]:
    left = whole.usd
    for value, amount in attributed(lines, by).items():
        usd = _usd(terms, amount)
        left = None if left is None or usd is None else left - usd
        yield Earning(value=value, usd=usd, unpriced_calls=whole.unpriced_calls)
    if left != 0:
        yield Earning(value=None, usd=left)


def _spendings(terms: Sequence[Terms], usage: Usage, as_of: AsOf, by: By) -> list[Spending]:
    if by == OUTCOME:
        return cost_by_outcome(
            cells_of(terms, usage, as_of, (TASK,)), outcomes_of(terms, usage, as_of, (TASK,))
        )
    dims = () if by == "customer" else (by,)
    return [
        Spending(
            value=cell.customer if by == "customer" else cell.dims.get(by, ""),
            cost_pico=cell.cost_pico,
            calls=cell.calls,
            unpriced_calls=cell.unpriced_calls,
            estimated_calls=cell.estimated_calls,
        )
        for cell in _by_value(cells_of(terms, usage, as_of, dims))
    ]


def _by_value(cells: Iterable[Cell]) -> Iterable[Cell]:
    return (cell for cell in cells if cell.calls or cell.cost_pico)


def _itemized(terms: Terms, by: By) -> Terms:
    segments = tuple(replace(each, plan=itemized(each.plan, by)) for each in terms.segments)
    return replace(terms, segments=segments)


def _usd(terms: Terms, amount: Fraction) -> Fraction | None:
    """Return an amount in US dollars; None where no plan of the period has a rate.

    By the rate for costs that is in force where the first part of the period with one begins.
    """
    if terms.currency == "USD" or not amount:
        return amount
    for each in terms.segments:
        rates = [rate.rate for rate in each.dollar_rates if rate.from_ns <= each.from_ns]
        if rates:
            return amount / Fraction(rates[-1])
    return None
