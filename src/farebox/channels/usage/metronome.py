"""Metronome: events are ingested.

https://docs.metronome.com/guides/events/send-usage-events and
https://docs.metronome.com/api-reference/usage/ingest-events:

- Up to 100 events a request, a JSON array.
- A `transaction_id` is known for 34 days: events with the same one are ignored, and answered as if they
  were taken.
- `timestamp` may be 34 days in the past and 24 hours ahead.
- `customer_id` is Metronome's, or an ingest alias: our own name of the customer, say.
- Values of `properties` are text, so that no digit is lost."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from farebox.channels.usage.usage_event import UsageEvent, UsageMessage
from farebox.channels.usage.usage_properties import properties, rfc3339
from farebox.outbound.http_post import Response

PATH = "/ingest"
CONTENT_TYPE = "application/json"


def body(events: Sequence[UsageEvent], message: UsageMessage) -> bytes:
    """Return the request of some events."""
    return msgspec.json.encode(
        [
            {
                "transaction_id": each.id,
                "customer_id": each.account,
                "event_type": each.name,
                "timestamp": rfc3339(each.at_ns),
                "properties": properties(each, message),
            }
            for each in events
        ]
    )


def is_duplicate(_response: Response) -> bool:
    """Metronome accepts duplicates and does not count them."""
    return False
