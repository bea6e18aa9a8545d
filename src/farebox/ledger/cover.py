"""Answer for a period with the fewest rows: whole buckets of sums, single calls at the edges.

A bucket whose sums are not made yet (settling.py) is answered from what they will be made of. Where most of
a bucket is wanted, it is taken whole and what is not wanted of it is taken away again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from farebox.ledger.tables import (
    ALL,
    CELL,
    COMBINED,
    DAY_NS,
    HOUR_NS,
    LEFT_OPEN,
    MINUTE_NS,
    NUMBER,
    SHAPE,
)

_OF_CELL = frozenset(CELL)
_OF_SHAPE = frozenset(SHAPE)
_OF_KEY = _OF_CELL - LEFT_OPEN
_CELL_COLUMNS = {name: f"cell.{name}" for name in CELL}
_SHAPE_COLUMNS = {name: f"shape.{name}" for name in SHAPE}
_SHAPE_BESIDE_KEY = {name: column for name, column in _SHAPE_COLUMNS.items() if name not in LEFT_OPEN}


class Level(msgspec.Struct, frozen=True):
    """A table of sums: its buckets, and where it keeps which dimension."""

    table: str
    bucket: str
    """The column with the bucket's number."""
    bucket_ns: int
    columns: dict[str, str]
    """Dimension to column, in the order of the table's key behind the bucket."""
    kind: tuple[str, int] | None = None
    """Column and number of the dimension, for the tables that hold several."""
    is_made: bool = False
    """Its buckets can be stale."""
    names: str | None = None
    """The table with the values of its rows' numbers, `cell` or `shape`."""

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
    is_taken_away: bool = False
    """It is not wanted, and was counted with the bucket it lies in."""


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
    elif wanted <= _OF_CELL:
        levels += _levels_of_cells(wanted)
    else:
        levels += _levels_of_values(wanted)
    if wanted and wanted <= _OF_CELL:
        levels.append(Level("hour_cell", "hour", HOUR_NS, _CELL_COLUMNS, names="cell"))
    if wanted <= {"provider", "model"}:
        levels.append(Level("minute_model", "minute", MINUTE_NS, _itself("provider", "model")))
    if bucket_ns is not None:
        levels = [level for level in levels if bucket_ns % level.bucket_ns == 0]
    return levels


def _levels_of_cells(wanted: set[str]) -> list[Level]:
    """Return the tables for dimensions that have few values."""
    if wanted <= _OF_SHAPE:
        columns, tables = _SHAPE_COLUMNS, ("day_shape", "hour_shape")
    elif wanted <= _OF_KEY:
        columns, tables = {"key": "key", **_SHAPE_BESIDE_KEY}, ("day_key_shape", "hour_key_shape")
    elif wanted == {"model", "key"}:
        return [Level("day_model_key", "day", DAY_NS, _itself("model", "key"), is_made=True)]
    else:
        return [Level("day_cell", "day", DAY_NS, _CELL_COLUMNS, is_made=True, names="cell")]
    day, hour = tables
    return [
        Level(day, "day", DAY_NS, columns, is_made=True, names="shape"),
        Level(hour, "hour", HOUR_NS, columns, is_made=True, names="shape"),
    ]


def _levels_of_values(wanted: set[str]) -> list[Level]:
    """Return the tables for one dimension that can have any number of values, and others."""
    name, *more = (name for name in wanted if name not in _OF_CELL)
    if more or name not in COMBINED:
        return []
    beside = wanted - {name}
    kind = ("dimension", NUMBER[name])
    if beside <= _OF_SHAPE:
        columns, table = {name: "value", **_SHAPE_COLUMNS}, "day_value_shape"
    elif beside <= _OF_KEY:
        columns, table = {name: "value", "key": "key", **_SHAPE_BESIDE_KEY}, "day_value_key"
    else:
        return []
    return [Level(table, "day", DAY_NS, columns, kind, is_made=True, names="shape")]


def cover(
    since_ns: int, until_ns: int, levels: Sequence[Level], stale: Mapping[str, Collection[int]]
) -> Iterator[Piece]:
    """Yield pieces that together are `[since_ns, until_ns)`.

    `stale` has the numbers of stale buckets, by the column a level has its buckets in.
    """
    if until_ns <= since_ns:
        return
    if not levels:
        yield Piece(None, since_ns, until_ns)
        return
    level, finer = levels[0], levels[1:]
    missing = frozenset(stale.get(level.bucket, ())) if level.is_made else frozenset[int]()
    first, last = level.index(since_ns), level.index(until_ns)
    if first == last:
        start, end = level.start(first), level.start(first + 1)
        if first not in missing and (until_ns - since_ns) * 2 > end - start:
            yield Piece(level, first, first + 1)
            yield from _taken_away(cover(start, since_ns, finer, stale))
            yield from _taken_away(cover(until_ns, end, finer, stale))
        else:
            yield from cover(since_ns, until_ns, finer, stale)
        return
    if since_ns > level.start(first):
        if first not in missing and (since_ns - level.start(first)) * 2 < level.bucket_ns:
            yield from _taken_away(cover(level.start(first), since_ns, finer, stale))
        else:
            first += 1
            yield from cover(since_ns, level.start(first), finer, stale)
    if until_ns > level.start(last):
        if last not in missing and (level.start(last + 1) - until_ns) * 2 < level.bucket_ns:
            last += 1
            yield from _taken_away(cover(until_ns, level.start(last), finer, stale))
        else:
            yield from cover(level.start(last), until_ns, finer, stale)
    behind = first
    for start, end in _runs(missing, first, last):
        if start > behind:
            yield Piece(level, behind, start)
        yield from cover(level.start(start), level.start(end), finer, stale)
        behind = end
    if last > behind:
        yield Piece(level, behind, last)


def _taken_away(pieces: Iterable[Piece]) -> Iterator[Piece]:
    for level, start, end, is_taken_away in pieces:
        yield Piece(level, start, end, not is_taken_away)


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
