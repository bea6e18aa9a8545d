"""A period's days on the customer's calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from farebox.billing.periods.terms import Terms


def first_day(terms: Terms) -> date:
    """Return the first local day of a period."""
    return local_day(terms.from_ns, terms.timezone)


def last_day_after(terms: Terms) -> date:
    """Return the first local day after a period."""
    return local_day(terms.until_ns, terms.timezone)


def local_day(moment_ns: int, zone: str) -> date:
    """Return the date at a moment in a zone."""
    return datetime.fromtimestamp(moment_ns // 10**9, UTC).astimezone(ZoneInfo(zone)).date()
