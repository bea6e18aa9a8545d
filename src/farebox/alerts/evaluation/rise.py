"""How much more the last span came to than the one before it."""

from __future__ import annotations

from farebox.alerts.alert import Alert, measure_unit
from farebox.alerts.evaluation.finding import Finding, percent, with_hysteresis
from farebox.alerts.evaluation.rates import span_words
from farebox.budgets.periods import Window
from farebox.money import display_usd


def find_rise(
    alert: Alert, amount: int, before: int, calls: int, unpriced: int, span: Window
) -> Finding | None:
    """Return which rises were reached, from `before` to `amount`.

    From nothing there is no rate: it is as if as much as the alert's least amount had been there before.
    """
    base = before or alert.amount_min
    if base <= 0:
        return None
    rise = (amount - base) * 1_000_000 // base
    reached, kept = with_hysteresis(alert.at, rise)
    if calls < max(alert.least, 1) or amount < alert.amount_min:
        reached = ()
    span_said = span_words(alert.over_s)
    return Finding(
        rise,
        reached,
        kept if amount else (),
        span.start_ns,
        span.end_ns or 0,
        f"{_said(alert, amount)} in {span_said}, {_said(alert, before)} in the {span_said} before "
        f"({'+' if rise >= 0 else ''}{percent(rise)})",
        is_at_least=unpriced > 0,
    )


def _said(alert: Alert, amount: int) -> str:
    if measure_unit(alert.subject) == "pico_usd":
        return display_usd(amount)
    return f"{amount:,} {alert.subject.replace('_', ' ')}"
