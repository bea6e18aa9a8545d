"""What an alert has to say: that it fires, or that it has recovered."""

from __future__ import annotations

from typing import Literal

import msgspec

from farebox.alerts.alert import Kind, Severity, Unit

State = Literal["firing", "recovered"]


class AlertEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One piece of news, kept in `alert_event` as JSON. Moments are nanoseconds since 1970."""

    id: str
    """Made of alert, value, window, threshold, round and state, so that whoever evaluates again finds the
    same one."""
    alert: str
    kind: Kind
    subject: str = ""
    """As the alert's."""
    severity: Severity
    state: State
    value: str | None = None
    """Of the alert's `each`; of `new` what is new, of `unmetered` the client, of a wallet the customer."""
    threshold: int | None = None
    measured: int | None = None
    unit: Unit
    """Of both."""
    currency: str = "USD"
    """Of `pico_currency`."""
    is_at_least: bool = False
    """Calls without a price, or that are missing, are in it: the figure is a lower bound."""
    basis: str = ""
    """What it is compared with, in words: "median $1.20 an hour over 5 Mondays, 14:00-15:00"."""
    since_ns: int
    """When it began to hold."""
    at_ns: int
    """When it was found."""
    seq: int
    """The newest row that was known."""
    from_ns: int
    until_ns: int
    """Which calls explain it."""
    where: dict[str, tuple[str, ...]] = {}
    """The alert's, with the value of `each` in it."""
    to: tuple[str, ...] = ()
    """As the alert's."""
    condition: str = ""
    """The same for a firing and its recovery, in whatever period; keyed, as the id is."""
    ends: str = ""
    """Of a recovery: the firing that is over."""
