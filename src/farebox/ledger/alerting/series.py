"""Which sums an alert needs: of whose calls, of which figures, and over which spans of time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from farebox.alerts.alert import Alert
from farebox.alerts.evaluation.anomaly import HISTORY_NS
from farebox.alerts.evaluation.rates import latency_steps
from farebox.alerts.evaluation.transitions import LATE_NS, Rule, definition_of
from farebox.budgets.budget import Period
from farebox.budgets.counters import definition_key
from farebox.budgets.periods import FOR_EVER, HOUR_NS, SECOND_NS, Window, fixed_window
from farebox.ledger.alerting.row_groups import AT, MINUTE_NS

if TYPE_CHECKING:
    from farebox.budgets.budget import Budget

PARTS = 12
"""A span that ends now moves on by a part of it at a time, whole minutes."""
ROLLING_PARTS = 60
_DAY_NS = 24 * HOUR_NS
_SILENT_FOR_NS = 7 * _DAY_NS
_TEN_MINUTES_NS = 600 * SECOND_NS

SpanKind = Literal["period", "parts", "ever", "last", "known"]


class Span(NamedTuple):
    """How time is divided. Starts are nanoseconds since 1970."""

    kind: SpanKind
    """`period`: fixed ones of a clock; `parts`: equal ones; `ever`: all time is one; `last`: the same, and
    when the last call occurred; `known`: the same, and that a value has been seen."""
    period: str = ""
    timezone: str = "UTC"
    part_ns: int = 0
    kept_ns: int = 0
    """Of parts: how far back they are needed."""

    def first_ns(self, now_ns: int) -> int:
        """Return the earliest start that is still needed."""
        if self.kind == "period":
            return fixed_window(self.period, now_ns - LATE_NS, self.timezone).start_ns
        if self.kind == "parts":
            return (now_ns - self.kept_ns) // self.part_ns * self.part_ns
        return 0

    def start_of(self, at_ns: int) -> int:
        """Return when the part of time around a moment begins; 0 where all time is one."""
        if self.kind == "parts":
            return at_ns // self.part_ns * self.part_ns
        return fixed_window(self.period, at_ns, self.timezone).start_ns if self.kind == "period" else 0

    def read_from_ns(self, now_ns: int) -> int:
        """Return from when on calls have to be read for a new alert."""
        if self.kind == "last":
            return now_ns - max(self.kept_ns, _SILENT_FOR_NS)
        return self.first_ns(now_ns)


class Filter(NamedTuple):
    """Whose calls."""

    where: tuple[tuple[str, tuple[str, ...]], ...]
    each: str | None
    exempt: tuple[str, ...] = ()
    of_budget: bool = False
    """A customer that only the request states does not count, where others reach us."""


class Series(NamedTuple):
    """Sums that are kept for every value of `each`."""

    filter: Filter
    span: Span
    columns: tuple[int, ...]
    """Which of `row_groups.COLUMNS`."""
    steps: tuple[int, ...] = ()
    """Of response times: the lower ends of the classes they are counted in; then there are no columns."""

    @property
    def width(self) -> int:
        return len(self.steps) + 1 if self.steps else len(self.columns)

    def step_of(self, reached: int, steps: Sequence[int]) -> int:
        """Return the class of a response time that has reached so many of `steps`, which hold all of ours."""
        return bisect_right(self.steps, steps[reached - 1]) if reached else 0

    @property
    def key(self) -> str:
        """What it is found by, in the file where sums are kept."""
        return msgspec.json.encode(self).decode()


class Watched(NamedTuple):
    """A rule and the sums it is judged by."""

    rule: Rule
    series: tuple[Series, ...]
    """The first one says what has changed; the others are what it is compared with."""
    period: Period | None = None
    timezone: str = "UTC"

    @property
    def is_fixed(self) -> bool:
        """Whether its sums are of periods that begin and end."""
        return self.period is not None and self.period.kind != "rolling"

    @property
    def rolling_ns(self) -> int:
        """How far back a rolling period reaches."""
        return 0 if self.period is None else self.period.rolling_s * SECOND_NS

    def window_at(self, at_ns: int) -> Window:
        """Return the period around a moment."""
        if self.period is None:
            return FOR_EVER
        return fixed_window(self.period.kind, at_ns, self.timezone)


def watched(
    alerts: Iterable[Alert],
    budgets: Mapping[str, Budget],
    *,
    others_reach_us: bool = False,
    id_key: bytes = b"",
) -> list[Watched]:
    """Return what has to be kept for alerts; one on a budget that is not there is left out.

    `id_key`: what the ids of their events are keyed by; in a simulation, nothing.
    """
    found: list[Watched] = []
    for alert in alerts:
        if alert.kind == "budget":
            budget = budgets.get(alert.subject)
            if budget is not None:
                found.append(_of_budget(alert, budget, others_reach_us, id_key))
            continue
        rule = Rule(alert, definition_of(alert, _extent(alert)), id_key=id_key)
        found.append(Watched(rule, _series(alert), alert.period, alert.timezone))
    return found


def _extent(alert: Alert) -> object:
    """Return what more makes two alerts of one name different ones: the span they look at."""
    return alert.over_s if alert.kind not in ("no_data", "prices", "unmetered") else 0


def _of_budget(alert: Alert, budget: Budget, others_reach_us: bool, id_key: bytes) -> Watched:
    # The alert's own filter is the budget's: messages and explanations name whose calls they are.
    alert = msgspec.structs.replace(alert, where=budget.where, each=budget.each)
    chosen = Filter(_sorted(budget.where), budget.each, tuple(sorted(budget.exempt)), others_reach_us)
    columns = (*_columns(budget.measure), AT[f"{budget.measure}_open"])
    series = Series(chosen, _span_of(budget.period, budget.timezone), columns)
    rule = Rule(alert, definition_of(alert, definition_key(budget)), budget.limit_pico, id_key)
    return Watched(rule, (series,), budget.period, budget.timezone)


def _series(alert: Alert) -> tuple[Series, ...]:
    chosen = Filter(_sorted(alert.where), alert.each)
    span_ns = alert.over_s * SECOND_NS
    match alert.kind:
        case "spend" | "usage" | "margin":
            names = ("cost", "price") if alert.kind == "margin" else (alert.subject,)
            span = _span_of(alert.period or Period("ever"), alert.timezone)
            return (Series(chosen, span, _columns(*names)),)
        case "rise":
            return (Series(chosen, parts(span_ns, 2 * span_ns), _columns(alert.subject)),)
        case "anomaly":
            recent = Span("parts", part_ns=HOUR_NS // PARTS, kept_ns=HOUR_NS + _TEN_MINUTES_NS)
            hours = Span("parts", part_ns=HOUR_NS, kept_ns=HISTORY_NS + 2 * HOUR_NS)
            columns = _columns(alert.subject)
            return Series(chosen, recent, columns), Series(chosen, hours, columns[2:3] or columns[:1])
        case "unpriced":
            return (Series(chosen, parts(span_ns), (AT["calls"], AT["unpriced"])),)
        case "errors":
            return (Series(chosen, parts(span_ns), (AT["calls"], AT["errors"])),)
        case "retries":
            return (Series(chosen, parts(span_ns), (AT["tries"], AT["retries"])),)
        case "cache_hits" | "cache_lifetime":
            columns = (
                (AT["calls"], AT["cache_read_input_tokens"], AT["input_tokens"])
                if alert.kind == "cache_hits"
                else (AT["calls"], AT["cached_long"], AT["cached_short"])
            )
            recent = Series(chosen, parts(span_ns), columns)
            if alert.subject == "below":
                return (recent,)
            before = Span("parts", part_ns=HOUR_NS, kept_ns=span_ns + _DAY_NS + 2 * HOUR_NS)
            return recent, Series(chosen, before, columns)
        case "latency":
            return (Series(chosen, parts(span_ns), (), latency_steps(alert)),)
        case "no_data":
            return (Series(chosen, Span("last", kept_ns=2 * span_ns), (AT["calls"],)),)
        case "new":
            return (Series(chosen._replace(each=alert.subject), Span("known"), (AT["calls"],)),)
        case _:
            return ()


def parts(span_ns: int, kept_ns: int | None = None) -> Span:
    """Return a span that ends now, in parts of whole minutes, and how far back these are kept."""
    part_ns = -(-span_ns // (PARTS * MINUTE_NS)) * MINUTE_NS
    return Span("parts", part_ns=part_ns, kept_ns=(kept_ns or span_ns) + 3 * part_ns)


def _span_of(period: Period, timezone: str) -> Span:
    if period.kind == "rolling":
        span_ns = period.rolling_s * SECOND_NS
        part_ns = -(-span_ns // (ROLLING_PARTS * MINUTE_NS)) * MINUTE_NS
        return Span("parts", part_ns=part_ns, kept_ns=span_ns + part_ns)
    if period.kind in ("ever", "session"):
        return Span("ever")
    return Span("period", period.kind, timezone)


def _columns(*names: str) -> tuple[int, ...]:
    """Return calls, calls without a price, and then these."""
    wanted = [AT["calls"], AT["unpriced"], *(AT[name] for name in names if name != "calls")]
    return tuple(wanted)


def _sorted(where: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(sorted((name, tuple(sorted(values))) for name, values in where.items()))
