"""Add up calls by dimension and by bucket, from the tables of sums wherever they can answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from farebox.ledger.conditions import CALL_VALUE, Conditions, is_one_value
from farebox.ledger.corrections import source_of
from farebox.ledger.cover import Level, Piece, cover, levels_for, widen
from farebox.ledger.database import Connection
from farebox.ledger.filter import Filter
from farebox.ledger.measures import MEASURES, RAW_SUMS, SUMS
from farebox.ledger.rollup import ALL, DAY_NS, HOUR_NS, NUMBER, OPEN
from farebox.money import PICO_PER_MICRO

Key = tuple[int, tuple[str, ...]]
"""A bucket's first nanosecond (0 without buckets) and a value for each dimension asked for."""

_LOOKED_UP_MAX = 200
"""With more values in the column before, reading over them is no slower than looking each up."""

_RANKED = {*OPEN, "key"}
_RANK = "cost_micro, cost_pico, calls"
_RAW_RANK = f"coalesce(cost_pico / {PICO_PER_MICRO}, 0), coalesce(cost_pico % {PICO_PER_MICRO}, 0), 1"


class Extent(NamedTuple):
    """The first and last moment that calls occurred at."""

    earliest_ns: int
    latest_ns: int


def extent(connection: Connection) -> Extent | None:
    """Return when the first and the last call occurred, None where there is none."""
    row = connection.execute(
        "SELECT (SELECT min(occurred_at) FROM call), (SELECT max(occurred_at) FROM call)"
    ).fetchone()
    return Extent(*row) if row[0] is not None else None


def sums(
    connection: Connection, which: Filter, by: Sequence[str] = (), bucket_ns: int | None = None
) -> dict[Key, Sequence[int]]:
    """Return the sums, in the order of `MEASURES`, of every group that has calls."""
    return _sums(connection, which, which.values(), by, bucket_ns)


def dearest(connection: Connection, which: Filter, by: Sequence[str], limit: int) -> dict[Key, Sequence[int]]:
    """Return the sums of groups, at least of the `limit` dearest ones.

    A dimension that can have any number of values is ranked first: adding up everything of
    values nobody will see takes longer than all the rest.
    """
    wanted = which.values()
    if len(by) == 1 and by[0] in _RANKED and by[0] not in wanted and limit <= _LOOKED_UP_MAX:
        top = _top(connection, which, wanted, by[0], limit)
        if len(top) == limit:
            wanted = {**wanted, by[0]: top}
    return _sums(connection, which, wanted, by, None)


def _sums(
    connection: Connection,
    which: Filter,
    wanted: Mapping[str, Sequence[str]],
    by: Sequence[str],
    bucket_ns: int | None,
) -> dict[Key, Sequence[int]]:
    total: dict[Key, Sequence[int]] = {}
    width = 1 + len(by)
    for piece in _pieces(connection, which, wanted, by, bucket_ns):
        asked = _asked(connection, piece, wanted, by, bucket_ns)
        groups = ", ".join(str(number) for number in range(1, width + 1)) if by or bucket_ns else ""
        select = RAW_SUMS if piece.level is None else SUMS
        if _is_single(piece.level, wanted, by, bucket_ns):
            groups, select = "", ", ".join(MEASURES)
        statement = f"SELECT {asked.keys}, {select} FROM {asked.source}"  # noqa: S608 - names from constants
        if groups:
            statement += f" GROUP BY {groups}"
        for row in connection.execute(statement, asked.parameters):
            key = (row[0] or 0, row[1:width])
            values = row[width:]
            if values[0]:
                known = total.get(key)
                total[key] = values if known is None else [a + b for a, b in zip(known, values, strict=True)]
    return total


def _top(
    connection: Connection, which: Filter, wanted: Mapping[str, Sequence[str]], dimension: str, limit: int
) -> list[str]:
    """Return the values with the most cost, by the same order in which groups are shown."""
    sources: list[str] = []
    parameters: list[int | str] = []
    for piece in _pieces(connection, which, wanted, [dimension], None):
        asked = _asked(connection, piece, wanted, [dimension], None)
        rank = _RAW_RANK if piece.level is None else _RANK
        sources.append(f"SELECT {asked.keys}, {rank} FROM {asked.source}")  # noqa: S608 - names from constants
        parameters += asked.parameters
    if not sources:
        return []
    found = "WITH found(bucket, value, micro, pico, calls) AS (" + " UNION ALL ".join(sources) + ")"
    statement = (
        f"{found} SELECT value FROM found GROUP BY value "  # noqa: S608 - names from constants
        f"ORDER BY sum(micro) + sum(pico) / {PICO_PER_MICRO} DESC, sum(pico) % {PICO_PER_MICRO} DESC, "
        "sum(calls) DESC, value LIMIT ?"
    )
    return [value for (value,) in connection.execute(statement, [*parameters, limit])]


