"""Add up calls by dimension and by bucket, from the tables of sums wherever they can answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from operator import add
from typing import NamedTuple

from farebox.ledger.conditions import CALL_VALUE, Conditions, is_one_value
from farebox.ledger.corrections import any_there
from farebox.ledger.cover import Level, Piece, cover, levels_for, widen
from farebox.ledger.database import Connection
from farebox.ledger.filter import OTHER, Filter
from farebox.ledger.measures import MEASURES, RAW_SUMS, SUMS
from farebox.ledger.overflow import uncounted_days
from farebox.ledger.settling import stale_days, stale_hours
from farebox.ledger.spans import add_span, seq_span, spans_of_values
from farebox.ledger.tables import ALL, CELL, DAY_NS, HOUR_NS, KEY_WIDTH, NUMBER, OPEN
from farebox.money import PICO_PER_MICRO

Key = tuple[int, tuple[str, ...]]
"""A bucket's first nanosecond (0 without buckets) and a value for each dimension asked for."""

_LOOKED_UP_MAX = 200
"""With more values in the column before, reading over them is no slower than looking each up."""

_SEEK_COST = 7
"""How many rows can be read in order while one is looked up."""

_RANKED = {*OPEN, "key"}
_RANK = ("cost_micro", "cost_pico", "calls")
_RAW_RANK = (f"coalesce(cost_pico / {PICO_PER_MICRO}, 0)", f"coalesce(cost_pico % {PICO_PER_MICRO}, 0)", "1")


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
    return _sums(connection, which, _narrowing(connection, which), by, bucket_ns)


def dearest(connection: Connection, which: Filter, by: Sequence[str], limit: int) -> dict[Key, Sequence[int]]:
    """Return the sums of groups, at least of the `limit` dearest ones.

    A dimension that can have any number of values is ranked first: adding up everything of
    values nobody will see takes longer than all the rest.
    """
    wanted = _narrowing(connection, which)
    if len(by) == 1 and by[0] in _RANKED and by[0] not in wanted and limit <= _LOOKED_UP_MAX:
        # Where all of it is counted from the calls, walking over them twice is worth it for many values only.
        is_worth_it = by[0] in OPEN or levels_for([*wanted, *by])
        if is_worth_it and _are_many(connection, by[0], limit):
            top = _top(connection, which, wanted, by[0], limit)
            if len(top) == limit:
                wanted = {**wanted, by[0]: top}
    return _sums(connection, which, wanted, by, None)


def _narrowing(connection: Connection, which: Filter) -> dict[str, list[str]]:
    """Return the wanted values but those of dimensions that have no other value in the period."""
    wanted = which.values()
    hours = (
        -(1 << 62) if which.since_ns is None else which.since_ns // HOUR_NS,
        1 << 62 if which.until_ns is None else which.until_ns // HOUR_NS,
    )
    statement = "SELECT DISTINCT value FROM hour_value WHERE dimension = ? AND hour BETWEEN ? AND ? LIMIT 2"
    for name in [name for name in wanted if name in OPEN]:
        found = connection.execute(statement, (NUMBER[name], *hours)).fetchall()
        if len(found) == 1 and found[0][0] in wanted[name] and found[0][0] != OTHER:
            del wanted[name]
    return wanted


def _are_many(connection: Connection, dimension: str, limit: int) -> bool:
    """Tell whether a dimension ever had more values than will be shown."""
    if dimension in CELL:
        statement = f"SELECT count(*) FROM (SELECT DISTINCT {dimension} FROM cell)"  # noqa: S608
        return connection.execute(statement).fetchone()[0] > limit
    statement = "SELECT count(*) FROM (SELECT DISTINCT value FROM day_value WHERE dimension = ? LIMIT ?)"
    of_days = connection.execute(statement, (NUMBER[dimension], limit + 1)).fetchone()[0]
    statement = (
        "SELECT count(*) FROM (SELECT DISTINCT value FROM hour_value WHERE dimension = ? AND hour IN "
        "(SELECT hour FROM stale_day JOIN hour_value ON hour BETWEEN day * 24 AND day * 24 + 23 "
        "WHERE dimension = 0) LIMIT ?)"
    )
    return (
        of_days > limit or connection.execute(statement, (NUMBER[dimension], limit + 1)).fetchone()[0] > limit
    )


