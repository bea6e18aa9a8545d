"""`farebox simulate`: what past billing periods would have come to by other plans, prices or models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from farebox.cli.exits import OK
from farebox.cli.options import AsJson, PeriodFlags, Place
from farebox.cli.periods import days_of
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import BOLD, Column, clean, count, paint, table
from farebox.clock import now_ns
from farebox.server.api.billing.simulation_views import BillingSimulation, SimulatedCustomer, simulation_view

_CHARGES_SHOWN = 3


def simulate(
    *,
    plans: Annotated[
        Path | None, Parameter(help="A file with `plans:`, each in the place of the plan of its name.")
    ] = None,
    prices: Annotated[
        Path | None, Parameter(help="A file with `pricing:` or `contracts:`, in the place of those in force.")
    ] = None,
    model: Annotated[
        list[str] | None,
        Parameter(help="Another model in the place of one: gpt-4o=gpt-4o-mini. Repeatable.", negative=""),
    ] = None,
    place: Place | None = None,
    period: PeriodFlags | None = None,
    as_json: AsJson = False,
) -> int:
    """Show what each customer would have paid, and who pays more or less. Nothing is saved.

    Of the billing periods that begin in the period: last month's unless `--since` says otherwise. With
    none of `--plans`, `--prices` and `--model` it shows what was charged, twice.
    """
    from farebox.billing.rated_periods import periods_of
    from farebox.billing.simulation.changes import read_changes, read_file
    from farebox.billing.simulation.simulation import simulated
    from farebox.cli.invoices.invoice_issue import billing_desk

    chosen = place or Place()
    flags = period or PeriodFlags()
    if flags.since is None and flags.until is None:
        flags = PeriodFlags(since="prev-month", until="month", tz=flags.tz)
    now = now_ns()
    since, until = days_of(flags.period("prev-month"), now)
    with billing_desk(chosen) as desk:
        changes = read_changes(
            desk.home,
            chosen.configuration(desk.home),
            plans=None if plans is None else read_file(plans),
            prices=None if prices is None else read_file(prices),
            models=model or (),
        )
        periods = periods_of(desk, now)
        found = simulated(
            periods,
            desk.usage,
            since,
            until,
            other=changes.periods(periods),
            other_usage=changes.usage(desk.home, desk.usage),
        )
        answer = simulation_view(found, list(changes.said), list(changes.statements))
    if as_json:
        print_json(answer)
    else:
        print(render(answer))
    return OK


def render(answer: BillingSimulation) -> str:
    """Return a simulation as the terminal shows it."""
    lines = [f"Billing periods that begin from {answer.since} to before {answer.until}", *answer.changes]
    if not answer.customers:
        return "\n".join([*lines, "No customer has a plan in these periods."])
    columns = [
        Column("customer", width_max=50, width_min=12),
        Column("before", right=True),
        Column("after", right=True),
        Column("difference", right=True),
        Column("%", right=True),
        Column("because of", drop=1, width_max=400, width_min=20),
    ]
    lines.append(table(columns, [_cells(each) for each in answer.customers]))
    for total in answer.totals:
        before = _bounded(f"{total.currency} {total.before}", total.unpriced_before)
        after = _bounded(total.after, total.unpriced_after)
        said = f"{before} → {after} ({_signed(total.difference)}): "
        said += f"{count(total.pay_more, 'customer')} would have paid more, {total.pay_less} less, "
        lines.append(paint(f"{said}{total.pay_the_same} the same", BOLD))
    unpriced = [
        sum(each.unpriced_before for each in answer.totals),
        sum(each.unpriced_after for each in answer.totals),
    ]
    costs = [f"${answer.cost_before_usd}", f"${answer.cost_after_usd}"]
    lines.append(f"Provider cost {' → '.join(map(_bounded, costs, unpriced))}")
    if any(unpriced):
        lines.append(
            f"Without a price: {count(unpriced[0], 'call')} before, {count(unpriced[1], 'call')} after; "
            "differences may be smaller than they look."
        )
    return "\n".join([*lines, *answer.statements, "Nothing was saved."])


def _cells(each: SimulatedCustomer) -> list[str]:
    because = [
        f"{charge.charge} {charge.before} → {charge.after}" for charge in each.charges[:_CHARGES_SHOWN]
    ]
    if len(each.charges) > _CHARGES_SHOWN:
        because.append("…")
    return [
        clean(each.customer),
        _bounded(f"{each.currency} {each.before}", each.unpriced_before),
        _bounded(f"{each.currency} {each.after}", each.unpriced_after),
        _signed(each.difference),
        each.percent or "",
        clean("; ".join(because)),
    ]


def _bounded(text: str, unpriced: int) -> str:
    return f"≥ {text}" if unpriced else text


def _signed(text: str) -> str:
    is_nothing = not text.strip("-0.")
    return text if text.startswith("-") or is_nothing else f"+{text}"
