"""The shapes of API v1's responses about spend.

Every amount is text, pico-dollars as a whole number and US dollars as a decimal, because a
JavaScript number loses digits past 2⁵³. These structs are the API's schema: the dashboard's
TypeScript types are generated from them.
"""

from __future__ import annotations

import msgspec

from farebox.analytics.query import Measures
from farebox.money import usd_text
from farebox.server.api.coverage.coverage_views import Coverage

Text = str
"""A whole number or a decimal as text."""


class Sums(msgspec.Struct, kw_only=True):
    """Sums over some calls. The cost is a lower bound while `complete` is false."""

    complete: bool
    """Every call has a price and none is known to be missing."""

    calls: int
    errors: int
    unpriced_calls: int
    estimated_calls: int
    cost_pico: Text
    cost_usd: Text
    charge_pico: Text
    charge_usd: Text
    input_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int
    output_tokens: int
    reasoning_output_tokens: int
    priced_percent: Text
    """Share of calls whose cost is known, one decimal, rounded down: `99.9` is not all."""
    average_pico: Text | None
    """Cost of a call whose cost is known; None where there is none."""
    average_usd: Text | None


def sums(measures: Measures, covered: Coverage) -> Sums:
    known = measures.calls - measures.unpriced_calls
    average = measures.cost_pico // known if known > 0 else None
    return Sums(
        complete=covered.complete and measures.unpriced_calls == 0,
        calls=measures.calls,
        errors=measures.errors,
        unpriced_calls=measures.unpriced_calls,
        estimated_calls=measures.estimated_calls,
        cost_pico=str(measures.cost_pico),
        cost_usd=usd_text(measures.cost_pico),
        charge_pico=str(measures.charge_pico),
        charge_usd=usd_text(measures.charge_pico),
        input_tokens=measures.input_tokens,
        cache_read_input_tokens=measures.cache_read_input_tokens,
        cache_creation_input_tokens=measures.cache_creation_input_tokens,
        output_tokens=measures.output_tokens,
        reasoning_output_tokens=measures.reasoning_output_tokens,
        priced_percent=_percent(known, measures.calls),
        average_pico=None if average is None else str(average),
        average_usd=None if average is None else usd_text(average),
    )


def _percent(part: int, whole: int) -> Text:
    permille = 1000 if whole == 0 else part * 1000 // whole
    return f"{permille // 10}.{permille % 10}"


def change_percent(now: int, before: int) -> Text | None:
    """Return the change in percent with one decimal, None where there was nothing before."""
    if before <= 0:
        return None
    permille = ((now - before) * 2000 + before) // (2 * before)
    sign = "-" if permille < 0 else "+"
    return f"{sign}{abs(permille) // 10}.{abs(permille) % 10}"


class Span(msgspec.Struct, kw_only=True):
    """A half-open span of time; `since` is None where it reaches to the beginning."""

    since: str | None
    until: str
    tz: str


class Period(msgspec.Struct, kw_only=True):
    """A span and what happened in it."""

    span: Span
    sums: Sums


class Now(msgspec.Struct, kw_only=True):
    """The figures of the header, whatever span is being looked at."""

    today: Sums
    yesterday_so_far: Sums
    """Yesterday until the same minute."""
    today_change_percent: Text | None
    last_hour: Sums
    """The hour before `at`, from a whole minute on."""
    last_minute: Sums
    """The 60 seconds before `at`, from a whole second on: spend a minute, now."""
    at: str
    last_seq: int


class CacheSavings(msgspec.Struct, kw_only=True):
    """What cached input cost less than uncached input would have, by list price; writing it counts."""

    saved_pico: Text
    saved_usd: Text
    unknown_calls: int
    """Calls in which part of that is not known: they are not in it."""


class Summary(msgspec.Struct, kw_only=True):
    """`GET /api/v1/summary`."""

    span: Span
    sums: Sums
    cache: CacheSavings
    previous: Period | None
    cost_change_percent: Text | None
    calls_change_percent: Text | None
    coverage: Coverage
    now: Now


class BreakdownRow(msgspec.Struct, kw_only=True):
    """One value of the dimensions asked for; None stands for calls without one."""

    keys: dict[str, str | None]
    sums: Sums
    cost_share_permille: int


class Breakdown(msgspec.Struct, kw_only=True):
    """`GET /api/v1/breakdown`. `groups` and `rest` add up to `total`."""

    span: Span
    by: list[str]
    groups: list[BreakdownRow]
    rest: Sums | None
    rest_groups: int
    """How many groups the rest consists of."""
    total: Sums
    coverage: Coverage


class Value(msgspec.Struct, kw_only=True):
    """A value that was seen; the empty text is "none"."""

    dimension: str
    value: str
    label: str | None
    """The name of an API key, where it has one."""
    calls: int


class Values(msgspec.Struct, kw_only=True):
    """`GET /api/v1/values`: what there is to filter by, most calls first in each dimension."""

    values: list[Value]
    truncated: bool
    """Whether a dimension has more values that fit than are listed."""


class Line(msgspec.Struct, kw_only=True):
    """One key's values, bucket by bucket."""

    key: str | None
    is_rest: bool
    """Whether this is everything that has no line of its own."""
    cost_pico: list[Text]
    calls: list[int]


class Series(msgspec.Struct, kw_only=True):
    """`GET /api/v1/series`. Buckets without calls are there, with zeros."""

    span: Span
    bucket: str
    by: str | None
    starts: list[str]
    starts_ms: list[int]
    """The same starts in milliseconds since 1970."""
    partial: bool
    """Whether the last bucket has not ended yet."""
    lines: list[Line]
    """The lines add up to `total`, bucket by bucket."""
    total: Line
    unpriced_calls: list[int]
    coverage: Coverage
