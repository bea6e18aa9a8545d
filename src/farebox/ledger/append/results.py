"""Append what came of the work and how good it was: tables of their own, each with a chain of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from farebox.journal.records import OUTCOME, SCORE, Result, decode_result
from farebox.ledger.append.dictionaries import PER_CALL, Numbered, Whose
from farebox.ledger.call_store import Attributions
from farebox.ledger.database import Connection
from farebox.ledger.proof.chain import GENESIS, link
from farebox.ledger.proof.chain_ends import missing_rows, write_end

TABLES = {OUTCOME: "outcome", SCORE: "score"}
_canonical = msgspec.msgpack.Encoder(order="deterministic").encode
_ID_BYTES = 16
_CHAIN = (
    "SELECT o.id, o.event_id, s.name, o.revision, o.sign, o.occurred_at, a.digest, o.step, o.name, "
    "o.value, o.payload_sha256, o.after_seq, o.recorded_at, o.hash "
    "FROM RESULTS o LEFT JOIN source s ON s.id = o.source "
    "LEFT JOIN attribution a ON a.id = o.attribution ORDER BY o.id"
)
"""What a chain is made over, in order."""
_STANDING = (
    "SELECT o.event_id, o.source, s.name, o.revision, o.occurred_at, o.attribution, a.digest, o.step, "
    "o.name, o.value, o.payload_sha256 FROM RESULTS o JOIN source s ON s.id = o.source "
    "JOIN attribution a ON a.id = o.attribution WHERE o.sign = 1 AND NOT EXISTS (SELECT 1 FROM RESULTS r "
    "WHERE r.event_id = o.event_id AND r.source = o.source AND r.revision > o.revision) ORDER BY o.id"
)
"""Results that are not taken back."""


class Numbers(Protocol):
    """Gives values that rows share their numbers, in the caller's transaction."""

    def number_of(self, whose: Whose, source: str) -> tuple[Numbered, int]: ...


class Results:
    """Appends within the caller's transaction."""

    def __init__(
        self,
        connection: Connection,
        numbers: Numbers,
        clock: Callable[[], int],
        mark: Callable[[str, str, dict[str, Any]], None],
        resolved: Callable[[dict[str, str], dict[str, str], int], tuple[dict[str, str], dict[str, str]]],
    ) -> None:
        """`resolved` returns an attribution at a moment with the customer that its names stand for."""
        self._resolved = resolved
        self._connection = connection
        self._numbers = numbers
        self._clock = clock
        self._mark = mark
        self._resolved = resolved
        self._ends: dict[str, tuple[int, bytes]] = {}

    def load(self) -> None:
        """Take from the file how far each chain is."""
        for table in TABLES.values():
            statement = f"SELECT id, hash FROM {table} ORDER BY id DESC LIMIT 1"  # noqa: S608 - of TABLES
            self._ends[table] = self._connection.execute(statement).fetchone() or (0, GENESIS)

    def append(self, writer: str, kind: int, payload: bytes, after_seq: int) -> None:
        """Append one record, once: an id that is there already adds nothing.

        Raises:
            msgspec.MsgspecError: It cannot be decoded.
        """
        table, result = TABLES[kind], decode_result(payload)
        if len(result.event_id) != _ID_BYTES:
            raise msgspec.ValidationError("an event id has 16 bytes")
        said = result.payload_sha256 or _payload(result)
        whose = self._resolved(result.attribution, result.attribution_from, result.occurred_at_ns)
        attribution, source = self._numbers.number_of(_shared(*whose), result.source)
        statement = f"SELECT payload_sha256 FROM {table} WHERE event_id = ? AND source = ? AND revision = 0"  # noqa: S608
        known = self._connection.execute(statement, (result.event_id, source)).fetchone()
        if known is not None:
            if known[0] != said:
                self._mark(writer, "conflict", {"event_id": result.event_id.hex(), "table": table})
            return
        step = result.attribution.get("step")
        what = (step, result.name, result.value, said)
        self._add(
            table,
            result.event_id,
            (source, result.source),
            0,
            1,
            result.occurred_at_ns,
            attribution,
            what,
            after_seq,
        )

    def restate(self, after_seq: int) -> None:
        """Take back every result whose names stand for another customer now, and append it as that one's."""
        attributions = Attributions(self._connection)
        for table in TABLES.values():
            for row in self._connection.execute(_STANDING.replace("RESULTS", table)).fetchall():
                event_id, source, source_name, revision, at_ns, number, digest, *what = row
                before = attributions.of(number)
                now = self._resolved(*before, at_ns)
                if now[0] is before[0]:
                    continue
                sources = source, source_name
                whose, _ = self._numbers.number_of(_shared(*now), source_name)
                was = Numbered(number, digest)
                self._add(table, event_id, sources, revision + 1, -1, at_ns, was, what, after_seq)
                self._add(table, event_id, sources, revision + 2, 1, at_ns, whose, what, after_seq)

    def _add(
        self,
        table: str,
        event_id: bytes,
        source: tuple[int, str],
        revision: int,
        sign: int,
        at_ns: int,
        attribution: Numbered,
        what: Sequence[Any],
        after_seq: int,
    ) -> None:
        """Append a row; `source` is its number and its name, `what` step, name, value and checksum."""
        number, previous = self._ends[table]
        number += 1
        rest = (*what, after_seq, self._clock())
        link_hash = link(
            previous, (number, event_id, source[1], revision, sign, at_ns, attribution.digest, *rest)
        )
        stored = (number, event_id, source[0], revision, sign, at_ns, attribution.number, *rest, link_hash)
        places = ", ".join("?" * len(stored))
        self._connection.execute(f"INSERT INTO {table} VALUES ({places})", stored)  # noqa: S608
        self._ends[table] = number, link_hash
        write_end(self._connection, table, number, link_hash)


def _shared(values: dict[str, str], sources: dict[str, str]) -> Whose:
    return Whose(
        tuple(item for item in values.items() if item[0] not in PER_CALL),
        tuple(item for item in sources.items() if item[0] not in PER_CALL),
    )


def check_results(connection: Connection, problem: Callable[[str, str], None]) -> None:
    """Recompute the chains of outcomes and scores."""
    for table in TABLES.values():
        previous, expected = GENESIS, 1
        statement = _CHAIN.replace("RESULTS", table)
        values: Sequence[Any]
        for *values, stored in connection.execute(statement):
            previous = link(previous, tuple(values))
            if values[0] != expected or previous != stored:
                problem("result", f"{table} {values[0]} is not as it was appended")
                previous = stored
            expected = values[0] + 1
        missing = missing_rows(connection, table, expected - 1, previous)
        if missing is not None:
            problem("result", missing)


def _payload(result: Result) -> bytes:
    return hashlib.sha256(_canonical((result.name, result.value, result.attribution))).digest()
