"""The table of witnesses: how a call was seen by others than the one that made its row, in a chain."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from farebox.journal import records
from farebox.journal.records import Done
from farebox.ledger.append.blocks import Blocks
from farebox.ledger.append.entry import detached
from farebox.ledger.call_store import Attributions
from farebox.ledger.database import Connection
from farebox.ledger.proof.chain import GENESIS, link
from farebox.ledger.proof.chain_ends import write_end
from farebox.ledger.witnesses.merging import figures_digest
from farebox.ledger.witnesses.sighting import Sighting

_INSERT = "INSERT INTO witness VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_NEWEST = (
    "SELECT record, attribution FROM witness WHERE event_id = ? "
    "AND source = (SELECT id FROM source WHERE name = ?) ORDER BY id DESC LIMIT 1"
)
_OF_CALLS = (
    "SELECT w.call_seq, w.record, w.attribution, w.recorded_at FROM witness w "
    "WHERE w.call_seq IN (SELECT value FROM json_each(?)) AND w.id = "
    "(SELECT max(id) FROM witness WHERE event_id = w.event_id AND source = w.source) ORDER BY w.id"
)
_CALL_OF = (
    "SELECT call_seq FROM witness WHERE event_id = ? AND source = (SELECT id FROM source WHERE name = ?) "
    "ORDER BY id DESC LIMIT 1"
)


_CALLS_OF_ROWS = (
    "SELECT coalesce((SELECT w.call_seq FROM witness w WHERE w.event_id = c.event_id "
    "AND w.source = c.source ORDER BY w.id DESC LIMIT 1), c.seq) "
    "FROM call c WHERE c.seq BETWEEN ? AND ? AND c.revision = 0"
)
_MEMBERS = (
    "SELECT w.call_seq, w.record, w.attribution, (SELECT c.seq FROM call c WHERE c.event_id = w.event_id "
    "AND c.source = w.source AND c.revision = 0) FROM witness w "
    "WHERE w.call_seq IN (SELECT value FROM json_each(?)) AND w.id = "
    "(SELECT max(id) FROM witness WHERE event_id = w.event_id AND source = w.source) ORDER BY w.id"
)


def witness_link(previous: bytes, values: tuple[Any, ...], attribution: bytes, commitments: bytes) -> bytes:
    """Return a witness's link of the chain: over its columns but the hash, the digest of its attribution and
    the commitments of the personal values that came with it.
    """
    return link(previous, (*values, attribution, hashlib.sha256(commitments).digest()))


def call_of(connection: Connection, event_id: bytes, source: str) -> int | None:
    """Return the number of the call that a witness without a row of its own is of."""
    row = connection.execute(_CALL_OF, (event_id, source)).fetchone()
    return None if row is None else row[0]


def witness_record(connection: Connection, event_id: bytes, source: str) -> Done | None:
    """Return what a witness without a row of its own said; None where the table has nothing of it."""
    row = connection.execute(_NEWEST, (event_id, source)).fetchone()
    if row is None:
        return None
    done = records.decode_done(row[0])
    Attributions(connection).attach(done, row[1])
    return done


def witnesses_of(connection: Connection, calls: Iterable[int]) -> dict[int, list[tuple[Done, int]]]:
    """Return what other witnesses of calls said, and when that was recorded, by the call's number."""
    if connection.execute("SELECT 1 FROM witness LIMIT 1").fetchone() is None:
        return {}
    found: dict[int, list[tuple[Done, int]]] = {}
    attributions = Attributions(connection)
    listed = msgspec.json.encode(list(calls)).decode()
    for call, record, attribution, recorded_at in connection.execute(_OF_CALLS, (listed,)).fetchall():
        done = records.decode_done(record)
        attributions.attach(done, attribution)
        found.setdefault(call, []).append((done, recorded_at))
    return found


class WitnessChain:
    """Holds the head of the chain; appends in the caller's transaction."""

    def __init__(self, connection: Connection, blocks: Blocks, clock: Callable[[], int]) -> None:
        self._connection = connection
        self._blocks = blocks
        self._clock = clock
        self._id = 0
        self._hash = GENESIS

    def load(self) -> None:
        """Take from the file how far it is."""
        row = self._connection.execute("SELECT id, hash FROM witness ORDER BY id DESC LIMIT 1").fetchone()
        self._id, self._hash = row or (0, GENESIS)

    def append(self, witnesses: Iterable[tuple[Sighting, Done]]) -> None:
        """Say of witnesses which calls they are of now."""
        dictionaries = self._blocks.dictionaries
        recorded_at = self._clock()
        rows: list[tuple[Any, ...]] = []
        for each, done in witnesses:
            kept = msgspec.structs.replace(done)
            whose, _ = detached(kept)
            (attribution,) = dictionaries.attributions([whose])
            self._id += 1
            values = (
                self._id,
                each.group.call,
                done.witness,
                each.facts.source,
                done.event_id,
                attribution.number,
                records.encode(kept),
                figures_digest(done),
                self._blocks.seq,
                dictionaries.last_personal,
                recorded_at,
            )
            commitments = dictionaries.take_commitments()
            self._hash = witness_link(self._hash, values, attribution.digest, commitments)
            rows.append((*values, self._hash))
            each.told = each.group.call
        self._connection.executemany(_INSERT, rows)
        if rows:
            write_end(self._connection, "witness", self._id, self._hash)

    def calls_of_rows(self, first: int, last: int) -> set[int]:
        """Return the calls that witnesses with a row of their own are of now."""
        return {call for (call,) in self._connection.execute(_CALLS_OF_ROWS, (first, last))}

    def members_of(self, calls: Iterable[int]) -> list[tuple[int, Done, int | None]]:
        """Return the witnesses that the table has of calls: the call, what was said, and their own row."""
        attributions = Attributions(self._connection)
        listed = msgspec.json.encode(list(calls)).decode()
        found: list[tuple[int, Done, int | None]] = []
        for call, record, attribution, row in self._connection.execute(_MEMBERS, (listed,)).fetchall():
            done = records.decode_done(record)
            attributions.attach(done, attribution)
            found.append((call, done, row))
        return found

    def record_of(self, event_id: bytes, source: str) -> Done | None:
        """Return what a witness said, where it is in the table."""
        return witness_record(self._connection, event_id, source)
