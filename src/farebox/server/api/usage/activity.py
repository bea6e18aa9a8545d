"""What is being spent now: calls in flight, the most expensive sessions and processes, where it leads."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from farebox.analytics.query import Measures, Question, Row
from farebox.clock import iso, uuid_text
from farebox.errors import FindingsError
from farebox.ledger.append.in_flight import InFlight
from farebox.ledger.corrections.rerating import Book
from farebox.server.api.coverage.coverage_views import Coverage
from farebox.server.api.filters import Selection
from farebox.server.api.queries import Reader, Sources
from farebox.server.api.spending import reports
from farebox.server.api.spending import spend_views as views
from farebox.server.api.usage.sessions import measures_of
from farebox.time_expressions import ns_of

if TYPE_CHECKING:
    from collections.abc import Callable

IN_FLIGHT_MAX = 200
TOP_MAX = 10
WINDOW_MINUTES = 60
"""The burn rate is of so many minutes."""
TOP_MINUTES = 15
PROCESS = ["tag.process.pid", "tag.process.command"]
_MINUTE_NS = 60 * 10**9


class CallInFlight(msgspec.Struct, kw_only=True):
    """A call that has begun and not ended."""

    event_id: str
    started_at: str
    running_us: int
    provider: str
    surface: str
    model: str | None
    """Known once the response has begun to be read."""
    app: str | None
    user: str | None
    agent: str | None
    session: str | None
    process: str | None
    key_fingerprint: str | None
    output_tokens: int | None
    """So far; None: nothing is known yet."""
    cost_pico: views.Text | None
    """So far, a lower bound; None: nothing is known yet, or there is no price."""
    reserved_pico: views.Text | None
    """The most it can cost, where a budget covers it."""
    known_at: str | None
    """When its usage was seen last."""


class Busy(msgspec.Struct, kw_only=True):
    """What a session, or a process, spent in the last minutes."""

    key: str
    label: str | None
    """Of a process, its command."""
    sums: views.Sums
    last_at: str
    stopped: bool


class Burn(msgspec.Struct, kw_only=True):
    """Where the present spend leads."""

    window_minutes: int
    """The rate is of so many minutes before now."""
    calls: int
    """In these minutes."""
    per_minute_pico: views.Text
    """Rounded down."""
    today_pico: views.Text
    month_pico: views.Text
    """Spent since the first of the month."""
    projected_day_pico: views.Text
    """Today's spend at midnight, should it go on like this."""
    projected_month_pico: views.Text
    """The month's spend at its end, should every day go on like this."""
    at_least: bool
    """Some calls have no cost yet, or are missing: all of these are lower bounds."""


class Activity(msgspec.Struct, kw_only=True):
    """`GET /api/v1/activity`. Filters narrow everything but the calls in flight."""

    at: str
    in_flight: list[CallInFlight]
    """The newest first."""
    in_flight_count: int
    in_flight_pico: views.Text
    """What those listed cost so far, as far as that is known."""
    burn: Burn
    top_minutes: int
    sessions: list[Busy]
    processes: list[Busy]
    coverage: Coverage


