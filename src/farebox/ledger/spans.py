"""Which rows can lie in a period: calls are stored as they came, nearly in the order of their moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from farebox.ledger.conditions import Conditions
from farebox.ledger.database import Connection
from farebox.ledger.filter import OTHER
from farebox.ledger.tables import ALL, HOUR_NS, NUMBER, OPEN

_CLOSE_TOGETHER = 4
_SEEK_COST = 8
"""How many rows can be walked over while a value is looked up in an hour."""

Spans = list[tuple[int, int]]
"""Ranges of rows, both ends included, in order and apart from each other."""


def seq_span(connection: Connection, since_ns: int, until_ns: int) -> tuple[int, int, int]:
    """Return the first and last row that can lie in a period, and how many do by the hour."""
    row = connection.execute(
        "SELECT coalesce(min(first_seq), 0), coalesce(max(last_seq), -1), coalesce(sum(calls), 0) "
        "FROM hour_value WHERE dimension = ? AND hour >= ? AND hour <= ?",
        (ALL, since_ns // HOUR_NS, (until_ns - 1) // HOUR_NS),
    ).fetchone()
    return row[0], row[1], row[2]


def add_span(connection: Connection, where: Conditions, moment: str, since_ns: int, until_ns: int) -> None:
    """Require calls of a period: by their numbers where these lie close together, else by the index."""
    first, last, calls = seq_span(connection, since_ns, until_ns)
    if last - first < calls * _CLOSE_TOGETHER:  # walking the rows beats the index
        moment = f"+{moment}"
        where.add("seq BETWEEN ? AND ?", first, last)
    where.add(f"{moment} >= ? AND {moment} < ?", since_ns, until_ns)


def spans_of_values(
    connection: Connection, wanted: Mapping[str, Sequence[str]], since_ns: int, until_ns: int
) -> Spans | None:
    """Return where the wanted calls of a period are, None where they are all over it.

    The sums by the hour know for every value of an open dimension where its calls are.
    """
    first, last, calls = seq_span(connection, since_ns, until_ns)
    hours = since_ns // HOUR_NS, (until_ns - 1) // HOUR_NS
    best: Spans | None = None
    fewest = (last - first + 1) // 2
    for dimension, values in wanted.items():
        if dimension not in OPEN or len(values) * (hours[1] - hours[0] + 1) * _SEEK_COST > calls:
            continue
        found = spans_of(connection, dimension, values, *hours)
        rows = sum(end - start + 1 for start, end in found)
        if rows < fewest:
            best, fewest = found, rows
    return best


def spans_of(
    connection: Connection, dimension: str, values: Sequence[str], first_hour: int, last_hour: int
) -> Spans:
    """Return where the calls with these values are, or those counted as `(other)`, in any of these hours."""
    where = Conditions()
    where.add(
        "dimension = ? AND hour IN (SELECT hour FROM hour_value "
        "WHERE dimension = ? AND value = '' AND hour >= ? AND hour <= ?)",
        NUMBER[dimension],
        ALL,
        first_hour,
        last_hour,
    )
    where.add_values({dimension: "value"}, {dimension: [*values, OTHER]})
    statement = f"SELECT first_seq, last_seq FROM hour_value WHERE {where} ORDER BY 1"  # noqa: S608
    return merged(connection.execute(statement, where.parameters).fetchall())


def merged(spans: Sequence[tuple[int, int]]) -> Spans:
    """Return sorted spans with those that touch put together."""
    found: Spans = []
    for first, last in spans:
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found