def _sums(
    connection: Connection,
    which: Filter,
    wanted: Mapping[str, Sequence[str]],
    by: Sequence[str],
    bucket_ns: int | None,
) -> dict[Key, Sequence[int]]:
    total: dict[Key, list[int]] = {}
    width = 1 + len(by)
    for piece in _pieces(connection, which, wanted, by, bucket_ns):
        groups = ", ".join(str(number) for number in range(1, width + 1)) if by or bucket_ns else ""
        select = RAW_SUMS if piece.level is None else SUMS
        if _is_single(piece.level, wanted, by, bucket_ns):
            groups, select = "", ", ".join(MEASURES)
        for asked in _asked(connection, piece, wanted, by, bucket_ns):
            statement = f"SELECT {asked.keys}, {select} FROM {asked.source}"  # noqa: S608 - names from constants
            if groups:
                statement += f" GROUP BY {groups}"
            for row in connection.execute(statement, asked.parameters):
                if row[width]:
                    _count(total, (row[0] or 0, row[1:width]), row[width:], is_taken_away=piece.is_taken_away)
    return {key: values for key, values in total.items() if values[0]}


def _count(total: dict[Key, list[int]], key: Key, values: Sequence[int], *, is_taken_away: bool) -> None:
    known = total.get(key)
    if is_taken_away:
        values = [-value for value in values]
    total[key] = list(values) if known is None else list(map(add, known, values))


def _top(
    connection: Connection, which: Filter, wanted: Mapping[str, Sequence[str]], dimension: str, limit: int
) -> list[str]:
    """Return the values with the most cost, by the same order in which groups are shown."""
    sources: list[str] = []
    parameters: list[int | str] = []
    for piece in _pieces(connection, which, wanted, [dimension], None):
        rank = _RAW_RANK if piece.level is None else _RANK
        if piece.is_taken_away:
            rank = [f"-({term})" for term in rank]
        for asked in _asked(connection, piece, wanted, [dimension], None):
            sources.append(f"SELECT {asked.keys}, {', '.join(rank)} FROM {asked.source}")  # noqa: S608
            parameters += asked.parameters
    if not sources:
        return []
    found = "WITH found(bucket, value, micro, pico, calls) AS (" + " UNION ALL ".join(sources) + ")"
    statement = (
        f"{found} SELECT value FROM found GROUP BY value HAVING sum(calls) > 0 "  # noqa: S608 - names from constants
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
    stale = {"hour": stale_hours(connection), "day": stale_days(connection)}
    for day in uncounted_days(connection, wanted, since_ns, until_ns) if levels else ():
        start, end = max(day * DAY_NS, since_ns), min((day + 1) * DAY_NS, until_ns)
        yield from cover(since_ns, start, levels, stale)
        yield Piece(None, start, end)
        since_ns = end
    yield from cover(since_ns, until_ns, levels, stale)


def _is_single(
    level: Level | None, wanted: Mapping[str, Sequence[str]], by: Sequence[str], bucket_ns: int | None
) -> bool:
    """Tell whether every row of a table is a group of its own, so that there is nothing to add up."""
    if level is None or level.kind is None or level.names is not None or level.bucket_ns != bucket_ns:
        return False
    return all(not name or name in by or is_one_value(name, wanted.get(name, ())) for name in level.columns)


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
) -> list[_Asked]:
    level = piece.level
    if level is None:
        return _asked_of_calls(connection, piece, wanted, by, bucket_ns)
    if level.names is not None:
        return [_asked_of_named(connection, level, piece, wanted, by, bucket_ns)]
    where = Conditions()
    if level.kind is not None:
        where.add(f"{level.kind[0]} = ?", level.kind[1])
    _add_buckets(connection, where, level, piece, wanted)
    where.add_values(level.columns, wanted)
    bucket = _bucket(level.bucket, level.bucket_ns, bucket_ns)
    keys = ", ".join([bucket, *(level.columns[dimension] for dimension in by)])
    return [_Asked(keys, f"{level.table} WHERE {where}", where.parameters)]


