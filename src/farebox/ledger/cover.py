"""Answer for a period with the fewest rows: whole buckets of sums, single calls at the edges.

A bucket whose sums are not made yet (settling.py) is answered from what they will be made of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from farebox.ledger.tables import ALL, CELL, DAY_NS, HOUR_NS, HOURLY_PAIRS, MINUTE_NS, NUMBER, PAIRS

_OF_CELL = frozenset(CELL)
_CELL_COLUMNS = {name: f"cell.{name}" for name in CELL}


class Level(msgspec.Struct, frozen=True):
    """A table of sums: its buckets, and where it keeps which dimension."""

    table: str
    bucket: str
    """The column with the bucket's number."""
    bucket_ns: int
    columns: dict[str, str]
    """Dimension to column, in the order of the table's key behind the bucket."""
    kind: tuple[str, int] | None = None
    """Column and number of the dimension or pair, for the tables that hold several."""
    is_made: bool = False
    """Its buckets can be stale."""
    of_cells: bool = False
    """Its rows are by cell, so that values are looked up beside it."""

    def index(self, moment_ns: int) -> int:
        """Return the bucket that `moment_ns` lies in."""
        return moment_ns // self.bucket_ns

    def start(self, index: int) -> int:
        """Return the first nanosecond of a bucket."""
        return index * self.bucket_ns


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
        columns = {dimensions[0]: "value"} if wanted else {"": "value"}
        kind = ("dimension", NUMBER[dimensions[0]] if wanted else ALL)
        levels.append(Level("day_value", "day", DAY_NS, columns, kind, is_made=True))
        is_made = bool(wanted) and wanted <= _OF_CELL
        levels.append(Level("hour_value", "hour", HOUR_NS, columns, kind, is_made=is_made))
    elif pair := next((pair for pair in PAIRS if wanted == set(pair)), None):
        columns = {pair[0]: "a", pair[1]: "b"}
        kind = ("pair", PAIRS[pair])
        levels.append(Level("day_pair", "day", DAY_NS, columns, kind, is_made=True))
        if pair in HOURLY_PAIRS:
            levels.append(Level("hour_pair", "hour", HOUR_NS, columns, kind, is_made=True))
    elif wanted <= _OF_CELL:
        levels.append(Level("day_cell", "day", DAY_NS, _CELL_COLUMNS, is_made=True, of_cells=True))
    elif wanted <= {"project", "provider", "model"}:
        levels.append(Level("day_project_model", "day", DAY_NS, _itself("project", "provider", "model")))
    elif wanted <= {"customer", "provider", "surface", "model"}:
        columns = _itself("customer", "provider", "surface", "model")
        levels.append(Level("day_customer_model", "day", DAY_NS, columns))
    elif wanted <= {"customer", "key"}:
        levels.append(Level("day_customer_key", "day", DAY_NS, _itself("customer", "key")))
    if wanted and wanted <= _OF_CELL:
        levels.append(Level("hour_cell", "hour", HOUR_NS, _CELL_COLUMNS, of_cells=True))
    if wanted <= {"provider", "model"}:
        levels.append(Level("minute_model", "minute", MINUTE_NS, _itself("provider", "model")))
    if bucket_ns is not None:
        levels = [level for level in levels if bucket_ns % level.bucket_ns == 0]
    return levels


def cover(
    since_ns: int, until_ns: int, levels: Sequence[Level], stale: Mapping[str, Collection[int]]
) -> Iterator[Piece]:
    """Yield disjoint pieces that together are `[since_ns, until_ns)`.

    `stale` has the numbers of stale buckets, by the column a level has its buckets in.
    """
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
        yield from cover(since_ns, until_ns, finer, stale)
        return
    yield from cover(since_ns, level.start(first), finer, stale)
    behind = first
    for start, end in _runs(stale.get(level.bucket, ()) if level.is_made else (), first, last):
        if start > behind:
            yield Piece(level, behind, start)
        yield from cover(level.start(start), level.start(end), finer, stale)
        behind = end
    if last > behind:
        yield Piece(level, behind, last)
    yield from cover(level.start(last), until_ns, finer, stale)


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


def _runs(numbers: Collection[int], first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield the runs of `numbers` within `[first, last)`, each with the number behind it."""
    run: tuple[int, int] | None = None
    for number in sorted(number for number in numbers if first <= number < last):
        if run and run[1] == number:
            run = (run[0], number + 1)
            continue
        if run:
            yield run
        run = (number, number + 1)
    if run:
        yield run


def _itself(*names: str) -> dict[str, str]:
    return {name: name for name in names}
