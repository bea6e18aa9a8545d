"""Write an alert as its reader takes it: for JSON, and for changes that leave the rest as it was."""

from __future__ import annotations

from typing import Any

from farebox.alerts.alert import MONEY_MEASURES, Alert, Sensitivity, counts_down, unit
from farebox.alerts.kinds import FORMS, TRUE
from farebox.alerts.written_values import SENSITIVITIES, factor_text, latency_text, percent_text, span_text
from farebox.budgets.written_values import period_text
from farebox.money import usd_text


def plain(alert: Alert) -> dict[str, Any]:
    """Return an alert as it would be written, every setting with its value: for JSON and for changes."""
    form = FORMS[alert.kind]
    said: dict[str, Any] = {"name": alert.name}
    said[alert.kind] = span_text(alert.over_s) if form.open == "span" else alert.subject or TRUE
    if form.threshold is not None:
        said[form.names[0]] = [amount_written(each, unit(alert)) for each in in_order_passed(alert)] or None
    written: dict[str, Any] = {
        "where": {name: list(values) for name, values in alert.where.items()},
        "each": alert.each,
        "period": period_text(alert.period) if alert.period is not None else None,
        "timezone": alert.timezone,
        "every": None if alert.every is None else amount_written(alert.every, unit(alert)),
        "sensitivity": _sensitivity_written(alert.sensitivity),
        "calls_min": str(alert.least),
        "amount_min": _amount_min_written(alert),
    }
    said |= {key: written[key] for key in form.keys}
    if form.over is not None and form.open != "span" and alert.over_s:
        said["over"] = span_text(alert.over_s)
    return said | {"to": list(alert.to), "severity": alert.severity}


def _sensitivity_written(said: Sensitivity) -> str | dict[str, str]:
    for word, each in SENSITIVITIES.items():
        if each == said:
            return word
    return {"deviations": str(said.deviations), "factor": factor_text(said.factor_ppm)}


def _amount_min_written(alert: Alert) -> str | None:
    if not alert.amount_min:
        return None
    return amount_written(alert.amount_min, "pico_usd" if alert.subject in MONEY_MEASURES else "tokens")


def threshold_text(alert: Alert, threshold: int) -> str:
    """Return a threshold as it is written."""
    return amount_written(threshold, unit(alert))


def amount_written(figure: int, unit: str) -> str:
    """Return a figure in its unit as definitions write it: `100`, `50%`, `10s`."""
    if unit in ("pico_usd", "pico_currency"):
        return usd_text(figure)
    if unit == "ppm":
        return percent_text(figure)
    return latency_text(figure) if unit == "us" else str(figure)


def in_order_passed(alert: Alert) -> tuple[int, ...]:
    """Return the thresholds in the order in which they are passed."""
    return alert.at[::-1] if counts_down(alert) else alert.at
