"""Add up calls by dimension and by bucket, from the tables of sums wherever they can answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from farebox.ledger.conditions import CALL_VALUE, Conditions
from farebox.ledger.cover import Level, Piece, cover, levels_for, widen
from farebox.ledger.database import Connection
from farebox.ledger.filter import Filter
from farebox.ledger.measures import RAW_SUMS, SUMS
from farebox.ledger.rollup import ALL, DAY_NS, HOUR_NS, NUMBER

Key = tuple[int, tuple[str, ...]]
"""A bucket's first nanosecond (0 without buckets) and a value for each dimension asked for."""

_LOOKED_UP_MAX = 200
"""With more values in the column before, reading over them is no slower than looking each up."""


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
) -> dict[Key, list[int]]:
    """Return the sums, in the order of `MEASURES`, of every group that has calls."""
    wanted = which.values()
    reach = extent(connection)
    if reach is None:
        return {}
    levels = levels_for([*dict.fromkeys([*wanted, *by])], bucket_ns)
    since_ns, until_ns = widen(which.since_ns, which.until_ns, *reach, levels)
    total: dict[Key, list[int]] = {}
    for piece in cover(since_ns, until_ns, levels):
        statement, parameters = _statement(connection, piece, wanted, by, bucket_ns)
        for row in connection.execute(statement, parameters):
            key = (row[0] or 0, tuple(row[1 : 1 + len(by)]))
            values = row[1 + len(by) :]
            if not values[0]:
                continue
            known = total.get(key)
            total[key] = [a + b for a, b in zip(known, values, strict=True)] if known else list(values)
    return total


def seq_span(connection: Connection, since_ns: int, until_ns: int) -> tuple[int, int, int]:
    """Return the first and last row that can lie in a period, and how many do by the hour."""
    row = connection.execute(
        "SELECT coalesce(min(first_seq), 0), coalesce(max(last_seq), -1), coalesce(sum(calls), 0) "
        "FROM hour_value WHERE dimension = ? AND hour >= ? AND hour <= ?",
        (ALL, since_ns // HOUR_NS, (until_ns - 1) // HOUR_NS),
    ).fetchone()
    return row[0], row[1], row[2]


def _statement(
    connection: Connection,
    piece: Piece,
    wanted: Mapping[str, Sequence[str]],
    by: Sequence[str],
    bucket_ns: int | None,
) -> tuple[str, list[int | str]]:
    level = piece.level
    where = Conditions()
    if level is None:
        table, columns, select, moment = "call", CALL_VALUE, RAW_SUMS, "occurred_at"
        first, last, calls = seq_span(connection, piece.start, piece.end)
        if last - first < calls * 4:  # rows lie close together, so walking them beats the index
            moment = "+occurred_at"
            where.add("seq BETWEEN ? AND ?", first, last)
        where.add(f"{moment} >= ? AND {moment} < ?", piece.start, piece.end)
        unit = 1
    else:
        table, columns, select, unit = level.table, level.columns, SUMS, level.bucket_ns
        moment = level.bucket
        if level.kind is not None:
            where.add(f"{level.kind[0]} = ?", level.kind[1])
        _add_buckets(connection, where, level, piece, wanted)
    where.add_values(columns, wanted)
    bucket = f"{moment} * {unit:d} / {bucket_ns:d} * {bucket_ns:d}" if bucket_ns else "0"
    names = [columns[dimension] for dimension in by]
    groups = ", ".join(str(number) for number in range(1, 2 + len(by))) if by or bucket_ns else ""
    statement = f"SELECT {', '.join([bucket, *names])}, {select} FROM {table} WHERE {where}"  # noqa: S608
    return statement + (f" GROUP BY {groups}" if groups else ""), where.parameters


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
