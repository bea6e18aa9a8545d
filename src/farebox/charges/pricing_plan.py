"""The plan of customers without a subscription: what `pricing:` of the home's file charged for each call.

It is stored nowhere and has no version. Calls are charged cost × markup as they are recorded; this plan adds
up what they were charged, a line for each model.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from farebox.charges.models import CostPlus
from farebox.charges.plan import Charge, Customer, Plan, Subscription
from farebox.charges.usage.consumption import CALLS_CHARGE

PRICING = Plan(
    name="pricing",
    charges=(Charge(name="Usage", meter=CALLS_CHARGE, model=CostPlus(), itemize=("model",)),),
)
"""Monthly. Charges on cost have a line for each model, and without a markup cost what they count."""


def subscription_to_pricing(
    customer: Customer, added_ns: int, subscriptions: Iterable[Subscription]
) -> Subscription | None:
    """Return the time in which a customer is billed by `pricing:`, None where there is none.

    It begins with the month in which the customer was added, so that older usage is never invoiced by
    surprise, and ends for good where the first of `subscriptions` (removed ones, too) starts.
    """
    added = datetime.fromtimestamp(added_ns // 10**9, UTC).astimezone(ZoneInfo(customer.timezone)).date()
    start = added.replace(day=1)
    until = min((each.start for each in subscriptions), default=None)
    if until is not None and until <= start:
        return None
    return Subscription(
        id=f"{customer.id}/{PRICING.name}",
        customer=customer.id,
        plan=PRICING.name,
        version=PRICING.version,
        start=start,
        until=until,
    )


def is_by_pricing(plan: Plan) -> bool:
    """Return whether this is the plan of `pricing:`, not one that somebody wrote and called so."""
    return (plan.name, plan.version) == (PRICING.name, PRICING.version)
