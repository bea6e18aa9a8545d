"""What many customers of one plan used in a period, and what each of the plan's charges takes of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from farebox.billing.usage.questions import Span, Usage
from farebox.charges.models import Percentage
from farebox.charges.plan import Charge
from farebox.charges.usage.cells import Cell, DistinctCell, OutcomeCell
from farebox.charges.usage.consumption import (
    DISTINCT_METERS,
    OUTCOME_METERS,
    Bucket,
    Consumption,
    CustomerUsage,
    consume,
    dimensions_of,
    meant_calls,
)

_Cells = dict[str, dict[Bucket | None, list[Cell]]]


def consumed(usage: Usage, charges: Sequence[Charge], span: Span) -> dict[str, Consumption]:
    """Return for each customer of a span what each charge takes, and what none does.

    One grouped question for each length of bucket among the charges, one or two for each charge on a
    distinct count; all customers at once.
    """
    return {customer: consume(charges, used) for customer, used in plan_usage(usage, charges, span).items()}


def plan_usage(usage: Usage, charges: Sequence[Charge], span: Span) -> dict[str, CustomerUsage]:
    """Return the usage of each customer of a span as `consume` needs it; customers without any, too."""
    on_outcomes = [charge for charge in charges if charge.meter in OUTCOME_METERS]
    on_calls = [charge for charge in charges if charge.meter not in OUTCOME_METERS]
    dims = dimensions_of(charges)
    cells: _Cells = defaultdict(dict)
    for bucket in _buckets(on_calls):
        for cell in usage.cells(span, dims, bucket=bucket):
            cells[cell.customer].setdefault(bucket, []).append(cell)
    dims = dimensions_of(charges, of_outcomes=True)
    outcomes: dict[str, dict[Bucket | None, list[OutcomeCell]]] = defaultdict(dict)
    events = any(isinstance(each.model, Percentage) and each.model.is_per_event for each in on_outcomes)
    for bucket in _buckets(on_outcomes):
        for cell in usage.outcomes(span, dims, bucket=bucket, events=events):
            outcomes[cell.customer].setdefault(bucket, []).append(cell)
    distinct: dict[str, dict[str, list[DistinctCell]]] = defaultdict(dict)
    totals: dict[str, dict[str, int]] = defaultdict(dict)
    for charge in charges:
        if charge.meter in DISTINCT_METERS:
            where, unless = meant_calls(charges, charge)
            for cell in usage.distinct(
                span, charge.meter, where=where, unless=unless, dims=charge.itemize, bucket=charge.bucket
            ):
                distinct[cell.customer].setdefault(charge.name, []).append(cell)
            if charge.itemize and not charge.bucket:
                for cell in usage.distinct(span, charge.meter, where=where, unless=unless):
                    totals[cell.customer][charge.name] = cell.count
    return {
        customer: CustomerUsage(
            cells=cells[customer],
            outcomes=outcomes[customer],
            distinct=distinct[customer],
            distinct_totals=totals[customer],
        )
        for customer in span.customers
    }


def _buckets(charges: Sequence[Charge]) -> list[Bucket | None]:
    return list(dict.fromkeys(charge.bucket for charge in charges)) or [None]
