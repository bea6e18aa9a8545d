"""Stripe: a billing meter event.

https://docs.stripe.com/api/billing/meter-event/create and
https://docs.stripe.com/billing/subscriptions/usage-based/recording-usage-api:

- One event a request, form-encoded; `payload[value]` is a whole number as text. Negative ones are taken
  off; a cycle that is below zero in all is billed as zero.
- `identifier` (100 characters at most) is unique within a rolling period of at least 24 hours. A second one
  is answered 400 "An event already exists with identifier …"
  (https://github.com/langfuse/langfuse/pull/16292): then Stripe has the event.
- `timestamp` is within the past 35 calendar days and at most 5 minutes ahead.
- 1,000 requests a second, and one at a time for a customer and meter; events are sent one after another.

An event can be cancelled for 24 hours (https://docs.stripe.com/api/billing/meter-event-adjustment/create).
What the record takes back is sent as an event below zero instead: that works after 24 hours, too, and in
parts. No `Idempotency-Key` is sent: Stripe would repeat the response of the first request with it, a status
500 included (https://docs.stripe.com/api/idempotent_requests)."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from farebox.channels.usage.usage_event import UsageEvent, UsageMessage, single, value_text
from farebox.outbound.http_post import Response

PATH = "/v1/billing/meter_events"
CONTENT_TYPE = "application/x-www-form-urlencoded"


def body(events: Sequence[UsageEvent], _message: UsageMessage) -> bytes:
    """Return the request of one event; of none, a request that only a valid key gets an answer to."""
    fields: dict[str, str] = {}
    for event in events:
        fields = {
            "event_name": event.name,
            "identifier": event.id,
            "timestamp": str(event.at_ns // 10**9),
            "payload[stripe_customer_id]": event.account,
            "payload[value]": value_text(*single(event)),
        }
        if event.model:
            fields["payload[model]"] = event.model
    return urlencode(fields).encode()


def is_duplicate(response: Response) -> bool:
    """Return whether a refused event is one that Stripe has."""
    return response.status == 400 and "already exists with identifier" in response.excerpt
