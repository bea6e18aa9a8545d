"""Rate past periods twice, as they are and as they would have been, and compare. Nothing is saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import msgspec
from msgspec.structs import replace

from farebox.billing.documents.document import InvoiceLine
from farebox.billing.periods.terms import Terms
from farebox.billing.rated_periods import RatedPeriods, cells_of
from farebox.billing.simulation.difference import (
    CurrencyTotal,
    CustomerDifference,
    RatedCustomer,
    differences,
    totals,
)
from farebox.billing.usage.questions import AsOf, Usage

UsageOf = Callable[[Sequence[Terms], AsOf], Usage]
"""The usage that there would have been in some periods."""


class Simulation(msgspec.Struct, frozen=True, kw_only=True):
    """What would have changed in billing periods that begin in `[since, until)`, in each customer's zone."""

    since: date
    until: date
    as_of_seq: int
    customers: tuple[CustomerDifference, ...]
    totals: tuple[CurrencyTotal, ...]
    cost_before_pico: int
    cost_after_pico: int


def simulated(
    periods: RatedPeriods,
    usage: Usage,
    since: date,
    until: date,
    *,
    other: RatedPeriods | None = None,
    other_usage: UsageOf | None = None,
) -> Simulation:
    """Return what other terms, or other usage, would have changed; with neither, nothing changes.

    Before and after are asked as of the same row of the record, by the rating that makes invoices.
    """
    as_of = usage.as_of()
    terms = periods.terms(since, until)
    rating = other or periods
    then = terms if other is None else other.terms(since, until)
    with ThreadPoolExecutor(1) as beside:  # calls are rated again in other processes meanwhile
        using = None if other_usage is None else beside.submit(other_usage, [*terms, *then], as_of)
        before = _rated(terms, periods.lines(terms, usage, as_of), usage, as_of)
        used = usage if using is None else using.result()
    after = _rated(then, rating.lines(then, used, as_of), used, as_of)
    found = differences(before, after)
    return Simulation(
        since=since,
        until=until,
        as_of_seq=as_of.seq,
        customers=tuple(found),
        totals=tuple(totals(found)),
        cost_before_pico=sum(each.cost_before_pico for each in found),
        cost_after_pico=sum(each.cost_after_pico for each in found),
    )


def _rated(
    terms: Sequence[Terms], lines: Sequence[tuple[InvoiceLine, ...]], usage: Usage, as_of: AsOf
) -> list[RatedCustomer]:
    rated: dict[str, RatedCustomer] = {}
    for each, of_it in zip(terms, lines, strict=True):
        had = rated.get(each.customer)
        rated[each.customer] = RatedCustomer(
            customer=each.customer,
            currency=each.currency,
            exponent=each.exponent,
            lines=of_it if had is None else (*had.lines, *of_it),
        )
    for cell in cells_of(terms, usage, as_of, ()):
        had = rated[cell.customer]
        rated[cell.customer] = replace(
            had,
            cost_pico=had.cost_pico + cell.cost_pico,
            unpriced_calls=had.unpriced_calls + cell.unpriced_calls,
        )
    return list(rated.values())
