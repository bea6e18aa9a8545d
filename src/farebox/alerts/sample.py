"""A message as an alert's own would be, made up: to see that a channel receives it, and what it looks like.

It says that it is a test wherever a title is shown, and its kind is `alert.test`: it delays no news, and no
program that reads webhooks takes it for some.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec

from farebox.alerts.alert import Alert, counts_down, unit
from farebox.alerts.event import AlertEvent
from farebox.alerts.event_words import TITLE_MAX, words
from farebox.alerts.notification import item_of
from farebox.channels.news import TEST, AlertNews, ChangedGroup, Explanation
from farebox.channels.settings import Form
from farebox.clock import uuid7, uuid_text
from farebox.control.outbox.envelope import Envelope, envelope
from farebox.plain_text import line

PREFIX = "Test"
VALUE = "an-example"
BASIS = "a test: these figures are made up, and no call is behind them"
_SPAN_NS = 3_600 * 10**9
_MEASURED = {
    "pico_usd": 10_020_000_000_000,
    "pico_currency": 10_020_000_000_000,
    "ppm": 500_000,
    "us": 12_000_000,
}
_EXPLANATION = Explanation(
    dimension="model",
    measure="cost",
    before="$1.00",
    after="$10.02",
    groups=(ChangedGroup(value="example-model", before="$0.50", after="$8.02"),),
)


def sample(alert: Alert, form: Form, now_ns: int, *, cause: str) -> Envelope:
    """Return a test of an alert for a channel of a form. An incident is resolved by it at once."""
    event = _event(alert, uuid_text(uuid7(now_ns)), now_ns)
    events = [event]
    if form == "pagerduty":  # one request each: what opens an incident, and what closes it
        events.append(msgspec.structs.replace(event, state="recovered", id=f"{event.id}-over"))
    condition = sha256(event.id.encode()).hexdigest()[:32]
    items = [
        msgspec.structs.replace(
            item_of(each), title=_title(each), condition=condition, explanation=_EXPLANATION
        )
        for each in events
    ]
    news = AlertNews(title=items[0].title, severity=alert.severity, count=1, alerts=tuple(items))
    return envelope(TEST, msgspec.to_builtins(news), now_ns, cause=cause)


def _title(event: AlertEvent) -> str:
    return line(f"{PREFIX}: {words(event)}", TITLE_MAX)


def _event(alert: Alert, id: str, now_ns: int) -> AlertEvent:
    threshold = (alert.at[0] if counts_down(alert) else alert.at[-1]) if alert.at else alert.every
    where = {**alert.where, alert.each: (VALUE,)} if alert.each else alert.where
    has_value = bool(alert.each) or alert.kind in ("new", "unmetered", "wallet")
    return AlertEvent(
        id=id,
        alert=alert.name,
        kind=alert.kind,
        subject=alert.subject,
        severity=alert.severity,
        state="firing",
        value=VALUE if has_value else None,
        threshold=threshold,
        measured=_MEASURED.get(unit(alert), 1_000) if threshold is None else threshold,
        unit=unit(alert),
        basis=BASIS,
        since_ns=now_ns,
        at_ns=now_ns,
        seq=0,
        from_ns=now_ns - _SPAN_NS,
        until_ns=now_ns,
        where=where,
        to=alert.to,
    )
