"""Say what is left of this machine's budgets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from farebox.clock import now_ns
from farebox.errors import UsageError
from farebox.sdk.process_meter import process_meter
from farebox.sdk.statements.events import whose


class BudgetLeft(msgspec.Struct, frozen=True, kw_only=True):
    """One budget at one moment."""

    budget: str
    value: str | None
    """Of a budget with `each`: whose share it is."""
    limit_usd: Decimal
    spent_usd: Decimal
    reserved_usd: Decimal
    """Held for calls in flight."""
    left_usd: Decimal
    """What the next call may cost; less than 0 where more was spent than the limit."""
    resets_at: datetime | None
    """When it begins anew (UTC); None: never, or bit by bit for a rolling window."""


def budget_left(
    name: str | None = None,
    *,
    provider: str = "",
    model: str | None = None,
    customer: object = None,
    user: object = None,
    agent: object = None,
    session: object = None,
    task: object = None,
    project: object = None,
    tags: Mapping[str, object] | None = None,
) -> BudgetLeft | None:
    """Return the budget of which a call like this would have least left; None where no budget covers it.

    What is not given is what the block around says (`attribute`), or this process. `name`: this budget only.

    Raises:
        CountersError: What was spent cannot be read.
        UsageError: Metering is off in this process.
    """
    from farebox.budgets.counters import Counters, account_of
    from farebox.budgets.matching import Matcher, attributes

    meter = process_meter()
    if meter is None:
        raise UsageError("metering is off in this process (FAREBOX_DISABLED), so there are no budgets")
    meter.published.renew()
    names = {
        "customer": customer,
        "user": user,
        "agent": agent,
        "session": session,
        "task": task,
        "project": project,
    }
    of = whose(meter, names, tags)
    asked = attributes(*of, provider=provider, request_model=model)
    matches = [
        match
        for match in Matcher(meter.published.current.limits).judge(asked).budgets
        if name is None or match.budget.name == name
    ]
    if not matches:
        return None
    now = now_ns()
    counters = Counters(meter.home)
    try:
        found = [
            (counters.figures(account, match.budget.limit_pico, now), match, account)
            for match in matches
            for account in [account_of(match.budget, match.value, now)]
        ]
    finally:
        counters.close()
    figures, match, account = min(found, key=lambda each: each[0].left)
    return BudgetLeft(
        budget=match.budget.name,
        value=match.value,
        limit_usd=_usd(figures.limit),
        spent_usd=_usd(figures.spent),
        reserved_usd=_usd(figures.reserved),
        left_usd=_usd(figures.left),
        resets_at=datetime.fromtimestamp(account.end_ns // 10**9, UTC) if account.end_ns else None,
    )


def _usd(pico: int) -> Decimal:
    return Decimal(pico).scaleb(-12)
