"""Combine questions into what the overview asks. Runs in the thread that asks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from farebox.analytics.dimensions import SUMS
from farebox.analytics.query import Answer, Measures
from farebox.clock import iso
from farebox.money import usd_text
from farebox.server.api.coverage.coverage_views import Coverage
from farebox.server.api.errors import ApiError
from farebox.server.api.filters import Selection, previous_window
from farebox.server.api.overview.overview_views import HeatMap, Mover, Movers, Projection
from farebox.server.api.overview.projection import HISTORY_DAYS, WEEKDAYS_FROM, Day, Left, projected
from farebox.server.api.queries import Sources
from farebox.server.api.spending import spend_views as views
from farebox.server.api.spending.reports import SECOND, Cover, bucket_starts, span_of
from farebox.time_expressions import ns_of

GROUPS_MAX = 50_000
"""How many values are compared."""
HOURS = 168

_MOVED = ("cost_pico", "calls", "unpriced_calls")
_NONE = (0, 0, 0)

Keys = tuple[str | None, ...]


def movers(sources: Sources, selection: Selection, by: list[str], limit: int, cover: Cover) -> Movers:
    """Return which values' cost changed most against the span before."""
    previous = previous_window(selection)
    if previous is None:
        raise ApiError(
            422,
            "invalid_parameter",
            "The whole record has no span before it.",
            {"parameter": "since", "allowed": ["a moment, an age, a word such as 7d or month"]},
        )
    asked = [
        each.question(by=by, measures=_MOVED, limit=GROUPS_MAX)
        for each in (selection.asked, selection.calls(*previous))
    ]
    now, before = (_by_keys(answer, by) for answer in sources.questions.answers(*asked))
    keys = {*now, *before}
    change = {key: now.get(key, _NONE)[0] - before.get(key, _NONE)[0] for key in keys}
    moved = sorted((key for key in keys if change[key]), key=lambda key: (-abs(change[key]), _text(key)))
    total = sum(change.values())
    rest = sum(change[key] for key in moved[limit:])
    covered = cover(sources.reader, previous[0], selection.window.until_ns)
    return Movers(
        span=span_of(selection),
        previous=views.Span(since=iso(previous[0]), until=iso(previous[1]), tz=selection.tz),
        by=by,
        movers=[
            _mover(dict(zip(by, key, strict=True)), now.get(key, _NONE), before.get(key, _NONE), covered)
            for key in moved[:limit]
        ],
        rest_groups=len(moved[limit:]),
        rest_change_pico=str(rest),
        rest_change_usd=usd_text(rest),
        total_change_pico=str(total),
        total_change_usd=usd_text(total),
        coverage=covered,
    )


def _by_keys(answer: Answer, by: Sequence[str]) -> Mapping[Keys, tuple[int, ...]]:
    if answer.groups > GROUPS_MAX:
        raise ApiError(
            422,
            "too_many_groups",
            f"{', '.join(by)} has {answer.groups:,} values in this span, more than {GROUPS_MAX:,}.",
            {"parameter": "by", "allowed": ["a shorter span", "a filter", "another dimension"]},
        )
    return {tuple(row.keys): tuple(value or 0 for value in row.values) for row in answer.rows}


def _text(key: Keys) -> tuple[str, ...]:
    return tuple(value or "" for value in key)


def _mover(
    keys: dict[str, str | None], now: Sequence[int], before: Sequence[int], covered: Coverage
) -> Mover:
    return Mover(
        keys=keys,
        cost_pico=str(now[0]),
        cost_usd=usd_text(now[0]),
        calls=now[1],
        before_pico=str(before[0]),
        before_usd=usd_text(before[0]),
        before_calls=before[1],
        change_pico=str(now[0] - before[0]),
        change_usd=usd_text(now[0] - before[0]),
        complete=covered.complete and not now[2] and not before[2],
    )


def heat_map(sources: Sources, selection: Selection, cover: Cover) -> HeatMap:
    """Return spend by the hour of the week."""
    asked = selection.asked.question(bucket="hour_of_week", tz=selection.tz, measures=_MOVED)
    columns = [[0] * HOURS for _ in _MOVED]
    (found,) = sources.questions.answers(asked)
    for row in found.rows:
        for column, value in zip(columns, row.values, strict=True):
            column[row.start_ns or 0] = value or 0
    cost, calls, unpriced = columns
    return HeatMap(
        span=span_of(selection),
        cost_pico=[str(amount) for amount in cost],
        calls=calls,
        unpriced_calls=unpriced,
        coverage=cover(sources.reader, selection.window.since_ns, selection.window.until_ns),
    )


