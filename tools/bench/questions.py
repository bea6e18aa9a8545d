"""What the dashboard, the API and the command line can ask the ledger, and how long each answer takes.

All of it is one period, filters over any of the fourteen dimensions, and one of:

| asked by | grouping | buckets |
|---|---|---|
| the header, `farebox today`, `week`, `month`, `--fail-over` | none | none |
| the dashboard's three panels, `farebox today` … | model, surface or key | none |
| the choices of a filter, `farebox by …` | any dimension, the command line any number of them | none |
| the dashboard's charts, `/api/v1/series` | none, or any dimension | minute, hour, day, 1,500 at most |

Periods begin at any moment and end at any moment or now: 15m, 1h, today, 7d, 30d, month, or two dates of a
time zone. So every two filters with every panel are asked here, and every filter's choices under one
other filter, and of these only the median and the slowest are told, by what can answer them (`CLASSES`).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from farebox.ledger.filter import DIMENSIONS
from farebox.ledger.reader import Filter, LedgerReader
from farebox.ledger.tables import CELL, COMBINED, LEFT_OPEN

from farebox.home import Home

HOUR_NS = 3_600 * 10**9
DAY_NS = 24 * HOUR_NS
PANELS = ("model", "surface", "key")
GROUPS_OF_PANEL, CHOICES = 8, 50

FILTERS = {
    "model": "gpt-4o",
    "request_model": "gpt-4o",
    "provider": "openai",
    "surface": "openai.chat",
    "key": f"{0:016x}",
    "app": "api",
    "user": "",
    "customer": "customer-0",
    "agent": "agent-0",
    "project": "project-0",
    "session": "session-3000",
    "status": "2xx",
    "cost_state": "priced",
    "outcome": "completed",
}
"""The most frequent value of each dimension: the slowest to ask for. No session has many calls."""

CLASSES = ("cells", "values", "calls")
"""Questions over dimensions with few values; over one that can have any number, and those; and what is
counted from the calls: two such dimensions together, sessions, or one with a key and a model."""


def query(home: Home, start: int, end: int) -> dict[str, float]:
    """Return milliseconds by question, asked of the made-up calls of a period."""
    reader = LedgerReader(home)
    figures = {name: _milliseconds(question) for name, question in _named(reader, start, end).items()}
    for dimension in ("model", "provider", "surface", "key", "app", "customer", "status", "cost_state"):
        for days in (1, 7, 30):
            which = Filter(since_ns=end - days * DAY_NS - 17 * 10**9, where={dimension: FILTERS[dimension]})
            for by in PANELS:
                if by != dimension:
                    figures[f"{by}_of_a_{dimension}_{days}d"] = _milliseconds(
                        partial(reader.breakdown, which, [by])
                    )
    for days in (1, 30):
        since = end - days * DAY_NS + 5 * HOUR_NS + 17 * 10**9
        for what, combinations in (("two_filters", two_filters()), ("choices", choices())):
            figures |= _slowest(reader, f"{what}_{days}d", since, combinations)
    return figures


Combination = tuple[Sequence[str], str | None, int]
"""Dimensions filtered by, the one grouped by, and how many groups are shown."""


def two_filters() -> Iterator[Combination]:
    """Yield every two filters with everything the dashboard shows of them."""
    for filtered in itertools.combinations(DIMENSIONS, 2):
        for by in (None, *PANELS):
            yield filtered, by, GROUPS_OF_PANEL


def choices() -> Iterator[Combination]:
    """Yield every dimension's values under one other filter."""
    for filtered, by in itertools.permutations(DIMENSIONS, 2):
        yield (filtered,), by, CHOICES


def class_of(dimensions: set[str]) -> str:
    """Return by what a question over these dimensions is answered."""
    opened = dimensions.difference(CELL)
    if not opened:
        return "cells"
    needs_cells = "key" in dimensions and bool(dimensions & LEFT_OPEN)
    return "values" if len(opened) == 1 and opened <= {*COMBINED} and not needs_cells else "calls"