def activity(
    sources: Sources,
    selection: Selection,
    now_ns: int,
    cover: reports.Cover,
    book: Callable[[], Book],
    stopped: frozenset[tuple[str, str]],
) -> Activity:
    """Return what is being spent now; `stopped` are the dimensions and values that stops refuse."""
    local = datetime.fromtimestamp(now_ns // 10**9, selection.zone)
    midnight = local.replace(hour=0, minute=0, second=0)
    first = midnight.replace(day=1)
    tomorrow = midnight + timedelta(days=1)
    next_month = (first + timedelta(days=32)).replace(day=1)
    end = now_ns + 1
    names = ["calls", "unpriced_calls", "cost_pico"]
    rate, today, month, sessions, processes = sources.questions.answers(
        selection.calls(end - WINDOW_MINUTES * _MINUTE_NS, end).question(measures=names, order="calls"),
        selection.calls(ns_of(midnight), end).question(measures=names, order="calls"),
        selection.calls(ns_of(first), end).question(measures=names, order="calls"),
        _top(selection, end, ["session"]),
        _top(selection, end, PROCESS),
    )
    covered = cover(sources.reader, ns_of(first), end)
    spent, of_day, of_month = ((each.rows[0].values[2] or 0) for each in (rate, today, month))

    def ahead(until: datetime) -> int:
        return spent * (ns_of(until) - now_ns) // (WINDOW_MINUTES * _MINUTE_NS)

    flying = sources.reader.in_flight(IN_FLIGHT_MAX)
    prices = _prices(book) if any(each.extraction.parts for each in flying) else None
    in_flight = [_in_flight(each, now_ns, prices) for each in flying]
    return Activity(
        at=iso(now_ns),
        in_flight=in_flight,
        in_flight_count=_count(sources.reader, len(flying)),
        in_flight_pico=str(sum(int(each.cost_pico or 0) for each in in_flight)),
        burn=Burn(
            window_minutes=WINDOW_MINUTES,
            calls=rate.rows[0].values[0] or 0,
            per_minute_pico=str(spent // WINDOW_MINUTES),
            today_pico=str(of_day),
            month_pico=str(of_month),
            projected_day_pico=str(of_day + ahead(tomorrow)),
            projected_month_pico=str(of_month + ahead(next_month)),
            at_least=bool(month.rows[0].values[1]) or not covered.complete,
        ),
        top_minutes=TOP_MINUTES,
        sessions=[_busy("session", row, covered, stopped) for row in sessions.rows],
        processes=[_busy("process", row, covered, stopped) for row in processes.rows],
        coverage=covered,
    )


def _top(selection: Selection, end: int, by: list[str]) -> Question:
    chosen = selection.calls(end - TOP_MINUTES * _MINUTE_NS, end)
    named = msgspec.structs.replace(chosen, unless=[{by[0]: [""]}])
    return named.question(by=by, measures=[*Measures.__struct_fields__, "last_end_ns"], limit=TOP_MAX)


def _busy(dimension: str, row: Row, covered: Coverage, stopped: frozenset[tuple[str, str]]) -> Busy:
    key = row.keys[0] or ""
    return Busy(
        key=key,
        label=row.keys[1] if len(row.keys) > 1 else None,
        sums=views.sums(measures_of(row.values[:-1]), covered),
        last_at=iso(row.values[-1] or 0),
        stopped=(dimension, key) in stopped,
    )


def _count(reader: Reader, shown: int) -> int:
    return shown if shown < IN_FLIGHT_MAX else max(reader.health().in_flight, shown)


def _prices(book: Callable[[], Book]) -> Book | None:
    try:
        return book()
    except FindingsError:  # what is wrong with the files is said where prices are shown
        return None


def _in_flight(call: InFlight, now_ns: int, prices: Book | None) -> CallInFlight:
    intent, said = call.intent, call.intent.attribution
    cost = None if prices is None else call.cost_pico(prices)
    return CallInFlight(
        event_id=uuid_text(intent.event_id),
        started_at=iso(intent.occurred_at_ns),
        running_us=max(now_ns - intent.occurred_at_ns, 0) // 1000,
        provider=intent.provider,
        surface=intent.surface,
        model=call.model,
        app=said.get("app"),
        user=said.get("user"),
        agent=said.get("agent"),
        session=said.get("session"),
        process=said.get("process.pid"),
        key_fingerprint=intent.key_fingerprint,
        output_tokens=sum(part.output_tokens for part in call.extraction.parts) or None,
        cost_pico=None if cost is None else str(cost),
        reserved_pico=None if call.reserved_pico is None else str(call.reserved_pico),
        known_at=None if call.known_at_ns is None else iso(call.known_at_ns),
    )