def _asked_of_calls(
    connection: Connection,
    piece: Piece,
    wanted: Mapping[str, Sequence[str]],
    by: Sequence[str],
    bucket_ns: int | None,
) -> list[_Asked]:
    """Ask the calls themselves: those that stand as they were appended, and those that were corrected."""
    keys = ", ".join([_bucket("occurred_at", 1, bucket_ns), *(CALL_VALUE[dimension] for dimension in by)])
    corrected = any_there(connection)
    where, kinds, of_corrected = Conditions(), Conditions(), Conditions()
    spans = spans_of_values(connection, wanted, piece.start, piece.end)
    source = "call CROSS JOIN kind ON kind.id = call.kind"
    if spans is None:
        add_span(connection, where, "occurred_at", piece.start, piece.end)
    else:
        source = f"json_each(?) AS span CROSS JOIN {source}"
        where.add("seq BETWEEN span.value ->> 0 AND span.value ->> 1", json.dumps(spans))
        where.add("+occurred_at >= ? AND +occurred_at < ?", piece.start, piece.end)
    where.add_values(CALL_VALUE, {name: values for name, values in wanted.items() if name in OPEN})
    closed = {name: values for name, values in wanted.items() if name in CELL}
    if closed:
        kinds.add_values(CALL_VALUE, closed)
        where.add(f"call.kind IN (SELECT id FROM kind WHERE {kinds})", *kinds.parameters)  # noqa: S608
    if not corrected:
        return [_Asked(keys, f"{source} WHERE {where}", where.parameters)]
    where.add("NOT EXISTS (SELECT 1 FROM correction WHERE call_seq = seq)")
    first, last, _ = seq_span(connection, piece.start, piece.end)
    of_corrected.add(
        "seq IN (SELECT call_seq FROM correction WHERE call_seq BETWEEN ? AND ?) "
        "AND occurred_at >= ? AND occurred_at < ?",
        first,
        last,
        piece.start,
        piece.end,
    )
    of_corrected.add_values(CALL_VALUE, wanted)
    return [
        _Asked(keys, f"{source} WHERE {where}", where.parameters),
        _Asked(keys, f"call_now WHERE {of_corrected}", of_corrected.parameters),
    ]


def _bucket(moment: str, unit_ns: int, bucket_ns: int | None) -> str:
    return f"{moment} * {unit_ns:d} / {bucket_ns:d} * {bucket_ns:d}" if bucket_ns else "0"


def _asked_of_named(
    connection: Connection,
    level: Level,
    piece: Piece,
    wanted: Mapping[str, Sequence[str]],
    by: Sequence[str],
    bucket_ns: int | None,
) -> _Asked:
    """Ask a table whose rows have the number of a cell or of a shape, and maybe values of their own."""
    table, names = level.table, level.names
    bucket, number = f"{table}.{level.bucket}", f"{table}.{names}"
    columns = {
        name: column if "." in column else f"{table}.{column}" for name, column in level.columns.items()
    }
    of_names = {name for name, column in level.columns.items() if "." in column}
    where, numbers = Conditions(), Conditions()
    if level.kind is not None:
        where.add(f"{table}.{level.kind[0]} = ?", level.kind[1])
    own = {name: values for name, values in wanted.items() if name not in of_names}
    named = {name: values for name, values in wanted.items() if name in of_names}
    numbers.add_values(columns, named)
    is_few = bool(named) and not own and _are_few(connection, level, piece, numbers)
    if own:
        _add_buckets(connection, where, level, piece, own)
        where.add_values(columns, own)
    elif is_few:
        listed = json.dumps(list(range(piece.start, piece.end)))
        where.add(f"{bucket} IN (SELECT value FROM json_each(?))", listed)  # noqa: S608
    else:
        where.add(f"{bucket} >= ? AND {bucket} < ?", piece.start, piece.end)
    if named:
        # The sign keeps numbers from being looked up one by one in every bucket.
        looked_up = number if is_few else f"+{number}"
        where.add(f"{looked_up} IN (SELECT id FROM {names} WHERE {numbers})", *numbers.parameters)  # noqa: S608
    keys = ", ".join([_bucket(bucket, level.bucket_ns, bucket_ns), *(columns[name] for name in by)])
    joined = any(name in of_names for name in by)
    source = f"{table} CROSS JOIN {names} ON {names}.id = {number}" if joined else table
    return _Asked(keys, f"{source} WHERE {where}", where.parameters)


