"""A customer's own usage: questions that are filtered to the customer, as billing filters its own.

Whose a call is, is what the record says of it: the mapping of its day, corrected where it was changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

from farebox.analytics.dimensions import PLAN_MODEL, VERIFIED
from farebox.analytics.query import Row
from farebox.analytics.questions import Selection
from farebox.clock import iso
from farebox.server.portal.portal_views import PortalGroup, PortalPoint, PortalSums, PortalUsage
from farebox.time_expressions import day_start

if TYPE_CHECKING:
    from farebox.billing.invoices.run import Desk

Dimension = Literal["model", "agent", "task", "session"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
"""What customers are told apart by to themselves; nothing else of a call's attribution is shown."""
GROUPS, GROUPS_OVER_TIME = 100, 6
_WEEKS_FROM_NS = 100 * 86_400 * 10**9
_MEASURES = [
    "calls",
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
]


_NOTHING = PortalSums(
    calls=0, input_tokens=0, cache_read_tokens=0, cache_creation_tokens=0, output_tokens=0, reasoning_tokens=0
)


class UsageSpan(NamedTuple):
    """Which calls of a customer are meant."""

    since_ns: int
    until_ns: int
    timezone: str
    invoice: str | None = None
    as_of_seq: int | None = None
    """As of when an invoice was made: then it is what that bills."""


def own_calls(
    customer: str, span: UsageSpan, *, verified: bool, where: dict[Dimension, str] | None = None
) -> Selection:
    """Return a customer's calls of a span; `verified`: those that are proven to be theirs."""
    more = {column_of(name): [value] for name, value in (where or {}).items()}
    proven = {VERIFIED: ["true"]} if verified else {}
    return Selection(
        since_ns=span.since_ns,
        until_ns=span.until_ns,
        where={**more, **proven, "customer": [customer]},
        as_of_seq=span.as_of_seq,
    )


def column_of(name: Dimension) -> str:
    """Return what the analytics call a dimension: models are those of plans."""
    return PLAN_MODEL if name == "model" else name


def usage_view(desk: Desk, customer: str, span: UsageSpan, by: Dimension) -> PortalUsage:
    """Return the usage of a span by a dimension, and over time."""
    assert desk.questions is not None  # noqa: S101 - the server's desk has some
    calls = own_calls(customer, span, verified=desk.verified)
    bucket = "week" if span.until_ns - span.since_ns > _WEEKS_FROM_NS else "day"
    column = column_of(by)
    total, grouped, over_time = desk.questions.answers(
        calls.question(measures=_MEASURES, order="calls"),
        calls.question(by=[column], measures=_MEASURES, order="calls", limit=GROUPS),
        calls.question(bucket=bucket, tz=span.timezone, measures=_MEASURES, order="calls"),
    )
    first = [row.keys[0] for row in grouped.rows[:GROUPS_OVER_TIME]]
    points: Sequence[Row] = ()
    if first:
        some = Selection(
            since_ns=calls.since_ns,
            until_ns=calls.until_ns,
            where={**calls.where, column: [value or "" for value in first]},
            as_of_seq=calls.as_of_seq,
        )
        (found,) = desk.questions.answers(
            some.question(by=[column], bucket=bucket, tz=span.timezone, measures=_MEASURES, order="calls")
        )
        points = found.rows
    return PortalUsage(
        by=by,
        since=iso(span.since_ns),
        until=iso(span.until_ns),
        timezone=span.timezone,
        bucket=bucket,
        invoice=span.invoice,
        total=_sums(total.rows[0]),
        groups=[PortalGroup(value=row.keys[0], sums=_sums(row)) for row in grouped.rows],
        more_groups=grouped.groups - len(grouped.rows),
        points=[_point(row, row.keys[0]) for row in points],
        points_of_all=_without_gaps(
            [_point(row, None) for row in over_time.rows], over_time.rows, span, bucket
        ),
    )


def _without_gaps(
    points: list[PortalPoint], rows: Sequence[Row], span: UsageSpan, bucket: str
) -> list[PortalPoint]:
    """Return points with those that have no calls between them: a chart shows time as it passes."""
    if not rows:
        return []
    zone = ZoneInfo(span.timezone)
    known = {point.start: point for point in points}
    first, last = (
        datetime.fromtimestamp((row.start_ns or 0) // 10**9, UTC).astimezone(zone).date()
        for row in (rows[0], rows[-1])
    )
    step = timedelta(days=7 if bucket == "week" else 1)
    found: list[PortalPoint] = []
    while first <= last:
        start = iso(day_start(first, zone))
        found.append(known.pop(start, None) or PortalPoint(start=start, value=None, sums=_NOTHING))
        first += step
    return sorted([*found, *known.values()], key=lambda point: point.start)


def _point(row: Row, value: str | None) -> PortalPoint:
    return PortalPoint(start=iso(row.start_ns or 0), value=value, sums=_sums(row))


def _sums(row: Row) -> PortalSums:
    calls, inputs, read, creation, output, reasoning = (value or 0 for value in row.values)
    return PortalSums(
        calls=calls,
        input_tokens=inputs - read - creation,
        cache_read_tokens=read,
        cache_creation_tokens=creation,
        output_tokens=output,
        reasoning_tokens=reasoning,
    )
