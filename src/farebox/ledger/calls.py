"""Read single calls out of the record: the newest, one, those of a session, all. Never writes.

Sums, groups, and which calls a filter means are asked of the replica (farebox/analytics).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import apsw
import msgspec

from farebox.errors import CallNotFoundError
from farebox.home import Home
from farebox.ledger.call_row import CallRow
from farebox.ledger.database import Connection, ledger_error, open_reader
from farebox.ledger.feed import Batch, Feed
from farebox.ledger.losses import health
from farebox.ledger.losses.backlog import Backlog, backlog
from farebox.ledger.losses.health import LedgerHealth

if TYPE_CHECKING:
    from farebox.ledger.append.in_flight import InFlight
    from farebox.ledger.known_events import Known
    from farebox.ledger.outcomes import Kind, OutcomeRow

_CHUNK = 500
_END = 1 << 62

_SEEN_AS = (
    "o.seq IN (SELECT w.call_seq FROM witness w WHERE w.event_id BETWEEN ? AND ? AND w.id = "
    "(SELECT max(id) FROM witness WHERE event_id = w.event_id AND source = w.source)) ORDER BY o.seq LIMIT 2"
)
"""Calls by the id that another witness gave them."""

T = TypeVar("T")


class LedgerReader:
    """Calls of one home's record; a home without one has none.

    Every method sees one consistent state. Threads may share a reader.
    """

    def __init__(self, home: Home) -> None:
        self.trouble: str | None = None
        """Why it could not be brought up to date when it was opened."""
        self._home = home
        self._local = threading.local()

    def close(self) -> None:
        """Close this thread's connection."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def newest(self, limit: int, before_seq: int | None = None) -> list[CallRow]:
        """Return calls newest first, from the one before `before_seq` on."""
        where = "o.seq < ? ORDER BY o.seq DESC LIMIT ?"
        return self._calls(where, (_END if before_seq is None else before_seq, limit))

    def after(self, seq: int, limit: int) -> list[CallRow]:
        """Return calls oldest first, from the one after `seq` on."""
        return self._calls("o.seq > ? ORDER BY o.seq LIMIT ?", (seq, limit))

    def rows_after(self, seq: int, limit: int, *, with_details: bool = False) -> Batch:
        """Return at most `limit` rows, corrections among them, oldest first, from the one after `seq` on."""

        def read(connection: Connection) -> Batch:
            return Feed(connection).after(seq, limit, with_details=with_details)

        return self._ask(read, Batch([], {}, {}, {}))

    def by_seq(self, seqs: Sequence[int]) -> list[CallRow]:
        """Return the calls with these numbers, in the order of the numbers given."""
        found: dict[int, CallRow] = {}
        for start in range(0, len(seqs), _CHUNK):
            listed = msgspec.json.encode(list(seqs[start : start + _CHUNK])).decode()
            for row in self._calls("o.seq IN (SELECT value FROM json_each(?)) ORDER BY o.seq", (listed,)):
                found[row.seq] = row
        return [found[seq] for seq in seqs if seq in found]

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
        rows = self._calls("o.event_id BETWEEN ? AND ? ORDER BY o.event_id LIMIT 2", (low, high))
        if not rows:
            rows = self._calls(_SEEN_AS, (low, high))
        if not rows:
            raise CallNotFoundError(f"no call {event_id}")
        if len(rows) > 1:
            raise CallNotFoundError(f"more than one call begins with {event_id}; give more digits")
        return rows[0]

    def of_session(self, session: str, after_seq: int = 0) -> list[CallRow]:
        """Return the calls of a session, oldest first."""
        where = (
            "o.seq > ? AND o.attribution IN (SELECT id FROM attribution WHERE fields ->> '$.session[0]' = "
            "(SELECT id FROM personal WHERE field = 'session' AND value = ?)) ORDER BY o.seq"
        )
        return self._calls(where, (after_seq, session))

    def export(self, seqs: Iterable[int] | None = None) -> Iterator[CallRow]:
        """Yield every call there is now, or those with these numbers, oldest first."""
        if seqs is not None:
            waiting: list[int] = []
            for seq in seqs:
                waiting.append(seq)
                if len(waiting) == _CHUNK:
                    yield from self.by_seq(waiting)
                    waiting.clear()
            yield from self.by_seq(waiting)
            return
        seq, last = 0, self.last_seq()
        while chunk := self.after(seq, _CHUNK):
            for row in chunk:
                if row.seq > last:
                    return
                yield row
            seq = chunk[-1].seq

    def in_flight(self, limit: int) -> list[InFlight]:
        """Return calls that have begun and not ended, the newest first."""
        from farebox.ledger.append.in_flight import calls_in_flight

        return self._ask(lambda connection: calls_in_flight(connection, limit), [])

    def each_result(
        self, kind: Kind, since_ns: int, until_ns: int, take: Callable[[OutcomeRow], None]
    ) -> None:
        """Call `take` with every outcome or score of a span, in the order of the record."""
        from farebox.ledger.outcomes import last_outcome, outcomes_between

        def read(connection: Connection) -> None:
            last = last_outcome(connection, kind)
            for row in outcomes_between(connection, since_ns, until_ns, last_id=last, kind=kind):
                take(row)

        self._ask(read, None)

    def last_seq(self) -> int:
        """Return the number of the newest row, 0 where there is none."""
        row = self._ask(lambda connection: connection.execute("SELECT max(seq) FROM call").fetchone(), None)
        return (row[0] or 0) if row else 0

    def health(self) -> LedgerHealth:
        """Return how far the ledger is and what is missing from it."""
        return health.look(self._home, self._ask(health.read, None))

    def refused_by(self) -> dict[str, tuple[int, int]]:
        """Return of each sender how many records its full spool refused, and how many were ends of calls."""
        return self._ask(health.refused_by, {})

    def backlog(self) -> Backlog:
        """Return what the journals hold beyond the ledger."""
        known = self._ask(health.read, None)
        return backlog(self._home, known.applied if known else {}, running=health.is_locked(self._home))

    def known_events(self, event_ids: Sequence[bytes]) -> Known:
        """Return which of these events the record has, and the digests of what they said."""
        from farebox.ledger.known_events import known_events

        return self._ask(lambda connection: known_events(connection, event_ids), {})

    def applied(self, kind: str) -> dict[str, int]:
        """Return of each writer of a kind the number of the first record that is not in the record yet."""
        from farebox.ledger.known_events import applied

        return self._ask(lambda connection: applied(connection, kind), {})

    def _calls(self, where: str, parameters: Sequence[Any]) -> list[CallRow]:
        # Only here: a command that shows no call starts faster without them.
        from farebox.ledger.call_store import read_calls
        from farebox.ledger.call_view import call_rows

        return self._ask(
            lambda connection: call_rows(connection, read_calls(connection, where, parameters)), []
        )

    def _ask(self, question: Callable[[Connection], T], nothing: T) -> T:
        """Read from one snapshot; return `nothing` where there is no ledger yet."""
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
