"""Read the ledger: totals, groups, series, calls. Never writes, safe while the writer runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import apsw

from farebox.errors import CallNotFoundError, UsageError
from farebox.home import Home
from farebox.ledger import corrections, health
from farebox.ledger.backlog import Backlog, backlog
from farebox.ledger.conditions import CALL_VALUE, Conditions
from farebox.ledger.database import Connection, ledger_error, open_reader
from farebox.ledger.filter import DIMENSIONS, OTHER, Filter
from farebox.ledger.health import LedgerHealth
from farebox.ledger.measures import as_measures, cost_pico
from farebox.ledger.rows import CallRow, Group, Measures, Point
from farebox.ledger.settling import stale_hours
from farebox.ledger.shown import call_row
from farebox.ledger.spans import merged, seq_span, spans_of
from farebox.ledger.stored import SELECT, SELECT_NOW, with_details
from farebox.ledger.sums import dearest, sums
from farebox.ledger.tables import ALL, CELL, HOUR_NS

__all__ = ["DIMENSIONS", "OTHER", "Filter", "LedgerHealth", "LedgerReader"]

_EXPORT_CHUNK = 500
_FAR_FUTURE_NS = (1 << 63) - 1

T = TypeVar("T")


class LedgerReader:
    """Queries over one home's ledger; a home without a ledger answers with zeros.

    Every method sees one consistent state. Threads may share a reader.
    """

    def __init__(self, home: Home) -> None:
        self.trouble: str | None = None
        """Why whoever opened it could not bring it up to date."""
        self._home = home
        self._local = threading.local()

    def close(self) -> None:
        """Close this thread's connection."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def totals(self, which: Filter) -> Measures:
        """Return the sums over the calls of `which`."""
        found = self._ask(lambda connection: sums(connection, which), {})
        return as_measures(next(iter(found.values()))) if found else Measures()

    def breakdown(self, which: Filter, by: Sequence[str], limit: int = 100) -> list[Group]:
        """Return the sums for each value of the dimensions `by`, dearest first.

        Raises:
            UsageError: There is no such dimension.
        """
        _check(by)
        found = self._ask(lambda connection: dearest(connection, which, by, limit), {})
        ranked = sorted(found.items(), key=lambda item: (-cost_pico(item[1]), -item[1][0], item[0]))
        return [
            Group(keys=_keys(by, values), measures=as_measures(total))
            for (_, values), total in ranked[:limit]
        ]

    def series(self, which: Filter, bucket_s: int, by: str | None = None) -> list[Point]:
        """Return the sums for each bucket of `bucket_s` seconds that has calls, oldest first.

        Buckets are counted from 1970 in UTC. A day of another time zone is a sum of hours.
        """
        if bucket_s < 1:
            raise UsageError(f"a bucket has at least one second, not {bucket_s}")
        dimensions = [] if by is None else [by]
        _check(dimensions)
        found = self._ask(
            lambda connection: sums(connection, which, dimensions, bucket_s * 1_000_000_000), {}
        )
        return [
            Point(
                start_ns=start,
                keys={} if by is None else {by: values[0] or None},
                measures=as_measures(total),
            )
            for (start, values), total in sorted(found.items())
        ]

    def calls(
        self, which: Filter, limit: int = 100, before_seq: int | None = None, after_seq: int | None = None
    ) -> list[CallRow]:
        """Return calls newest first, or, given `after_seq`, oldest first from the next one on."""
        return self._ask(
            lambda connection: _shown(connection, _calls(connection, which, limit, before_seq, after_seq)), []
        )

    def call(self, event_id: str) -> CallRow:
        """Return the call with this id, or with a beginning of one that no other call has.

        Raises:
            CallNotFoundError: There is none, or more than one.
        """
        digits = event_id.replace("-", "").lower()
        try:
            low, high = bytes.fromhex(f"{digits:0<32}"), bytes.fromhex(f"{digits:f<32}")
        except ValueError:
            low = high = b""
        if not digits or len(low) != 16:
            raise CallNotFoundError(f"{event_id!r} is no call id, nor the beginning of one")
        statement = f"SELECT {SELECT} FROM call_now WHERE event_id BETWEEN ? AND ? LIMIT 2"  # noqa: S608
        rows: list[CallRow] = self._ask(
            lambda connection: _shown(connection, connection.execute(statement, (low, high)).fetchall()), []
        )
        if not rows:
            raise CallNotFoundError(f"no call {event_id}")
        if len(rows) > 1:
            raise CallNotFoundError(f"more than one call begins with {event_id}; give more digits")
        return rows[0]

    def export(self, which: Filter) -> Iterator[CallRow]:
        """Yield every call of `which` that there is now, oldest first."""
        seq, last = 0, self.last_seq()
        while chunk := self.calls(which, _EXPORT_CHUNK, after_seq=seq):
            for row in chunk:
                if row.seq > last:
                    return
                yield row
            seq = chunk[-1].seq

    def last_seq(self) -> int:
        """Return the sequence number of the newest row, 0 where there is none."""
        row = self._ask(lambda connection: connection.execute("SELECT max(seq) FROM call").fetchone(), None)
        return (row[0] or 0) if row else 0

    def health(self) -> LedgerHealth:
        """Return how far the ledger is and what is missing from it."""
        return health.look(self._home, self._ask(health.read, None))

    def backlog(self) -> Backlog:
        """Return what the journals hold beyond the ledger."""
        known = self._ask(health.read, None)
        return backlog(self._home, known.applied if known else {}, running=health.is_locked(self._home))

    def _ask(self, question: Callable[[Connection], T], nothing: T) -> T:
        """Answer from one snapshot, with `nothing` where there is no ledger yet."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = open_reader(self._home)
            if connection is None:
                return nothing
        try:
            with connection:
                return question(connection)
        except apsw.Error as error:
            raise ledger_error(self._home, error) from error


def _shown(connection: Connection, rows: Sequence[Any]) -> list[CallRow]:
    """Return calls as they are shown, each with what was corrected."""
    trails = (
        corrections.trail(connection, [row[0] for row in rows]) if corrections.any_there(connection) else {}
    )
    shown: list[CallRow] = []
    for row in with_details(connection, rows):
        trail = trails.get(row[0])
        if trail is None:
            shown.append(call_row(row))
            continue
        call = call_row(row, trail[-1][corrections.USAGE])
        call.corrections, call.estimate = corrections.rows_of(trail)
        shown.append(call)
    return shown


def stored_calls(connection: Connection, which: Filter, limit: int, after_seq: int) -> list[Any]:
    """Return calls as they count now, `COLUMNS` and usage, oldest first from the one after `after_seq`."""
    found = _calls(connection, which, limit, None, after_seq, (SELECT_NOW, "call_now"))
    return with_details(connection, found)


def _calls(
    connection: Connection,
    which: Filter,
    limit: int,
    before_seq: int | None,
    after_seq: int | None,
    read: tuple[str, str] | None = None,
) -> list[Any]:
    wanted = which.values()
    since_ns = which.since_ns or 0
    until_ns = _FAR_FUTURE_NS if which.until_ns is None else which.until_ns
    ascending = after_seq is not None
    where = Conditions()
    where.add("seq BETWEEN ? AND ?")
    if which.since_ns is not None or which.until_ns is not None:
        where.add("+occurred_at >= ? AND +occurred_at < ?", since_ns, until_ns)
    where.add_values(CALL_VALUE, wanted)
    order = "ASC" if ascending else "DESC"
    columns, source = read or (SELECT, corrections.source_of(connection))
    statement = f"SELECT {columns} FROM {source} WHERE {where} ORDER BY seq {order} LIMIT ?"  # noqa: S608
    found: list[Any] = []
    for first, last in _seq_ranges(connection, wanted, since_ns, until_ns, descending=not ascending):
        low = first if after_seq is None else max(first, after_seq + 1)
        high = last if before_seq is None else min(last, before_seq - 1)
        if low <= high:
            parameters = (low, high, *where.parameters, limit - len(found))
            found += connection.execute(statement, parameters)
            if len(found) >= limit:
                break
    return found


def _seq_ranges(
    connection: Connection,
    wanted: dict[str, list[str]],
    since_ns: int,
    until_ns: int,
    *,
    descending: bool,
) -> list[tuple[int, int]]:
    """Return disjoint ranges of rows outside of which no wanted call lies, in order.

    The sums by the hour know for every value where its calls are, so that a rare value is found
    without walking the ledger and without an index for each dimension.
    """
    hours = (since_ns // HOUR_NS, (until_ns - 1) // HOUR_NS)
    if not wanted:
        first, last, _ = seq_span(connection, since_ns, until_ns)
        return [(first, last)] if last >= first else []
    best: list[tuple[int, int]] | None = None
    best_rows = 0
    for dimension, values in wanted.items():
        found = spans_of(connection, dimension, values, *hours)
        if dimension in CELL:
            found = merged(sorted({*found, *_spans_of_stale_hours(connection, *hours)}))
        rows = sum(last - first + 1 for first, last in found)
        if best is None or rows < best_rows:
            best, best_rows = found, rows
    ranges = best or []
    return ranges[::-1] if descending else ranges


def _spans_of_stale_hours(connection: Connection, first_hour: int, last_hour: int) -> list[tuple[int, int]]:
    """Return the ranges of rows of hours whose sums by value are not made."""
    return [
        span
        for hour in stale_hours(connection)
        if first_hour <= hour <= last_hour
        for span in connection.execute(
            "SELECT first_seq, last_seq FROM hour_value WHERE dimension = ? AND hour = ?", (ALL, hour)
        )
    ]


def _keys(by: Sequence[str], values: Sequence[str]) -> dict[str, str | None]:
    return {dimension: value or None for dimension, value in zip(by, values, strict=True)}


def _check(by: Sequence[str]) -> None:
    for dimension in by:
        if dimension not in DIMENSIONS:
            raise UsageError(f"no dimension {dimension!r}; there are: {', '.join(DIMENSIONS)}")
