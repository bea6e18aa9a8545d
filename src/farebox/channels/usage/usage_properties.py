"""Every quantity of an event as a property of it, for receivers that have no meters."""

from __future__ import annotations

import msgspec

from farebox.channels.usage.usage_event import UsageEvent, UsageMessage, value_text
from farebox.clock import iso


def properties(event: UsageEvent, message: UsageMessage) -> dict[str, str]:
    """Return the properties of an event; numbers as text."""
    found = {
        message.meters.get(quantity, quantity): value_text(quantity, value)
        for quantity, value in event.sums.items()
    }
    return {
        **found,
        "provider": event.provider,
        "model": event.model,
        "usage_from": rfc3339(event.from_ns),
        "usage_until": rfc3339(event.until_ns),
    }


def with_numbers(event: UsageEvent, message: UsageMessage) -> dict[str, object]:
    """Return them with numbers as JSON numbers, digit by digit."""
    names = {message.meters.get(quantity, quantity) for quantity in event.sums}
    return {
        name: msgspec.Raw(text.encode()) if name in names else text
        for name, text in properties(event, message).items()
    }


def rfc3339(at_ns: int) -> str:
    """Return a moment as `2026-11-29T19:00:00.000000Z`."""
    return iso(at_ns)
