"""Orb: events are ingested.

https://docs.withorb.com/api-reference/event/ingest-events, which
https://github.com/orbcorp/orb-python/blob/main/src/orb/resources/events/events.py repeats:

- An `idempotency_key` is ingested at most once. A 4xx says that at least one event is not valid; it can be
  sent again with its key: such a request is sent again in halves. A 5xx is repeated in its entirety.
- `timestamp` is in UTC, at most an hour ahead and not older than the account's grace period (12 hours
  unless Orb set another one: say `max_age`). Of an hour's or a day's usage it is the middle, as Orb
  recommends.
- Properties that are added up are JSON numbers.
- An event can be amended or deprecated (https://docs.withorb.com/api-reference/event/amend-event), and only
  in a period that was not invoiced. What the record takes back is sent as an event below zero instead."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from farebox.channels.usage.usage_event import UsageEvent, UsageMessage
from farebox.channels.usage.usage_properties import rfc3339, with_numbers
from farebox.outbound.http_post import Response

PATH = "/ingest"
CONTENT_TYPE = "application/json"


def body(events: Sequence[UsageEvent], message: UsageMessage) -> bytes:
    """Return the request of some events."""
    return msgspec.json.encode(
        {
            "events": [
                {
                    "idempotency_key": each.id,
                    "external_customer_id": each.account,
                    "event_name": each.name,
                    "timestamp": rfc3339(each.at_ns),
                    "properties": with_numbers(each, message),
                }
                for each in events
            ]
        }
    )


def is_duplicate(_response: Response) -> bool:
    """Orb accepts duplicates and does not count them."""
    return False
