"""What `farebox top` shows at one moment: the last hour by minute, session, process and model, and calls in
flight."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from farebox.analytics.dimensions import SUMS
from farebox.analytics.query import Answer, Measures, Question, Row
from farebox.analytics.questions import Selection
from farebox.cli.access import open_ledger, open_questions
from farebox.cli.options import Place
from farebox.cli.reports.json_shapes import Totals, totals
from farebox.clock import iso, now_ns, uuid_text
from farebox.config import Config
from farebox.home import Home
from farebox.ledger.append.in_flight import InFlight
from farebox.pricing.book import PriceBook
from farebox.server.api.coverage.coverage import Coverage, coverage
from farebox.snapshot import read_snapshot
from farebox.time_expressions import day_start, zone_named

MINUTES = 60
GROUPS_MAX = 500
IN_FLIGHT_MAX = 100
PROCESS, COMMAND = "tag.process.pid", "tag.process.command"
_MINUTE_NS = 60 * 10**9
_LAST = "last_end_ns"
_MEASURES = (*SUMS, _LAST)


class TopMinute(msgspec.Struct, kw_only=True):
    """One minute."""

    start: str
    calls: int
    cost_pico: int
    unpriced_calls: int


class TopGroup(msgspec.Struct, kw_only=True):
    """What some calls of the last hour came to."""

    session: str | None = None
    agent: str | None = None
    process: str | None = None
    """Its number."""
    command: str | None = None
    model: str | None = None
    calls: int
    errors: int
    unpriced_calls: int
    cost_pico: int
    tokens: int
    """In and out."""
    last_at: str | None
    """When the last of them ended."""
    stopped: bool = False
    """Its calls are refused by command."""


class TopCall(msgspec.Struct, kw_only=True):
    """A call that has begun and not ended."""

    id: str
    began_at: str
    provider: str
    model: str | None
    session: str | None
    agent: str | None
    customer: str | None
    process: str | None
    command: str | None
    cost_pico: int | None
    """What it costs so far, at the least; null where nothing is known of it yet."""
    reserved_pico: int | None
    """What budgets hold for it: the most it can cost; null where none covers it."""


class TopAnswer(msgspec.Struct, kw_only=True):
    """`farebox top --json`: one look."""

    schema: str = "farebox.top/1"
    at: str
    today: Totals
    minutes: list[TopMinute]
    """The last hour, oldest first; the last one is not over."""
    sessions: list[TopGroup]
    """By session and agent."""
    processes: list[TopGroup]
    models: list[TopGroup]
    in_flight: list[TopCall]
    """The newest first."""
    more_in_flight: int
    """How many more there are."""
    stops: int
    """How many sessions, keys and processes are stopped by command."""
    coverage: Coverage


class TopSource:
    """Looks at one home again and again."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.home: Home = place.state_to_read()
        self._config: Config = place.configuration(self.home)
        self._book: PriceBook | None = None

    def look(self) -> TopAnswer:
        """Return how it is now.

        Raises:
            FareboxError: The record cannot be read, or not be asked now.
        """
        home, ledger = open_ledger(self._place, patience_s=0)
        now = now_ns()
        first = now - now % _MINUTE_NS - (MINUTES - 1) * _MINUTE_NS
        local = datetime.fromtimestamp(now // 10**9, UTC).astimezone(zone_named(None))
        midnight = day_start(local.date(), local.tzinfo or UTC)
        hour = Selection(since_ns=first)
        with open_questions(home) as questions:
            today, minutes, sessions, processes, models = questions.answers(
                Selection(since_ns=midnight).question(),
                hour.question(bucket="minute"),
                *(_question(hour, by) for by in (["session", "agent"], [PROCESS, COMMAND], ["model"])),
            )
        found = coverage(home, ledger, midnight)
        published = read_snapshot(home)
        stopped = {(each.dimension, each.value) for each in published.stops}
        running = ledger.in_flight(IN_FLIGHT_MAX)
        return TopAnswer(
            at=iso(now),
            today=totals(_measures(today.rows[0].values), found),
            minutes=_minutes(minutes, first),
            sessions=_groups(sessions, ("session", "agent"), stopped),
            processes=_groups(processes, ("process", "command"), stopped),
            models=_groups(models, ("model",), stopped),
            in_flight=[self._call(each) for each in running],
            more_in_flight=max(ledger.health().in_flight - len(running), 0),
            stops=len(stopped),
            coverage=found,
        )

    def _call(self, running: InFlight) -> TopCall:
        whose = running.intent.attribution
        return TopCall(
            id=uuid_text(running.intent.event_id),
            began_at=iso(running.intent.occurred_at_ns),
            provider=running.intent.provider,
            model=running.model,
            session=whose.get("session"),
            agent=whose.get("agent"),
            customer=whose.get("customer"),
            process=whose.get("process.pid"),
            command=whose.get("process.command"),
            cost_pico=running.cost_pico(self._prices()) if running.extraction.parts else None,
            reserved_pico=running.reserved_pico,
        )

    def _prices(self) -> PriceBook:
        if self._book is None:
            from farebox.pricing import load_book

            config = self._config
            self._book = load_book(
                config.pricing,
                self.home.cache,
                contracts=config.contracts,
                directory=config.directory_pricing,
                state=self.home.path,
            )
        return self._book


def _question(hour: Selection, by: Sequence[str]) -> Question:
    return hour.question(by=by, measures=_MEASURES, limit=GROUPS_MAX)


def _minutes(found: Answer, first: int) -> list[TopMinute]:
    known = {row.start_ns: _measures(row.values) for row in found.rows}
    minutes: list[TopMinute] = []
    for start in range(first, first + MINUTES * _MINUTE_NS, _MINUTE_NS):
        sums = known.get(start, Measures())
        minutes.append(
            TopMinute(
                start=iso(start),
                calls=sums.calls,
                cost_pico=sums.cost_pico,
                unpriced_calls=sums.unpriced_calls,
            )
        )
    return minutes


def _groups(found: Answer, names: Sequence[str], stopped: set[tuple[str, str]]) -> list[TopGroup]:
    groups: list[TopGroup] = []
    for row in found.rows:
        keys = dict(zip(names, row.keys, strict=True))
        if names[0] != "model" and keys[names[0]] is None:
            continue  # calls that say no session are listed by process and model
        groups.append(_group(row, keys, stopped))
    return groups


def _group(row: Row, keys: dict[str, str | None], stopped: set[tuple[str, str]]) -> TopGroup:
    sums = _measures(row.values)
    last = row.values[_MEASURES.index(_LAST)]
    return TopGroup(
        **keys,
        calls=sums.calls,
        errors=sums.errors,
        unpriced_calls=sums.unpriced_calls,
        cost_pico=sums.cost_pico,
        tokens=sums.input_tokens + sums.output_tokens,
        last_at=None if last is None else iso(last),
        stopped=any((name, value) in stopped for name, value in keys.items() if value is not None),
    )


def _measures(values: Sequence[int | None]) -> Measures:
    return Measures(**{name: value or 0 for name, value in zip(SUMS, values, strict=False)})
