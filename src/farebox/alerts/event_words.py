"""What an event says in one line: what happened, and how much. Keys of providers are short fingerprints."""

from __future__ import annotations

from farebox.alerts.alert import EVERY_WALLET, Unit
from farebox.alerts.event import AlertEvent
from farebox.money import display_usd, usd_text

KEY = "key"
FINGERPRINT_SHOWN = 8
VALUE_MAX = 200
TITLE_MAX, BASIS_MAX = 250, 300
"""What messages show of a line at most."""
_PPM_PER_PERCENT = 10_000
_MEASURES = {"cost": "spent", "price": "charged", "calls": ""}


def words(event: AlertEvent) -> str:
    """Return the line: `acme-spend for acme: $10.02 spent, threshold $10.00`."""
    whose = f" for {shown_value(event)}" if event.value and not _is_about_value(event) else ""
    happened = _happened(event)
    if event.state == "recovered":
        return f"{event.alert}{whose} recovered: {happened}"
    return f"{event.alert}{whose}: {happened}"


def shown_value(event: AlertEvent) -> str:
    """Return the event's value as it is shown: of a key, the beginning of its fingerprint."""
    value = event.value or ""
    is_key = (event.kind == "new" and event.subject == KEY) or value in event.where.get(KEY, ())
    return value[:FINGERPRINT_SHOWN] if is_key else value[:VALUE_MAX]


def shown_where(event: AlertEvent) -> dict[str, tuple[str, ...]]:
    """Return the filter as it is shown."""
    return {
        name: tuple(each[:FINGERPRINT_SHOWN] if name == KEY else each[:VALUE_MAX] for each in values[:5])
        for name, values in event.where.items()
    }


def amount(figure: int, unit: Unit, currency: str = "USD") -> str:
    """Return a figure for people: `$1.20`, `50 %`, `1,200 tokens`, `1.5 s`."""
    if unit == "pico_usd":
        return display_usd(figure)
    if unit == "pico_currency":
        return f"{usd_text(figure)} {currency}"
    if unit == "ppm":
        return f"{_decimal(figure, _PPM_PER_PERCENT)} %"
    if unit == "us":
        return f"{_decimal(figure, 1_000)} ms" if abs(figure) < 1_000_000 else f"{_decimal(figure, 10**6)} s"
    if unit == "s":
        return duration(figure)
    return f"{figure:,} {unit if figure != 1 else unit[:-1]}"


def exact(figure: int | None, unit: Unit) -> str | None:
    """Return a figure for programs: money as decimal text, anything else as a whole number."""
    if figure is None:
        return None
    return usd_text(figure) if unit in ("pico_usd", "pico_currency") else str(figure)


def exact_unit(event: AlertEvent) -> str:
    """Return what `exact` figures are in."""
    return {"pico_usd": "USD", "pico_currency": event.currency}.get(event.unit, event.unit)


def duration(seconds: int) -> str:
    """Return a span in its largest whole unit: `2 days`, `90 minutes`."""
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size or seconds == size or (seconds >= size and seconds % size == 0):
            number = seconds // size
            return f"{number} {name}{'' if number == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def _is_about_value(event: AlertEvent) -> bool:
    return event.kind in ("new", "unmetered") or (event.kind == "wallet" and event.subject == EVERY_WALLET)


def _happened(event: AlertEvent) -> str:
    least = "at least " if event.is_at_least else ""
    measured = "" if event.measured is None else least + amount(event.measured, event.unit, event.currency)
    threshold = (
        ""
        if event.threshold is None
        else f", threshold {amount(event.threshold, event.unit, event.currency)}"
    )
    value = shown_value(event)
    match event.kind:
        case "spend" | "usage":
            unit = event.subject.replace("_", " ")
            said = f"{measured} {_MEASURES.get(event.subject, f'({unit})')}".rstrip()
            return said + threshold
        case "budget":
            return f"{measured} of budget {event.subject} used{threshold}"
        case "wallet":
            return f"the wallet of {value or event.subject} has {measured} left{threshold}"
        case "rise":
            return f"{event.subject.replace('_', ' ')} rose by {measured}{threshold}"
        case "anomaly":
            return f"unusual {event.subject.replace('_', ' ')} in this hour: {measured}"
        case "new":
            return f"new {event.subject.replace('_', ' ')}: {value}"
        case "unpriced":
            return f"{measured} without a price{threshold}"
        case "prices":
            return "prices are stale" if event.subject == "stale" else "prices changed"
        case "cache_hits":
            return f"cache hits {'fell by' if event.subject == 'fall' else 'at'} {measured}{threshold}"
        case "cache_lifetime":
            return f"the lifetime of cached input shifted by {measured}{threshold}"
        case "retries":
            return f"{measured} of calls are retries{threshold}"
        case "errors":
            return f"{measured} of calls failed{threshold}"
        case "latency":
            return f"{event.subject or 'p95'} latency {measured}{threshold}"
        case "margin":
            return f"margin {measured}{threshold}"
        case "no_data":
            return "calls come again" if event.state == "recovered" else f"no calls for {measured}"
        case "missing":
            return f"{measured} missing from the record"
        case "unmetered":
            is_metered = event.state == "recovered"
            return f"{value} is metered again" if is_metered else f"{value} is not metered for {measured}"


def _decimal(figure: int, per: int) -> str:
    """Return figure ÷ per with at most two decimals, exactly rounded half up."""
    sign = "-" if figure < 0 else ""
    hundredths = (abs(figure) * 200 + per) // (2 * per)
    whole, rest = divmod(hundredths, 100)
    return f"{sign}{whole:,}" + (f".{rest:02d}".rstrip("0") if rest else "")
