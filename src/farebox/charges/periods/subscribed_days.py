"""Which days of a billing period a subscription is charged for: invoices and live charges ask here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from farebox.charges.plan import Subscription


def first_charged_day(said: Subscription, trial_days: int, others: Iterable[Subscription]) -> date:
    """Return the first day that a subscription is charged for: its own first, or the first after the trial.

    The trial is from the beginning of the customer's unbroken time on any plan on: a change of plan brings no
    second one. `others` are the customer's subscriptions.
    """
    if not trial_days:
        return said.start
    began, all_of_them = said.start, list(others)
    while before := [each.start for each in all_of_them if each.until == began and each.start < began]:
        began = min(before)
    return max(said.start, began + timedelta(days=trial_days))
