"""Thresholds on what a period has come to: spend, usage, a budget, a margin.

Passed where previous < threshold ≤ current. Sums can fall again, by a correction or a volume tier: then what
lies above them recovers, and fires anew when it is passed again.
"""

from __future__ import annotations

from collections.abc import Collection

from farebox.alerts.alert import Alert, measure_unit
from farebox.alerts.evaluation.finding import Finding
from farebox.alerts.evaluation.transitions import Rule
from farebox.budgets.periods import Window
from farebox.charges.amounts.thresholds import crossed
from farebox.money import display_usd

STEPS_AT_ONCE = 20
"""Of a repeating step that one change passes many times, the highest ones are told."""
_MARGIN_SWING_PPM = 10_000
"""A margin has recovered a percentage point above its threshold."""
_MILLION = 1_000_000


def lowest_amount(rule: Rule) -> int | None:
    """Return the amount of a period from which on there can be news of it; None where that is not said."""
    alert = rule.alert
    first = alert.at[0] if alert.at else alert.every
    is_sum = alert.kind in ("spend", "usage", "budget")
    return reached_at(first, rule.limit) if is_sum and first is not None else None


def reached_at(threshold: int, limit: int | None) -> int:
    """Return the amount that reaches a threshold: of a budget, which is a share of its limit."""
    return threshold if limit is None else -(-threshold * limit // _MILLION)


def find_sum(alert: Alert, amount: int, unpriced: int, window: Window, firing: Collection[int]) -> Finding:
    """Return what a sum of `spend` or `usage` has reached. `firing`: what fires in this period."""
    reached = _reached(alert, amount, firing)
    return Finding(
        measured=amount,
        reached=reached,
        kept=(),
        from_ns=window.start_ns,
        until_ns=window.end_ns or 0,
        basis=_basis_of(alert, amount, unpriced),
        is_at_least=unpriced > 0,
        window_ns=window.start_ns if _is_fixed(alert) else 0,
        window_end_ns=window.end_ns if _is_fixed(alert) else None,
    )


def find_budget(
    rule: Rule, known: int, still_open: int, unpriced: int, window: Window, *, is_fixed: bool
) -> Finding:
    """Return which shares of its limit a budget has used, as it counts by which calls are refused.

    `still_open`: by how much calls whose cost is not known may come to more than is `known`.
    """
    limit = rule.limit or 0
    amount = known + still_open
    reached = tuple(each for each in rule.alert.at if amount * _MILLION >= each * limit)
    share = amount * _MILLION // limit if limit else 0
    return Finding(
        measured=share,
        reached=reached,
        kept=(),
        from_ns=window.start_ns,
        until_ns=window.end_ns or 0,
        basis=f"{display_usd(amount)} of {display_usd(limit)}{_left_open(still_open)}",
        is_at_least=unpriced > 0 and not still_open,
        window_ns=window.start_ns if is_fixed else 0,
        window_end_ns=window.end_ns if is_fixed else None,
    )


def _left_open(amount: int) -> str:
    return f", {display_usd(amount)} of it the most that calls without a known cost can be" if amount else ""


def find_margin(
    alert: Alert, cost: int, charge: int, calls: int, unpriced: int, window: Window
) -> Finding | None:
    """Return which margins a period is below; None where nothing was charged, or too few calls say so."""
    if charge <= 0 or calls < max(alert.least, 1):
        return None
    margin = (charge - cost) * _MILLION // charge
    return Finding(
        measured=margin,
        reached=tuple(each for each in alert.at if margin < each),
        kept=tuple(each for each in alert.at if margin < each + _MARGIN_SWING_PPM),
        from_ns=window.start_ns,
        until_ns=window.end_ns or 0,
        basis=f"{display_usd(charge)} charged, {display_usd(cost)} paid, for {calls:,} calls",
        is_at_least=unpriced > 0,
        window_ns=window.start_ns if _is_fixed(alert) else 0,
        window_end_ns=window.end_ns if _is_fixed(alert) else None,
    )


def _is_fixed(alert: Alert) -> bool:
    return alert.period is not None and alert.period.kind != "rolling"


def _reached(alert: Alert, amount: int, firing: Collection[int]) -> tuple[int, ...]:
    once = tuple(each for each in alert.at if each <= amount)
    if alert.every is None:
        return once
    base = alert.at[-1] if alert.at else 0
    highest = max((each for each in firing if each >= base), default=base)
    # Steps below those that are told at once are passed as well, and nobody has to hear of each.
    first = max(highest, amount - (STEPS_AT_ONCE + 1) * alert.every)
    steps = crossed(alert.at, first, amount, recurring_step=alert.every)
    found = {int(each) for each in steps[-STEPS_AT_ONCE:] if each > base}
    return tuple(sorted({*once, *found, *(each for each in firing if each <= amount)}))


def _basis_of(alert: Alert, amount: int, unpriced: int) -> str:
    unit = measure_unit(alert.subject)
    subject = "call" if (alert.subject, amount) == ("calls", 1) else alert.subject.replace("_", " ")
    said = display_usd(amount) if unit == "pico_usd" else f"{amount:,} {subject}"
    calls = "call has" if unpriced == 1 else "calls have"
    return f"{said}; {unpriced:,} {calls} no cost yet" if unpriced > 0 else said
