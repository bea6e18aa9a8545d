"""Answer for a period with the fewest rows: whole buckets of sums, single calls at the edges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

import msgspec

from farebox.ledger.rollup import DAY_NS, HOUR_NS, MINUTE_NS, NUMBER, month_of


class Level(msgspec.Struct, frozen=True):
    """A table of sums: its buckets, and where it keeps which dimension."""

    table: str
    bucket: str
    """The column with the bucket's number."""
    bucket_ns: int
    """A bucket's length; 0 for months, which have none."""
    columns: dict[str, str]
    """Dimension to column."""
    dimension: int | None = None
    """The dimension's number, for the tables that hold one dimension at a time."""

    def index(self, moment_ns: int) -> int:
        """Return the bucket that `moment_ns` lies in."""
        return moment_ns // self.bucket_ns if self.bucket_ns else month_of(moment_ns // DAY_NS)

    def start(self, index: int) -> int:
        """Return the first nanosecond of a bucket."""
        return index * self.bucket_ns if self.bucket_ns else _month_start(index)


class Piece(NamedTuple):
    """A span of one level's buckets, or of nanoseconds where `level` is None."""

    level: Level | None
    start: int
    end: int


def levels_for(dimensions: Sequence[str], bucket_ns: int | None = None) -> list[Level]:
    """Return the tables that can answer for these dimensions together, coarsest first.

    A series of buckets of `bucket_ns` can only use tables whose buckets divide them.
    """
    wanted = set(dimensions)
    levels: list[Level] = []
    if len(wanted) <= 1:
        number = NUMBER[dimensions[0]] if wanted else 0
        columns = {dimensions[0]: "value"} if wanted else {}
        levels.append(Level("day_value", "day", DAY_NS, columns, number))
        levels.append(Level("hour_value", "hour", HOUR_NS, columns, number))
    elif wanted <= {"project", "provider", "model"}:
        levels.append(Level("day_project_model", "day", DAY_NS, _itself("project", "provider", "model")))
    elif wanted <= {"customer", "provider", "model"}:
        levels.append(Level("month_customer_model", "month", 0, _itself("customer", "provider", "model")))
    if wanted <= {"provider", "model"}:
        levels.append(Level("minute_model", "minute", MINUTE_NS, _itself("provider", "model")))
    if bucket_ns is not None:
        levels = [level for level in levels if level.bucket_ns and bucket_ns % level.bucket_ns == 0]
    return levels


def cover(since_ns: int, until_ns: int, levels: Sequence[Level]) -> Iterator[Piece]:
    """Yield disjoint pieces that together are `[since_ns, until_ns)`."""
    if until_ns <= since_ns:
        return
    if not levels:
        yield Piece(None, since_ns, until_ns)
        return
    level, finer = levels[0], levels[1:]
    first, last = level.index(since_ns), level.index(until_ns)
    if level.start(first) < since_ns:
        first += 1
    if first >= last:
        yield from cover(since_ns, until_ns, finer)
        return
    yield from cover(since_ns, level.start(first), finer)
    yield Piece(level, first, last)
    yield from cover(level.start(last), until_ns, finer)


def widen(
    since_ns: int | None, until_ns: int | None, earliest_ns: int, latest_ns: int, levels: Sequence[Level]
) -> tuple[int, int]:
    """Return the period moved out to whole buckets on each side where no call lies beyond it.

    "Until now" would otherwise count a whole hour call by call.
    """
    coarsest = levels[0] if levels else None
    if since_ns is None or since_ns <= earliest_ns:
        since_ns = coarsest.start(coarsest.index(earliest_ns)) if coarsest else earliest_ns
    if until_ns is None or until_ns > latest_ns:
        until_ns = coarsest.start(coarsest.index(latest_ns) + 1) if coarsest else latest_ns + 1
    return since_ns, until_ns


def _itself(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _month_start(index: int) -> int:
    year, month = divmod(index, 12)
    return (date(year, month + 1, 1) - date(1970, 1, 1)).days * DAY_NS