def projection(sources: Sources, selection: Selection, now_ns: int, cover: Cover) -> Projection:
    """Return what this month will come to."""
    local = datetime.fromtimestamp(now_ns // SECOND, selection.zone)
    midnight = local.replace(hour=0, minute=0, second=0)
    month = midnight.replace(day=1)
    after = (month + timedelta(days=32)).replace(day=1)
    before = (month - timedelta(days=1)).replace(day=1)
    first = midnight - timedelta(days=HISTORY_DAYS)
    months = [(ns_of(month), now_ns + 1), (ns_of(before), ns_of(month))]
    questions = [selection.calls(*span).question() for span in months]
    older = selection.calls(None, ns_of(first)).question(measures=["calls"], order="calls")
    days = selection.calls(ns_of(first), ns_of(midnight)).question(
        bucket="day", tz=selection.tz, measures=["calls", "cost_pico"]
    )
    *sums, earlier, daily = sources.questions.answers(*questions, older, days)
    spent, whole = (Measures(**dict(zip(SUMS, each.rows[0].values, strict=True))) for each in sums)  # type: ignore[arg-type]
    is_older = bool(earlier.rows[0].values[0])
    history = _history(selection, daily, ns_of(first), ns_of(midnight), is_older=is_older)
    left = _left(selection, local, ns_of(midnight), ns_of(after))
    estimate = projected(spent.cost_pico, history, left)
    covered = cover(sources.reader, ns_of(month), now_ns + 1)
    amounts = (None, None, None) if estimate is None else estimate
    low, likely, high = amounts

    def period(since_ns: int, until_ns: int, measures: Measures) -> views.Period:
        span = views.Span(since=iso(since_ns), until=iso(until_ns), tz=selection.tz)
        return views.Period(span=span, sums=views.sums(measures, cover(sources.reader, since_ns, until_ns)))

    return Projection(
        month=views.Span(since=iso(ns_of(month)), until=iso(ns_of(after)), tz=selection.tz),
        spent=period(ns_of(month), now_ns + 1, spent),
        before=period(ns_of(before), ns_of(month), whole),
        complete=covered.complete and spent.unpriced_calls == 0,
        days_used=len(history),
        days_left=len(left) - 1,
        by_weekday=len(history) >= WEEKDAYS_FROM,
        likely_pico=_pico(likely),
        likely_usd=_usd(likely),
        low_pico=_pico(low),
        low_usd=_usd(low),
        high_pico=_pico(high),
        high_usd=_usd(high),
    )


def _history(
    selection: Selection, daily: Answer, first_ns: int, midnight_ns: int, *, is_older: bool
) -> list[Day]:
    """Return whole days: those before the first call are none, unless it is older than they are."""
    costs = {row.start_ns: row.values[1] or 0 for row in daily.rows if row.values[0]}
    starts = bucket_starts(first_ns, midnight_ns, "day", selection.zone)
    if not is_older:
        starts = [start for start in starts if costs and start >= min(each or 0 for each in costs)]
        starts = starts[1:]  # the first call came in the middle of a day
    return [Day(_weekday(selection, start), costs.get(start, 0)) for start in starts]


def _left(selection: Selection, local: datetime, midnight_ns: int, end_ns: int) -> list[Left]:
    """Return what is left of the month: first the rest of today."""
    starts = [*bucket_starts(midnight_ns, end_ns, "day", selection.zone), end_ns]
    length = starts[1] - starts[0]
    rest = starts[1] - ns_of(local)
    later = [Left(_weekday(selection, start), Fraction(1)) for start in starts[1:-1]]
    return [Left(local.weekday(), Fraction(rest, length)), *later]


def _weekday(selection: Selection, start_ns: int) -> int:
    return datetime.fromtimestamp(start_ns // SECOND, selection.zone).weekday()


def _pico(amount: int | None) -> str | None:
    return None if amount is None else str(amount)


def _usd(amount: int | None) -> str | None:
    return None if amount is None else usd_text(amount)
