"""Percentage: a rate on amounts of money, as of outcomes with a value."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class Percentage(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="model", tag="percentage"
):
    """`rate_percent` of each event's amount and a fixed amount an event, after what is free."""

    rate_percent: Decimal
    fixed_per_event: Decimal = Decimal(0)
    free_events: int | None = None
    free_amount: Decimal | None = None
    event_minimum: Decimal | None = None
    event_maximum: Decimal | None = None
