"""PagerDuty, by the Events API v2: https://developer.pagerduty.com/docs/events-api-v2-overview.

An incident is about one alert, so each has a request of its own: `trigger` when it fires, `resolve` when it
recovers, under the same `dedup_key`, which makes one that is sent twice the same one. A test opens an
incident and resolves it at once.
"""

from __future__ import annotations

from typing import Any

import msgspec

from farebox.channels.cut_text import cut
from farebox.channels.news import AlertItem, alert_news, is_test, lines, news_of
from farebox.channels.request import JSON_HEADERS, Post, Sending

SUMMARY_MAX, DEDUP_MAX, BODY_BYTES_MAX = 1024, 255, 512 << 10
"""https://developer.pagerduty.com/docs/send-alert-event."""
SOURCE = "farebox"


def posts(sending: Sending) -> list[Post]:
    """Return a request for each alert of a message, in order; a message about something else is an event."""
    alerts = alert_news(sending.payload)
    if alerts is None:
        found = [_other(sending)]
        if is_test(sending.payload):
            found.append(_resolved(sending, found[0]["dedup_key"]))
    else:
        found = [_event(sending, item, alerts.link) for item in alerts.alerts]
    return [Post(sending.to, JSON_HEADERS, msgspec.json.encode(each)) for each in found]


def _event(sending: Sending, item: AlertItem, link: str | None) -> dict[str, Any]:
    key = cut(f"farebox:{item.condition or item.id}", DEDUP_MAX)
    if item.state == "recovered":
        return _resolved(sending, key)
    details: dict[str, Any] = {
        "alert": cut(item.alert, SUMMARY_MAX),
        "kind": item.kind,
        "measured": item.measured,
        "threshold": item.threshold,
        "unit": item.unit,
        "at_least": item.at_least,
        "text": lines(item),
    }
    event: dict[str, Any] = {
        "routing_key": sending.secret,
        "event_action": "trigger",
        "dedup_key": key,
        "payload": {
            "summary": cut(item.title, SUMMARY_MAX),
            "source": SOURCE,
            "severity": item.severity,
            "timestamp": item.since,
            "class": item.kind,
            "component": cut(item.alert, SUMMARY_MAX),
            "custom_details": {name: value for name, value in details.items() if value not in (None, "")},
        },
        "client": "Farebox",
    }
    where = item.link or link
    if where:
        event["client_url"] = where
        event["links"] = [{"href": where, "text": "Open in Farebox"}]
    return event


def _resolved(sending: Sending, key: str) -> dict[str, Any]:
    return {"routing_key": sending.secret, "event_action": "resolve", "dedup_key": key}


def _other(sending: Sending) -> dict[str, Any]:
    news = news_of(sending.payload)
    return {
        "routing_key": sending.secret,
        "event_action": "trigger",
        "dedup_key": f"farebox:{sending.message}",
        "payload": {
            "summary": cut(news.title, SUMMARY_MAX),
            "source": SOURCE,
            "severity": news.severity,
            "timestamp": news.occurred_at,
            "custom_details": {"text": [each for entry in news.entries for each in entry.lines]},
        },
        "client": "Farebox",
    }
