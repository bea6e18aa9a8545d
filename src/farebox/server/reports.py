"""Put ledger queries together into what API v1 answers. Runs in the reader's thread."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple, Protocol

from farebox.clock import iso
from farebox.ledger.rows import Group, Measures, Point
from farebox.moments import ns_of
from farebox.server import views
from farebox.server.errors import ApiError
from farebox.server.filters import Selection, previous_window
from farebox.server.queries import Reader, calls_filter

SECOND = 10**9
BUCKETS_MAX = 1500
LINES_MAX = 6
VALUES_MAX = 10_000
"""As many values as the ledger tells apart in a day."""
BUCKETS = ("minute", "hour", "day")
_UTC_NAMES = frozenset({"UTC", "Etc/UTC", "Etc/GMT", "Zulu", "Etc/Zulu", "Etc/UCT", "UCT"})


class Cover(Protocol):
    """Tells what the sums over a half-open span do not cover."""

    def __call__(
        self, reader: Reader, since_ns: int | None = None, until_ns: int | None = None, /
    ) -> views.Coverage: ...


def span_of(selection: Selection) -> views.Span:
    window = selection.window
    since = None if window.since_ns is None else iso(window.since_ns)
    return views.Span(since=since, until=iso(window.until_ns), tz=selection.tz)


def summary(reader: Reader, selection: Selection, now_ns: int, cover: Cover) -> views.Summary:
    window, where = selection.window, selection.where
    totals = reader.totals(calls_filter(window.since_ns, window.until_ns, where))
    covered = cover(reader, window.since_ns, window.until_ns)
    previous, before = previous_window(selection), None
    if previous is not None:
        before = reader.totals(calls_filter(*previous, where))
    return views.Summary(
        span=span_of(selection),
        sums=views.sums(totals, covered),
        previous=None
        if previous is None or before is None
        else views.Period(
            span=views.Span(since=iso(previous[0]), until=iso(previous[1]), tz=selection.tz),
            sums=views.sums(before, cover(reader, *previous)),
        ),
        cost_change_percent=None
        if before is None
        else views.change_percent(totals.cost_pico, before.cost_pico),
        calls_change_percent=None if before is None else views.change_percent(totals.calls, before.calls),
        coverage=covered,
        now=figures_now(reader, where, selection.zone, now_ns, cover),
    )


def figures_now(reader: Reader, where: dict[str, str], zone: tzinfo, now_ns: int, cover: Cover) -> views.Now:
    """Return spend today, in the last hour and in the last minute."""
    local = datetime.fromtimestamp(now_ns // SECOND, zone)
    midnight = local.replace(hour=0, minute=0, second=0)
    end = now_ns + 1
    today = reader.totals(calls_filter(ns_of(midnight), end, where))
    yesterday = reader.totals(
        calls_filter(ns_of(midnight - timedelta(days=1)), ns_of(local - timedelta(days=1)), where)
    )
    covered = cover(reader, ns_of(midnight), end)
    return views.Now(
        today=views.sums(today, covered),
        yesterday_so_far=views.sums(yesterday, covered),
        today_change_percent=views.change_percent(today.cost_pico, yesterday.cost_pico),
        last_hour=views.sums(reader.totals(calls_filter(end - 3600 * SECOND, end, where)), covered),
        last_minute=views.sums(reader.totals(calls_filter(end - 60 * SECOND, end, where)), covered),
        at=iso(now_ns),
        last_seq=reader.last_seq(),
    )


def breakdown(
    reader: Reader, selection: Selection, by: list[str], limit: int, cover: Cover
) -> views.Breakdown:
    asked = calls_filter(selection.window.since_ns, selection.window.until_ns, selection.where)
    total = reader.totals(asked)
    groups = reader.breakdown(asked, by, limit)
    rest = _minus(total, groups)
    covered = cover(reader, selection.window.since_ns, selection.window.until_ns)
    return views.Breakdown(
        span=span_of(selection),
        by=by,
        groups=[
            views.BreakdownRow(
                keys=group.keys,
                sums=views.sums(group.measures, covered),
                cost_share_permille=_permille(group.measures.cost_pico, total.cost_pico),
            )
            for group in groups
        ],
        rest=views.sums(rest, covered) if rest.calls > 0 else None,
        total=views.sums(total, covered),
        coverage=covered,
    )


def values(
    reader: Reader,
    selection: Selection,
    dimensions: Sequence[str],
    contains: str,
    limit: int,
    key_labels: Mapping[str, str],
) -> views.Values:
    """Return the values of each dimension that contain a text, at most `limit` of each.

    A dimension's own filter does not narrow its values: they are what it could be changed to.
    """
    wanted = contains.strip().casefold()
    found: list[views.Value] = []
    truncated = False
    for dimension in dimensions:
        others = {name: value for name, value in selection.where.items() if name != dimension}
        asked = calls_filter(selection.window.since_ns, selection.window.until_ns, others)
        groups = reader.breakdown(asked, [dimension], VALUES_MAX)
        groups.sort(key=lambda group: -group.measures.calls)
        fitting: list[views.Value] = []
        for group in groups:
            value = group.keys[dimension] or ""
            label = key_labels.get(value) if dimension == "key" else None
            if wanted in (value or "none").casefold() or (label and wanted in label.casefold()):
                fitting.append(
                    views.Value(dimension=dimension, value=value, label=label, calls=group.measures.calls)
                )
        truncated = truncated or len(fitting) > limit or len(groups) == VALUES_MAX
        found += fitting[:limit]
    return views.Values(values=found, truncated=truncated)


def _permille(part: int, whole: int) -> int:
    return 0 if whole <= 0 else part * 1000 // whole


def _minus(total: Measures, groups: Sequence[Group]) -> Measures:
    fields = Measures.__struct_fields__
    return Measures(
        **{
            name: getattr(total, name) - sum(getattr(group.measures, name) for group in groups)
            for name in fields
        }
    )


def series(
    reader: Reader, selection: Selection, bucket: str, by: str | None, now_ns: int, cover: Cover
) -> views.Series:
    window = selection.window
    asked = calls_filter(window.since_ns, window.until_ns, selection.where)
    step_s = _step_s(bucket, selection.zone, window.until_ns)
    if window.since_ns is not None:
        _check_size(window.until_ns - window.since_ns, bucket)
    lined = None if by is None else _dearest_lines(reader, selection, step_s, by)
    points = reader.series(asked, step_s, None)  # last: what comes meanwhile is in the rest
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
        coverage=cover(reader, window.since_ns, window.until_ns),
    )


class _Lined(NamedTuple):
    """The dearest keys in order, their points, and whether there are more keys."""

    keys: list[str | None]
    points: list[Point]
    is_all: bool


def _dearest_lines(reader: Reader, selection: Selection, step_s: int, by: str) -> _Lined:
    """Ask only for the keys that get a line of their own: the points of all of them can be 100,000."""
    window = selection.window
    groups = reader.breakdown(
        calls_filter(window.since_ns, window.until_ns, selection.where), [by], LINES_MAX + 1
    )
    keys = [group.keys[by] for group in groups[:LINES_MAX]]
    where = {**selection.where, by: [key or "" for key in keys]}
    asked = calls_filter(window.since_ns, window.until_ns, where)
    points = reader.series(asked, step_s, by) if keys else []
    return _Lined(keys, points, len(groups) <= LINES_MAX)


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


def _step_s(bucket: str, zone: tzinfo, at_ns: int) -> int:
    """Return the width to ask the ledger for: buckets of the zone are made of whole steps."""
    if bucket == "minute":
        return 60
    if bucket == "day" and (zone is UTC or str(zone) in _UTC_NAMES):
        return 86_400
    offset = datetime.fromtimestamp(at_ns // SECOND, zone).utcoffset() or timedelta()
    return 3600 if offset.seconds % 3600 == 0 else 900


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
    """Add points up bucket by bucket: a line for each of the dearest keys, one for the rest."""
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