def _slowest(
    reader: LedgerReader, name: str, since: int, combinations: Iterator[Combination]
) -> dict[str, float]:
    times: dict[str, list[float]] = {each: [] for each in CLASSES}
    for filtered, by, limit in combinations:
        which = Filter(since_ns=since, where={each: FILTERS[each] for each in filtered})
        question: Callable[[], object] = (
            partial(reader.totals, which) if by is None else partial(reader.breakdown, which, [by], limit)
        )
        began = time.perf_counter()
        question()
        asked = {*filtered} if by is None else {*filtered, by}
        times[class_of(asked)].append((time.perf_counter() - began) * 1_000)
    found: dict[str, float] = {}
    for each, measured in times.items():
        measured.sort()
        found[f"{name}_{each}_median"] = round(measured[len(measured) // 2], 1)
        found[f"{name}_{each}_max"] = round(measured[-1], 1)
    return found


def _named(reader: LedgerReader, start: int, end: int) -> dict[str, Callable[[], object]]:
    month = Filter(since_ns=start + 1)
    day = Filter(since_ns=end - DAY_NS - 17 * 10**9)
    last_hour = Filter(since_ns=end - HOUR_NS - 17 * 10**9)
    some_id = reader.calls(Filter(), 1)[0].event_id
    return {
        "totals_30d": lambda: reader.totals(month),
        "totals_24h": lambda: reader.totals(day),
        "totals_1h": lambda: reader.totals(last_hour),
        "totals_uneven": lambda: reader.totals(
            Filter(since_ns=start + 7 * HOUR_NS + 5, until_ns=end - 7 * HOUR_NS)
        ),
        "by_model_30d": lambda: reader.breakdown(month, ["model"]),
        "by_provider_model_30d": lambda: reader.breakdown(month, ["provider", "model"]),
        "by_key_30d": lambda: reader.breakdown(month, ["key"]),
        "by_surface_30d": lambda: reader.breakdown(month, ["surface"]),
        "by_customer_30d": lambda: reader.breakdown(month, ["customer"], 20),
        "by_session_30d": lambda: reader.breakdown(month, ["session"], 20),
        "by_project_model_30d": lambda: reader.breakdown(month, ["project", "model"]),
        "by_customer_24h": lambda: reader.breakdown(day, ["customer"], 20),
        "by_status_24h": lambda: reader.breakdown(day, ["status"]),
        "by_key_1h": lambda: reader.breakdown(last_hour, ["key"]),
        "series_minute_model_1h": lambda: reader.series(last_hour, 60, "model"),
        "series_minute_24h": lambda: reader.series(day, 60),
        "series_hour_model_24h": lambda: reader.series(day, 3_600, "model"),
        "series_day_model_30d": lambda: reader.series(month, 86_400, "model"),
        "series_day_customer_filtered": lambda: reader.series(
            Filter(since_ns=start, where={"customer": "customer-7"}), 86_400
        ),
        "calls_newest": lambda: reader.calls(Filter(), 100),
        "calls_of_a_rare_session": lambda: reader.calls(Filter(where={"session": "session-3"}), 100),
        "calls_of_a_rare_customer": lambda: reader.calls(Filter(where={"customer": "customer-4999"}), 50),
        "calls_failed": lambda: reader.calls(Filter(where={"status": "4xx"}), 50),
        "call": lambda: reader.call(some_id),
        "health": reader.health,
        "summary_of_a_key_30d": lambda: reader.totals(
            Filter(since_ns=month.since_ns, where={"key": f"{3:016x}"})
        ),
        "series_hour_model_30d": lambda: reader.series(month, 3_600, "model"),
        "series_hour_model_of_a_key_30d": lambda: reader.series(
            Filter(since_ns=month.since_ns, where={"key": f"{3:016x}"}), 3_600, "model"
        ),
        "series_hour_key_of_a_model_30d": lambda: reader.series(
            Filter(since_ns=month.since_ns, where={"model": "gpt-4o"}), 3_600, "key"
        ),
        "series_minute_of_a_key_1h": lambda: reader.series(
            Filter(since_ns=last_hour.since_ns, where={"key": f"{3:016x}"}), 60
        ),
    }


def _milliseconds(question: Callable[[], object]) -> float:
    """Return the median of three, the first of them with whatever the page cache holds."""
    times: list[float] = []
    for _ in range(3):
        began = time.perf_counter()
        question()
        times.append((time.perf_counter() - began) * 1_000)
    return round(sorted(times)[1], 1)
