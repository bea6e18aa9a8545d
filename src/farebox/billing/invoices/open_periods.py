"""The periods of a customer that no final invoice has billed, and when there is something to bill in one."""

from __future__ import annotations

from collections.abc import Sequence

from farebox.billing.invoices.account import Account
from farebox.billing.invoices.drafting import Draft
from farebox.billing.invoices.earlier_invoices import unbilled
from farebox.billing.periods.schedule import (
    Subscribed,
    closing_period,
    current_periods,
    ended_periods,
)
from farebox.billing.periods.terms import Terms
from farebox.charges.plan_reader.written_values import day_start_ns

_HOUR_NS = 3_600 * 10**9


def open_periods(account: Account, on: Sequence[Subscribed], now_ns: int) -> list[Terms]:
    """Return the ended periods that have no final invoice, the oldest first.

    A customer who is on no plan any more has one after them, for what is still to come: add-ons, what the
    record learns of earlier periods, what was carried.
    """
    final = {(each.invoice.from_ns, each.invoice.until_ns) for each in account.billed}
    waiting = unbilled(ended_periods(account.customer, on, now_ns, final), account.past)
    if _is_on_a_plan(account, on, now_ns):
        return waiting
    done = [*(until for _, until in final), *(each.until_ns for each in waiting)]
    closing = closing_period(account.customer, max(done, default=0), now_ns)
    if closing is None or (closing.from_ns, closing.until_ns) in final:
        return waiting
    return [*waiting, closing]


def _is_on_a_plan(account: Account, on: Sequence[Subscribed], now_ns: int) -> bool:
    """Tell whether a period of the customer's runs, or will."""
    zone = account.customer.timezone
    to_come = any(day_start_ns(said.start, zone) > now_ns for said, _ in on)
    return to_come or bool(current_periods(account.customer, on, now_ns))


def is_nothing(draft: Draft) -> bool:
    """Return whether a period without a plan has nothing to bill."""
    return not draft.terms.segments and all(line.kind == "carried" for line in draft.invoice.lines)


def is_over(draft: Draft, now_ns: int) -> bool:
    """Return whether a period and its grace period have ended."""
    return now_ns >= draft.invoice.until_ns + draft.terms.grace_hours * _HOUR_NS


def has_nothing_to_bill(draft: Draft) -> bool:
    """Return whether a period needs no invoice: no line but what is carried in and out again.

    One whose charges carry units over is invoiced even so: the next period starts from it.
    """
    if any(line.kind != "carried" for line in draft.invoice.lines) or draft.invoice.total_minor:
        return False
    return not any(
        charge.rollover_percent is not None
        for segment in draft.terms.segments
        for charge in segment.plan.charges
    )
