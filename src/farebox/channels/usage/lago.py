"""Lago: a batch of events, each of one billable metric.

https://getlago.com/docs/api-reference/events/batch and https://getlago.com/docs/guide/events/ingesting-usage:

- Up to 100 events a request. One that is not valid has the whole request refused with 422, a
  `transaction_id` that is known already included ("value_already_exist"): such a request is sent again in
  halves.
- `transaction_id` is unique for ever. With the ClickHouse pipeline `transaction_id` and `timestamp`
  together are, and a second event replaces the first: an event keeps its timestamp at every attempt.
- `timestamp` is in seconds. No age is refused; what is of a period that was invoiced is not invoiced any
  more unless `max_age` says to date it anew.
- The metric reads the property `value`; numbers are text, so that no digit is lost."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from farebox.channels.usage.usage_event import UsageEvent, UsageMessage, single, value_text
from farebox.outbound.http_post import Response

PATH = "/api/v1/events/batch"
CONTENT_TYPE = "application/json"


def body(events: Sequence[UsageEvent], _message: UsageMessage) -> bytes:
    """Return the request of some events."""
    return msgspec.json.encode({"events": [_event(each) for each in events]})


def _event(event: UsageEvent) -> dict[str, object]:
    return {
        "transaction_id": event.id,
        "external_subscription_id": event.account,
        "code": event.name,
        "timestamp": event.at_ns // 10**9,
        "properties": {
            "value": value_text(*single(event)),
            "provider": event.provider,
            "model": event.model,
        },
    }


def is_duplicate(response: Response) -> bool:
    """Return whether a refused event is one that Lago has."""
    return response.status == 422 and "value_already_exist" in response.excerpt
