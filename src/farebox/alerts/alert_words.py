"""What an alert watches, in one line: `spend above $100.00, then every $100.00 a day`."""

from __future__ import annotations

from farebox.alerts.alert import EVERY_WALLET, Alert, unit
from farebox.alerts.event_words import amount, duration
from farebox.alerts.written_alert import in_order_passed
from farebox.budgets.written_values import period_text


def watched_words(alert: Alert) -> str:
    """Return what is news, without whose calls it is about."""
    said = " or ".join(_amount(alert, each) for each in in_order_passed(alert))
    over = f" over {duration(alert.over_s)}" if alert.over_s else ""
    subject = alert.subject.replace("_", " ")
    match alert.kind:
        case "spend" | "usage":
            what = {"cost": "spend", "price": "charges"}.get(alert.subject, subject)
            step = "" if alert.every is None else f"every {_amount(alert, alert.every)}"
            return f"{what} above {', then '.join(each for each in (said, step) if each)} {_period(alert)}"
        case "budget":
            return f"{said} of budget {alert.subject} spent"
        case "wallet":
            whose = "any wallet" if alert.subject == EVERY_WALLET else f"the wallet of {alert.subject}"
            return f"{whose} below {said}"
        case "rise":
            return f"{subject} up by {said}{over}"
        case "anomaly":
            return f"unusual {subject} in an hour"
        case "new":
            return f"a new {subject}"
        case "unpriced":
            return f"calls without a price{over}"
        case "prices":
            return "prices changed" if alert.subject == "changed" else f"prices stale{over}"
        case "cache_hits":
            return f"cache hits {'down by' if alert.subject == 'fall' else 'below'} {said}{over}"
        case "cache_lifetime":
            return f"the lifetime of cached input shifted by {said}{over}"
        case "retries":
            return f"{said} of calls are retries{over}"
        case "errors":
            return f"{said} of calls fail{over}"
        case "latency":
            return f"{alert.subject} latency above {said}{over}"
        case "margin":
            return f"margin below {said} {_period(alert)}"
        case "no_data":
            return f"no call for {duration(alert.over_s)}"
        case "missing":
            return "records missing"
        case "unmetered":
            return f"a client not metered any more{over.replace('over', 'for')}"


def whose_words(alert: Alert) -> str:
    """Return in words which calls an alert is about; nothing where it is about none."""
    if alert.kind in ("budget", "wallet", "prices", "missing", "unmetered"):
        return ""
    said = ", ".join(
        f"{name} {' or '.join(each or '(none)' for each in values)}" for name, values in alert.where.items()
    )
    if alert.each:
        return f"each {alert.each}" + (f" of {said}" if said else "")
    return said or "all calls"


def _amount(alert: Alert, figure: int) -> str:
    if alert.kind == "wallet":  # in its own currency
        return amount(figure, "pico_usd").removeprefix("$")
    return amount(figure, unit(alert))


def _period(alert: Alert) -> str:
    if alert.period is None:
        return ""
    written = period_text(alert.period)
    if written == "ever":
        return "in all"
    return f"in any {written.removeprefix('rolling ')}" if " " in written else f"a {written}"