def _pieces(
    connection: Connection,
    which: Filter,
    wanted: Mapping[str, Sequence[str]],
    by: Sequence[str],
    bucket_ns: int | None,
) -> Iterator[Piece]:
    reach = extent(connection)
    if reach is None:
        return
    levels = levels_for([*dict.fromkeys([*wanted, *by])], bucket_ns)
    since_ns, until_ns = widen(which.since_ns, which.until_ns, *reach, levels)
    yield from cover(since_ns, until_ns, levels)


def _is_single(
    level: Level | None, wanted: Mapping[str, Sequence[str]], by: Sequence[str], bucket_ns: int | None
) -> bool:
    """Tell whether every row of a table is a group of its own, so that there is nothing to add up."""
    if level is None or level.kind is None or level.bucket_ns != bucket_ns:
        return False
    return all(not name or name in by or is_one_value(name, wanted.get(name, ())) for name in level.columns)


def seq_span(connection: Connection, since_ns: int, until_ns: int) -> tuple[int, int, int]:
    """Return the first and last row that can lie in a period, and how many do by the hour."""
    row = connection.execute(
        "SELECT coalesce(min(first_seq), 0), coalesce(max(last_seq), -1), coalesce(sum(calls), 0) "
        "FROM hour_value WHERE dimension = ? AND hour >= ? AND hour <= ?",
        (ALL, since_ns // HOUR_NS, (until_ns - 1) // HOUR_NS),
    ).fetchone()
    return row[0], row[1], row[2]


class _Asked(NamedTuple):
    """Parts of a statement: the select list of the group's key, and where the rows are."""

    keys: str
    source: str
    parameters: list[int | str]


def _asked(
    connection: Connection,
    piece: Piece,
    wanted: Mapping[str, Sequence[str]],
    by: Sequence[str],
    bucket_ns: int | None,
) -> _Asked:
    level = piece.level
    where = Conditions()
    if level is None:
        table, columns, moment = source_of(connection), CALL_VALUE, "occurred_at"
        first, last, calls = seq_span(connection, piece.start, piece.end)
        if last - first < calls * 4:  # rows lie close together, so walking them beats the index
            moment = "+occurred_at"
            where.add("seq BETWEEN ? AND ?", first, last)
        where.add(f"{moment} >= ? AND {moment} < ?", piece.start, piece.end)
        unit = 1
    else:
        table, columns, unit = level.table, level.columns, level.bucket_ns
        moment = level.bucket
        if level.kind is not None:
            where.add(f"{level.kind[0]} = ?", level.kind[1])
        _add_buckets(connection, where, level, piece, wanted)
    where.add_values(columns, wanted)
    bucket = f"{moment} * {unit:d} / {bucket_ns:d} * {bucket_ns:d}" if bucket_ns else "0"
    keys = ", ".join([bucket, *(columns[dimension] for dimension in by)])
    return _Asked(keys, f"{table} WHERE {where}", where.parameters)


def _add_buckets(
    connection: Connection,
    where: Conditions,
    level: Level,
    piece: Piece,
    wanted: Mapping[str, Sequence[str]],
) -> None:
    """Require the piece's buckets, so that the wanted values are looked up in each instead of read over."""
    keyed = [dimension for dimension in level.columns if dimension]
    beyond = keyed[1:] and keyed[0] not in wanted and keyed[1] in wanted
    if not wanted or (beyond and not _add_values_of(connection, where, level, piece, keyed[0])):
        where.add(f"{level.bucket} >= ? AND {level.bucket} < ?", piece.start, piece.end)
        return
    table, bucket = ("day_value", "day") if level.bucket == "day" else ("hour_value", "hour")
    unit = level.bucket_ns
    per = (HOUR_NS if bucket == "hour" else DAY_NS) // unit
    if per != 1:
        where.add(f"{level.bucket} >= ? AND {level.bucket} < ?", piece.start, piece.end)
        return
    where.add(
        f"{level.bucket} IN (SELECT {bucket} FROM {table} WHERE dimension = ? AND value = '' "  # noqa: S608
        f"AND {bucket} >= ? AND {bucket} < ?)",
        ALL,
        piece.start,
        piece.end,
    )


def _add_values_of(
    connection: Connection, where: Conditions, level: Level, piece: Piece, dimension: str
) -> bool:
    """Name every value that a dimension has in a piece, where these are few."""
    first, last = level.start(piece.start) // DAY_NS, level.start(piece.end - 1) // DAY_NS
    values = [
        value
        for (value,) in connection.execute(
            "SELECT DISTINCT value FROM day_value WHERE dimension = ? AND day BETWEEN ? AND ? LIMIT ?",
            (NUMBER[dimension], first, last, _LOOKED_UP_MAX + 1),
        )
    ]
    if len(values) > _LOOKED_UP_MAX:
        return False
    where.add_values(level.columns, {dimension: values})
    return True
