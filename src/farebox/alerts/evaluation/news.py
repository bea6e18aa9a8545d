"""What was not there before: a model, a key, prices, lost records, a program that is not metered."""

from __future__ import annotations

from farebox.alerts.alert import Alert
from farebox.alerts.evaluation.finding import Finding
from farebox.alerts.evaluation.rates import span_words
from farebox.alerts.event_words import FINGERPRINT_SHOWN, KEY
from farebox.budgets.periods import SECOND_NS
from farebox.clock import iso

NEW_FOR_NS = 24 * 3600 * SECOND_NS
"""What is new is known a day later."""


def find_new(alert: Alert, value: str, calls: int, first_ns: int, now_ns: int) -> Finding:
    """Return that a value came for the first time; not where all its calls turned out to be others'."""
    shown = value[:FINGERPRINT_SHOWN] if alert.subject == KEY else value
    return Finding(
        measured=calls,
        reached=(0,) if calls > 0 else (),
        kept=(),
        from_ns=first_ns,
        until_ns=now_ns,
        basis=f"the first calls with {alert.subject} {shown}",
        since_ns=first_ns,
    )


def find_changed_prices(now_ns: int) -> Finding:
    """Return that prices are other ones than before."""
    return Finding(None, (0,), (), now_ns - NEW_FOR_NS, now_ns, "other prices are in force from now on")


def find_stale_prices(alert: Alert, checked_ns: int, now_ns: int) -> Finding:
    """Return whether prices were looked up too long ago."""
    age_s = max(now_ns - checked_ns, 0) // SECOND_NS
    return Finding(
        measured=age_s,
        reached=(0,) if age_s >= alert.over_s else (),
        kept=(),
        from_ns=checked_ns,
        until_ns=now_ns,
        basis=f"prices were last looked up at {iso(checked_ns)[:16]}Z; news after {span_words(alert.over_s)}",
        since_ns=checked_ns + alert.over_s * SECOND_NS,
    )


def find_missing(alert: Alert, records: int, what: str, now_ns: int) -> Finding:
    """Return whether records are missing from the last day."""
    thresholds = alert.at or (1,)
    reached = tuple(each for each in thresholds if records >= each)
    return Finding(
        measured=records,
        reached=reached if alert.at else (0,) if reached else (),
        kept=(),
        from_ns=now_ns - NEW_FOR_NS,
        until_ns=now_ns,
        basis=what,
        is_at_least=True,
    )


def find_unmetered(alert: Alert, host: str, why: str, since_ns: int, last_ns: int, now_ns: int) -> Finding:
    """Return whether a program has reached a provider past the meter for long enough, and still does."""
    quiet_ns = max(alert.over_s * SECOND_NS, 3600 * SECOND_NS)
    still = now_ns - last_ns < quiet_ns
    passed_s = max(last_ns - since_ns, 0) // SECOND_NS
    return Finding(
        measured=passed_s,
        reached=(0,) if still and passed_s >= alert.over_s else (),
        kept=(0,) if still else (),
        from_ns=since_ns,
        until_ns=now_ns,
        basis=f"connections to {host} are not metered: {why}",
        since_ns=since_ns,
    )