def _are_few(connection: Connection, level: Level, piece: Piece, numbers: Conditions) -> bool:
    """Tell whether looking up each of these numbers in each bucket is quicker than reading the buckets."""
    table, names = level.table, level.names
    if level.kind is not None or KEY_WIDTH[table] > 2:
        return False
    counted = f"SELECT count(*) FROM {names} WHERE {numbers}"  # noqa: S608 - names from constants
    found = connection.execute(counted, numbers.parameters).fetchone()[0]
    counted = f"SELECT count(*) FROM {table} WHERE {level.bucket} = ?"  # noqa: S608
    usual = connection.execute(counted, ((piece.start + piece.end) // 2,)).fetchone()[0]
    return found * _SEEK_COST < usual


def _add_buckets(
    connection: Connection,
    where: Conditions,
    level: Level,
    piece: Piece,
    wanted: Mapping[str, Sequence[str]],
) -> None:
    """Require the piece's buckets, so that the wanted values are looked up in each instead of read over."""
    keyed = [name for name, column in level.columns.items() if name and "." not in column]
    beyond = keyed[1:] and keyed[0] not in wanted and keyed[1] in wanted
    if not wanted or (beyond and not _add_values_of(connection, where, level, piece, keyed[0])):
        where.add(f"{level.bucket} >= ? AND {level.bucket} < ?", piece.start, piece.end)
        return
    unit = level.bucket_ns
    if unit not in (HOUR_NS, DAY_NS):
        where.add(f"{level.bucket} >= ? AND {level.bucket} < ?", piece.start, piece.end)
        return
    per = unit // HOUR_NS
    where.add(
        f"{level.bucket} IN (SELECT DISTINCT (hour - (hour % {per:d} + {per:d}) % {per:d}) / {per:d} "  # noqa: S608
        "FROM hour_value "
        "WHERE dimension = ? AND value = '' AND hour >= ? AND hour < ?)",
        ALL,
        piece.start * per,
        piece.end * per,
    )


def _add_values_of(
    connection: Connection, where: Conditions, level: Level, piece: Piece, dimension: str
) -> bool:
    """Name every value that a dimension has in a piece, where these are few."""
    if dimension in CELL:
        statement = f"SELECT DISTINCT {dimension} FROM cell LIMIT ?"  # noqa: S608 - names from constants
        found = connection.execute(statement, (_LOOKED_UP_MAX + 1,))
    else:
        hours = level.start(piece.start) // HOUR_NS, level.start(piece.end) // HOUR_NS - 1
        found = connection.execute(
            "SELECT DISTINCT value FROM hour_value WHERE dimension = ? AND hour BETWEEN ? AND ? LIMIT ?",
            (NUMBER[dimension], *hours, _LOOKED_UP_MAX + 1),
        )
    values = [value for (value,) in found]
    if len(values) > _LOOKED_UP_MAX:
        return False
    column = level.columns[dimension]
    where.add_values({dimension: f"{level.table}.{column}"}, {dimension: values})
    return True
