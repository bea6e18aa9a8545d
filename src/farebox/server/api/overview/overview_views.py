"""The shapes of what the overview asks besides totals, groups and series."""

from __future__ import annotations

import msgspec

from farebox.server.api.coverage.coverage_views import Coverage
from farebox.server.api.spending.spend_views import Period, Span, Text


class Mover(msgspec.Struct, kw_only=True):
    """One value of the dimensions asked for, now and in the span before."""

    keys: dict[str, str | None]
    cost_pico: Text
    cost_usd: Text
    calls: int
    before_pico: Text
    before_usd: Text
    before_calls: int
    change_pico: Text
    change_usd: Text
    complete: bool
    """Every call of both spans has a price."""


class Movers(msgspec.Struct, kw_only=True):
    """`GET /api/v1/movers`, what changed most first. The changes and the rest's add up to the total's."""

    span: Span
    previous: Span
    by: list[str]
    movers: list[Mover]
    rest_groups: int
    """How many values changed besides."""
    rest_change_pico: Text
    rest_change_usd: Text
    total_change_pico: Text
    total_change_usd: Text
    coverage: Coverage


class HeatMap(msgspec.Struct, kw_only=True):
    """`GET /api/v1/heat-map`: a week of 168 hours, from Monday 00:00 on, over the whole span."""

    span: Span
    cost_pico: list[Text]
    calls: list[int]
    unpriced_calls: list[int]
    coverage: Coverage


class Projection(msgspec.Struct, kw_only=True):
    """`GET /api/v1/projection`: what this month comes to; at least that while `complete` is false."""

    month: Span
    spent: Period
    before: Period
    """The whole month before."""
    complete: bool
    days_used: int
    """Whole days that it goes by."""
    days_left: int
    """Days of the month after today."""
    by_weekday: bool
    """Each weekday goes by the same weekdays before."""
    likely_pico: Text | None
    """None where there are too few days to go by."""
    likely_usd: Text | None
    low_pico: Text | None
    low_usd: Text | None
    high_pico: Text | None
    high_usd: Text | None
