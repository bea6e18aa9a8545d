"""OpenMeter, and Kong's Metering & Billing: a batch of CloudEvents.

https://openmeter.io/docs/metering/events/overview and https://openmeter.io/docs/concepts/usage-events:

- POST of `application/cloudevents-batch+json`; 204 says that the events are accepted. They are counted later.
- An event is known by `id` and `source`. How long is the installation's own setting, 32 days in the example
  (https://github.com/openmeterio/openmeter/blob/main/config.example.yaml), and off where nothing is set: say
  `id_memory: 0` then, and a request without a response is not repeated by itself.
- `subject` is the customer. Values may be numbers or text; here they are text.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from farebox.channels.usage.usage_event import UsageEvent, UsageMessage
from farebox.channels.usage.usage_properties import properties, rfc3339
from farebox.outbound.http_post import Response

PATH = "/api/v1/events"
CONTENT_TYPE = "application/cloudevents-batch+json"
SOURCE = "farebox"


def body(events: Sequence[UsageEvent], message: UsageMessage) -> bytes:
    """Return the request of some events."""
    return msgspec.json.encode(
        [
            {
                "specversion": "1.0",
                "id": each.id,
                "source": SOURCE,
                "type": each.name,
                "subject": each.account,
                "time": rfc3339(each.at_ns),
                "datacontenttype": "application/json",
                "data": properties(each, message),
            }
            for each in events
        ]
    )


def is_duplicate(_response: Response) -> bool:
    """OpenMeter accepts duplicates and does not count them."""
    return False
