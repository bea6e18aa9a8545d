"""Over which time a budget counts: from when, until when, in its time zone.

Pure: moments are nanoseconds since 1970 (UTC) and arguments, spans are half-open. Hours, days, weeks (from
Monday) and months are those of the zone's own clock, so that a day with a clock change has 23 or 25 hours.
A session's budget counts for ever: each session has a count of its own.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from farebox.time_expressions import day_start

if TYPE_CHECKING:
    from farebox.budgets.budget import Budget

SECOND_NS = 10**9
HOUR_NS = 3600 * SECOND_NS
ROLLING_PARTS = 60
"""A rolling window moves on by a part of it at a time. The oldest part counts whole, so that never more than
the limit is spent in any span as long as the window."""


class Window(NamedTuple):
    """A span of time that counts together."""

    start_ns: int
    end_ns: int | None
    """The first moment after it; None: it never ends."""

    def holds(self, at_ns: int) -> bool:
        """Return whether a moment is in it."""
        return self.start_ns <= at_ns and (self.end_ns is None or at_ns < self.end_ns)


FOR_EVER = Window(0, None)


def window(budget: Budget, at_ns: int) -> Window:
    """Return what counts for a call at `at_ns`.

    A rolling window reaches back from there, and ends where its oldest part is left behind.
    """
    parts = windows(budget, at_ns)
    return Window(parts[0].start_ns, parts[-1].end_ns)


def windows(budget: Budget, at_ns: int) -> list[Window]:
    """Return the parts of the window around `at_ns`, oldest first: one, or of a rolling window all.

    What is spent at `at_ns` is counted in the last one.
    """
    period = budget.period
    if period.kind != "rolling":
        return [fixed_window(period.kind, at_ns, budget.timezone)]
    size = rolling_part_ns(period.rolling_s)
    newest = at_ns // size
    oldest = (at_ns - period.rolling_s * SECOND_NS) // size
    return [Window(part * size, (part + 1) * size) for part in range(oldest, newest + 1)]


def rolling_part_ns(rolling_s: int) -> int:
    """Return how long a part of a rolling window is."""
    return -(-rolling_s * SECOND_NS // ROLLING_PARTS)


class Windows:
    """The windows of one budget; the last ones are kept, since most calls are of now."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._parts: list[Window] = []

    def at(self, at_ns: int) -> list[Window]:
        """Return the parts of the window around `at_ns`, as `windows`."""
        if not self._parts or not self._parts[-1].holds(at_ns) or self._budget.period.kind == "rolling":
            self._parts = windows(self._budget, at_ns)
        return self._parts


def fixed_window(kind: str, at_ns: int, timezone: str) -> Window:
    """Return the hour, day, week or month around a moment, by a zone's clock; of other kinds, all time."""
    if kind in ("ever", "session"):
        return FOR_EVER
    zone = _zone(timezone)
    local = _moment(at_ns).astimezone(zone)
    if kind == "hour":
        return _hour(at_ns, local, zone)
    day = local.date()
    if kind == "day":
        first, after = day, day + timedelta(days=1)
    elif kind == "week":
        first = day - timedelta(days=day.weekday())
        after = first + timedelta(days=7)
    else:
        first = day.replace(day=1)
        after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return Window(day_start(first, zone), day_start(after, zone))


def _hour(at_ns: int, local: datetime, zone: tzinfo) -> Window:
    """Return the hour of a zone's clock; a clock change by less than an hour ends one early."""
    offset = _offset_ns(local)
    start = (at_ns + offset) // HOUR_NS * HOUR_NS - offset
    end = start + HOUR_NS
    change = _clock_change(zone, start, end)
    if change is None:
        return Window(start, end)
    return Window(start, change) if at_ns < change else Window(change, end)


def _clock_change(zone: tzinfo, start_ns: int, end_ns: int) -> int | None:
    """Return when between two moments the zone's clock was set by a part of an hour, to the second."""

    def offset(at_ns: int) -> int:
        return _offset_ns(_moment(at_ns).astimezone(zone))

    if (offset(end_ns - SECOND_NS) - offset(start_ns)) % HOUR_NS == 0:
        return None
    low, high = start_ns, end_ns
    while high - low > SECOND_NS:
        middle = (low + high) // 2 // SECOND_NS * SECOND_NS
        low, high = (middle, high) if offset(middle) == offset(start_ns) else (low, middle)
    return high


def _offset_ns(local: datetime) -> int:
    offset = local.utcoffset() or timedelta()
    return (offset.days * 86_400 + offset.seconds) * SECOND_NS


def _moment(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns // SECOND_NS, UTC)


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)
