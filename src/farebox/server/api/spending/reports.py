"""Combine questions into the responses of API v1. Runs in the thread that asks them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple, Protocol

import msgspec

from farebox.analytics.dimensions import SUMS, TAG, is_tag
from farebox.analytics.query import Answer, Bucket, Measures, Point, Question
from farebox.analytics.questions import Questions, difference
from farebox.analytics.questions import Selection as Calls
from farebox.clock import iso
from farebox.ledger.cache_savings import SAVINGS
from farebox.money import usd_text
from farebox.server.api.errors import ApiError
from farebox.server.api.filters import Selection, previous_window
from farebox.server.api.queries import Reader, Sources
from farebox.server.api.spending import spend_views as views
from farebox.time_expressions import ns_of

SECOND = 10**9
BUCKETS_MAX = 1500
LINES_MAX = 6
VALUES_MAX = 10_000
"""How many values of a dimension are searched."""
BUCKETS: tuple[Bucket, ...] = ("minute", "hour", "day")
_DRAWN = ("calls", "unpriced_calls", "cost_pico")
"""What a chart shows: over many calls each further sum takes as long as these."""


class Cover(Protocol):
    """Tells what the sums over a half-open span do not cover."""

    def __call__(
        self, reader: Reader, since_ns: int | None = None, until_ns: int | None = None, /
    ) -> views.Coverage: ...


def span_of(selection: Selection) -> views.Span:
    window = selection.window
    since = None if window.since_ns is None else iso(window.since_ns)
    return views.Span(since=since, until=iso(window.until_ns), tz=selection.tz)


def summary(sources: Sources, selection: Selection, now_ns: int, cover: Cover) -> views.Summary:
    previous = previous_window(selection)
    (now_row,), (before_row,) = (
        answer.rows
        for answer in sources.questions.answers(
            selection.asked.question(measures=[*SUMS, *SAVINGS]),
            (selection.asked if previous is None else selection.calls(*previous)).question(),
        )
    )
    totals, before = (
        Measures(**{name: value or 0 for name, value in zip(SUMS, row.values, strict=False)})
        for row in (now_row, before_row)
    )
    saved, unknown = now_row.values[len(SUMS) :]
    covered = cover(sources.reader, selection.window.since_ns, selection.window.until_ns)
    return views.Summary(
        span=span_of(selection),
        sums=views.sums(totals, covered),
        cache=views.CacheSavings(
            saved_pico=str(saved or 0), saved_usd=usd_text(saved or 0), unknown_calls=unknown or 0
        ),
        previous=None
        if previous is None
        else views.Period(
            span=views.Span(since=iso(previous[0]), until=iso(previous[1]), tz=selection.tz),
            sums=views.sums(before, cover(sources.reader, *previous)),
        ),
        cost_change_percent=None
        if previous is None
        else views.change_percent(totals.cost_pico, before.cost_pico),
        calls_change_percent=None if previous is None else views.change_percent(totals.calls, before.calls),
        coverage=covered,
        now=figures_now(sources, selection, now_ns, cover),
    )


class Spans(NamedTuple):
    """The spans of the header's figures.

    They begin with a whole minute, or second, so that the figures can be kept up without asking again.
    """

    today: tuple[int, int]
    yesterday_so_far: tuple[int, int]
    last_hour: tuple[int, int]
    last_minute: tuple[int, int]


def spans_now(selection: Selection, now_ns: int) -> Spans:
    """Return the spans of the header's figures at a moment."""
    local = datetime.fromtimestamp(now_ns // SECOND, selection.zone)
    midnight = local.replace(hour=0, minute=0, second=0)
    end = now_ns + 1
    day_before = ns_of(local.replace(second=0) - timedelta(days=1))
    hour_before, minute_before = end - 3600 * SECOND, end - 60 * SECOND
    return Spans(
        (ns_of(midnight), end),
        (ns_of(midnight - timedelta(days=1)), day_before),
        (hour_before - hour_before % (60 * SECOND), end),
        (minute_before - minute_before % SECOND, end),
    )


def figures_now(sources: Sources, selection: Selection, now_ns: int, cover: Cover) -> views.Now:
    """Return spend today, in the last hour and in the last minute."""
    spans = spans_now(selection, now_ns)
    seq, measures = sources.questions.covered_totals(*(selection.calls(*span) for span in spans))
    return now_view(measures, cover(sources.reader, *spans.today), now_ns, seq)


def now_view(measures: Sequence[Measures], covered: views.Coverage, now_ns: int, seq: int) -> views.Now:
    """Return the header's figures, given the sums of `Spans`."""
    today, yesterday, hour, minute = measures
    return views.Now(
        today=views.sums(today, covered),
        yesterday_so_far=views.sums(yesterday, covered),
        today_change_percent=views.change_percent(today.cost_pico, yesterday.cost_pico),
        last_hour=views.sums(hour, covered),
        last_minute=views.sums(minute, covered),
        at=iso(now_ns),
        last_seq=seq,
    )


class BreakdownPage(NamedTuple):
    """Some of a breakdown's groups."""

    shown: views.Breakdown
    as_of_seq: int
    """The newest row of the record that is in it."""
    has_more: bool


def breakdown(
    sources: Sources,
    selection: Selection,
    by: list[str],
    limit: int,
    cover: Cover,
    skipped: int = 0,
    as_of_seq: int | None = None,
) -> BreakdownPage:
    """Return at most `limit` groups after so many, of the record as it was then; the rest is all others."""
    asked = msgspec.structs.replace(selection.asked, as_of_seq=as_of_seq)
    found = sources.questions.breakdown(asked, by, limit=skipped + limit)
    groups = found.groups[skipped:]
    covered = cover(sources.reader, selection.window.since_ns, selection.window.until_ns)
    others = found.rest_groups + len(found.groups) - len(groups)
    shown = views.Breakdown(
        span=span_of(selection),
        by=by,
        groups=[
            views.BreakdownRow(
                keys=group.keys,
                sums=views.sums(group.measures, covered),
                cost_share_permille=_permille(group.measures.cost_pico, found.total.cost_pico),
            )
            for group in groups
        ],
        rest=views.sums(difference(found.total, groups), covered) if others else None,
        rest_groups=others,
        total=views.sums(found.total, covered),
        coverage=covered,
    )
    return BreakdownPage(shown, found.seq if as_of_seq is None else as_of_seq, found.rest_groups > 0)


def values(
    questions: Questions,
    selection: Selection,
    dimensions: Sequence[str],
    contains: str,
    limit: int,
    key_labels: Mapping[str, str],
    *,
    with_tags: bool = False,
) -> views.Values:
    """Return the values of each dimension that contain a text, at most `limit` of each, and as many of tags.

    A dimension's own filter does not narrow its values: they are what it could be changed to.
    """
    wanted = contains.strip().casefold()
    found: list[views.Value] = []
    truncated = False
    for dimension, answer in zip(dimensions, _value_counts(questions, selection, dimensions), strict=True):
        fitting: list[views.Value] = []
        for row in answer.rows:
            value = row.keys[0] or ""
            label = key_labels.get(value) if dimension == "key" else None
            if wanted in (value or "none").casefold() or (label and wanted in label.casefold()):
                fitting.append(
                    views.Value(dimension=dimension, value=value, label=label, calls=row.values[0] or 0)
                )
        truncated = truncated or len(fitting) > limit or answer.groups > VALUES_MAX
        found += fitting[:limit]
    if with_tags:
        others = {name: values for name, values in selection.where.items() if not is_tag(name)}
        narrowed = msgspec.structs.replace(selection.asked, where=others)
        tags = questions.tags(narrowed, contains.strip(), limit + 1)
        truncated = truncated or len(tags) > limit
        found += [
            views.Value(dimension=f"{TAG}{each.name}", value=each.value, label=None, calls=each.calls)
            for each in tags[:limit]
        ]
    return views.Values(values=found, truncated=truncated)


def _value_counts(questions: Questions, selection: Selection, dimensions: Sequence[str]) -> list[Answer]:
    asked: list[Question] = []
    for dimension in dimensions:
        others = {name: values for name, values in selection.where.items() if name != dimension}
        narrowed = msgspec.structs.replace(selection.asked, where=others)
        asked.append(narrowed.question(by=[dimension], measures=["calls"], order="calls", limit=VALUES_MAX))
    return questions.answers(*asked)


def _permille(part: int, whole: int) -> int:
    return 0 if whole <= 0 else part * 1000 // whole


def series(
    sources: Sources, selection: Selection, bucket: Bucket, by: str | None, now_ns: int, cover: Cover
) -> views.Series:
    questions = sources.questions
    window, asked, tz = selection.window, selection.asked, selection.tz
    if window.since_ns is not None:
        _check_size(window.until_ns - window.since_ns, bucket)
    lined = None if by is None else _top_lines(questions, asked, bucket, tz, by)
    points = questions.series(asked, bucket, tz, measures=_DRAWN)  # last: what comes meanwhile is in the rest
    first = window.since_ns
    if first is None:
        first = min((point.start_ns for point in points), default=window.until_ns)
        _check_size(window.until_ns - first, bucket)
    starts = bucket_starts(first, window.until_ns, bucket, selection.zone)
    lines, total, unpriced = _fold(points, starts, by, lined)
    return views.Series(
        span=span_of(selection),
        bucket=bucket,
        by=by,
        starts=[iso(start) for start in starts],
        starts_ms=[start // 10**6 for start in starts],
        partial=bool(starts) and next_start(starts[-1], bucket, selection.zone) > now_ns,
        lines=lines,
        total=total,
        unpriced_calls=unpriced,
        coverage=cover(sources.reader, window.since_ns, window.until_ns),
    )


class _Lined(NamedTuple):
    """The most expensive keys in order, their points, and whether there are more keys."""

    keys: list[str | None]
    points: list[Point]
    is_all: bool


def _top_lines(questions: Questions, asked: Calls, bucket: Bucket, tz: str, by: str) -> _Lined:
    """Ask only for the keys that get a line of their own: the points of all of them can be 100,000."""
    (found,) = questions.answers(asked.question(by=[by], measures=("cost_pico",), limit=LINES_MAX))
    keys = [row.keys[0] for row in found.rows]
    points: list[Point] = []
    if keys:
        among = asked
        if not (by == "model" and asked.families):  # where a model in the filter stands for several
            where = {**asked.where, by: [key or "" for key in keys]}
            among = msgspec.structs.replace(asked, where=where)
        points = questions.series(among, bucket, tz, by, measures=_DRAWN)
    return _Lined(keys, points, found.groups == len(keys))


def _check_size(length_ns: int, bucket: str) -> None:
    seconds = {"minute": 60, "hour": 3600, "day": 86400}
    fitting = [name for name in BUCKETS if length_ns <= seconds[name] * SECOND * BUCKETS_MAX]
    if bucket not in fitting:
        raise ApiError(
            422,
            "too_many_buckets",
            f"That span has more than {BUCKETS_MAX} buckets of one {bucket}.",
            {"parameter": "bucket", "allowed": fitting},
        )


def bucket_starts(since_ns: int, until_ns: int, bucket: str, zone: tzinfo) -> list[int]:
    """Return the starts of the zone's buckets that touch `[since, until)`."""
    local = datetime.fromtimestamp(since_ns // SECOND, zone).replace(second=0)
    if bucket != "minute":
        local = local.replace(minute=0)
    if bucket == "day":
        local = local.replace(hour=0)
    starts: list[int] = []
    start = ns_of(local)
    while start < until_ns:
        starts.append(start)
        start = next_start(start, bucket, zone)
    return starts


def next_start(start_ns: int, bucket: str, zone: tzinfo) -> int:
    """Return where the bucket after this one starts; a day can have 23 or 25 hours."""
    if bucket == "minute":
        return start_ns + 60 * SECOND
    if bucket == "hour":
        return start_ns + 3600 * SECOND
    return ns_of(datetime.fromtimestamp(start_ns // SECOND, zone) + timedelta(days=1))


def _fold(
    points: Sequence[Point], starts: list[int], by: str | None, lined: _Lined | None
) -> tuple[list[views.Line], views.Line, list[int]]:
    """Add points up bucket by bucket: a line for each of the most expensive keys, one for the rest."""
    width = len(starts)
    cost, calls, unpriced = [0] * width, [0] * width, [0] * width
    for point in points if width else ():
        index = max(bisect_right(starts, point.start_ns) - 1, 0)
        cost[index] += point.measures.cost_pico
        calls[index] += point.measures.calls
        unpriced[index] += point.measures.unpriced_calls
    total = _line(None, [cost, calls])
    if by is None or lined is None:
        return [], total, unpriced
    cost_of = {key: [0] * width for key in lined.keys}
    calls_of = {key: [0] * width for key in lined.keys}
    for point in lined.points if width else ():
        key = point.keys.get(by)
        if key in cost_of:
            index = max(bisect_right(starts, point.start_ns) - 1, 0)
            cost_of[key][index] += point.measures.cost_pico
            calls_of[key][index] += point.measures.calls
    lines = [_line(key, [cost_of[key], calls_of[key]]) for key in lined.keys]
    if not lined.is_all:
        shown = [_columns(cost_of.values(), width), _columns(calls_of.values(), width)]
        rest = [
            [a - b for a, b in zip(*pair, strict=True)] for pair in zip([cost, calls], shown, strict=True)
        ]
        lines.append(_line(None, rest, is_rest=True))
    return lines, total, unpriced


def _columns(rows: Iterable[list[int]], width: int) -> list[int]:
    columns = [0] * width
    for row in rows:
        for index, value in enumerate(row):
            columns[index] += value
    return columns


def _line(key: str | None, values: list[list[int]], *, is_rest: bool = False) -> views.Line:
    cost, calls = values
    return views.Line(key=key, is_rest=is_rest, cost_pico=[str(amount) for amount in cost], calls=calls)
