"""A time zone's offsets from UTC over a span, so that any engine can cut local hours and days.

Integers throughout: an engine adds an offset and divides, and needs no time zones of its own.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from farebox.time_expressions import ns_of

SECOND_NS = 10**9
_STEP = timedelta(days=7)


class Offsets(NamedTuple):
    """The offset in force from each moment on, in nanoseconds; the first also before its moment."""

    zone: tzinfo
    since_ns: list[int]
    offsets_ns: list[int]

    @classmethod
    def of(cls, zone: tzinfo, since_ns: int, until_ns: int) -> Offsets:
        """Return the offsets of a zone over `[since_ns, until_ns)`."""
        moment, end = _at(since_ns), _at(until_ns)
        found = [(ns_of(moment), _offset(zone, moment))]
        while moment < end:
            after = moment + _STEP
            if _offset(zone, after) != found[-1][1]:
                change = _change(zone, moment, after)
                found.append((ns_of(change), _offset(zone, after)))
            moment = after
        return cls(zone, [each[0] for each in found], [each[1] for each in found])

    def sql(self, column: str) -> str:
        """Return the offset at the moment in `column`, in nanoseconds."""
        if len(self.offsets_ns) == 1:
            return f"({self.offsets_ns[0]})"
        cases = [
            f"WHEN {column} < {until} THEN {offset}"
            for until, offset in zip(self.since_ns[1:], self.offsets_ns[:-1], strict=True)
        ]
        return f"(CASE {' '.join(cases)} ELSE {self.offsets_ns[-1]} END)"

    def instant(self, local_ns: int) -> int:
        """Return the first moment of a local day, given as if local time were UTC."""
        local = _at(local_ns)
        return ns_of(local.replace(tzinfo=self.zone))


def _change(zone: tzinfo, low: datetime, high: datetime) -> datetime:
    """Return the second at which the offset changes between two moments."""
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=1) // 2)
        if _offset(zone, middle) == _offset(zone, low):
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def _offset(zone: tzinfo, moment: datetime) -> int:
    offset = moment.astimezone(zone).utcoffset() or timedelta()
    return offset // timedelta(seconds=1) * SECOND_NS


def _at(moment_ns: int) -> datetime:
    return datetime.fromtimestamp(moment_ns // SECOND_NS, UTC)
