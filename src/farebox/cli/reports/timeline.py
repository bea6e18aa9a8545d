"""When it was spent: a block an hour or a day, beneath the head of a summary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from farebox.analytics.questions import Questions, Selection
from farebox.cli.charts import can_show, gathered, sparkline
from farebox.cli.periods import Period
from farebox.cli.screen import DIM, paint, terminal_width
from farebox.money import display_usd
from farebox.time_expressions import day_start

_HOUR_NS = 3_600 * 10**9
_BY_HOUR_UP_TO_NS = 49 * _HOUR_NS
_BLOCKS_MAX, _BLOCKS_MIN = 62, 8
"""As many as two months have days."""
_BUCKETS_MAX = 4_000


class Timeline(NamedTuple):
    """What was spent in each bucket of a period, those in which nothing was included."""

    bucket: str
    starts_ns: list[int]
    cost_pico: list[int]


def timeline(questions: Questions, narrowed: Selection, chosen: Period, now_ns: int) -> Timeline | None:
    """Return when it was spent; None where the period has no beginning, or is of one bucket."""
    since, until = chosen.since_ns, now_ns if chosen.until_ns is None else min(chosen.until_ns, now_ns)
    if since is None or until <= since:
        return None
    bucket = "hour" if until - since <= _BY_HOUR_UP_TO_NS else "day"
    starts = _starts(bucket, since, until, chosen)
    if not 1 < len(starts) <= _BUCKETS_MAX:
        return None
    spent = {
        point.start_ns: point.measures.cost_pico
        for point in questions.series(narrowed, bucket, chosen.zone_name, measures=("cost_pico",))
    }
    return Timeline(bucket, starts, [spent.get(start, 0) for start in starts])


def timeline_line(found: Timeline | None, chosen: Period) -> str | None:
    """Return the chart with the bucket in which most was spent, None where there is nothing to see."""
    if found is None or not any(amount > 0 for amount in found.cost_pico) or not can_show():
        return None
    at = max(range(len(found.starts_ns)), key=lambda index: found.cost_pico[index])
    start = datetime.fromtimestamp(found.starts_ns[at] // 10**9, UTC).astimezone(chosen.zone)
    when = f"{start:%H:%M}" if found.bucket == "hour" else f"{start:%b} {start.day}"
    label, note = f"by {found.bucket} ", f" most {display_usd(found.cost_pico[at])}, {when}"
    width = max(min(terminal_width() - len(label) - len(note), _BLOCKS_MAX), _BLOCKS_MIN)
    size = -(-len(found.cost_pico) // len(gathered(found.cost_pico, width)))
    if size > 1:
        label = f"by {size} {found.bucket}s "
    return f"{paint(label, DIM)}{sparkline(found.cost_pico, width)}{paint(note, DIM)}"


def _starts(bucket: str, since: int, until: int, chosen: Period) -> list[int]:
    if bucket == "hour":
        offset = datetime.fromtimestamp(since // 10**9, UTC).astimezone(chosen.zone).utcoffset() or timedelta(
            0
        )
        past_the_hour = (since + int(offset.total_seconds()) * 10**9) % _HOUR_NS  # of zones with half hours
        return list(range(since - past_the_hour, until, _HOUR_NS))
    day = datetime.fromtimestamp(since // 10**9, UTC).astimezone(chosen.zone).date()
    starts: list[int] = []
    while (start := day_start(day, chosen.zone)) < until and len(starts) <= _BUCKETS_MAX:
        starts.append(start)
        day += timedelta(days=1)
    return starts
