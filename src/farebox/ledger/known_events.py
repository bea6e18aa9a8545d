"""Which events the record has already, and what they said: for whoever is sent events a second time."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from farebox.journal import records
from farebox.ledger.append.results import TABLES
from farebox.ledger.block_detail import Details
from farebox.ledger.database import Connection

_CALLS = (
    "SELECT o.event_id, s.name, o.seq FROM call o JOIN source s ON s.id = o.source "
    "WHERE o.revision = 0 AND o.event_id IN (SELECT unhex(value) FROM json_each(?)) ORDER BY o.seq"
)
_WITNESSES = (
    "SELECT w.event_id, s.name, w.record FROM witness w JOIN source s ON s.id = w.source "
    "WHERE w.event_id IN (SELECT unhex(value) FROM json_each(?)) ORDER BY w.id"
)
_LOSSES = (
    "SELECT unhex(detail ->> '$.event_id'), detail ->> '$.source', detail ->> '$.payload_sha256' FROM mark "
    "WHERE kind IN ('lost', 'sampled') AND detail ->> '$.event_id' IN (SELECT value FROM json_each(?))"
)

Known = dict[tuple[bytes, str], bytes | None]
"""By id and source the digest of what was said; None where no digest was kept."""


def known_events(connection: Connection, event_ids: Sequence[bytes]) -> Known:
    """Return the events that have these ids: calls, witnesses of calls, outcomes, scores, losses."""
    listed = (msgspec.json.encode([each.hex() for each in event_ids]).decode(),)
    found: Known = {}
    for event_id, source, record in connection.execute(_WITNESSES, listed):
        found[event_id, source] = records.decode_done(record).payload_sha256
    details = Details(connection)
    for event_id, source, seq in connection.execute(_CALLS, listed).fetchall():
        found[event_id, source] = records.decode_done(details.of(seq)[0]).payload_sha256
    for table in TABLES.values():
        statement = (
            f"SELECT r.event_id, s.name, r.payload_sha256 FROM {table} r "  # noqa: S608 - of TABLES
            "JOIN source s ON s.id = r.source WHERE r.revision = 0 "
            "AND r.event_id IN (SELECT unhex(value) FROM json_each(?))"
        )
        for event_id, source, digest in connection.execute(statement, listed):
            found[event_id, source] = digest
    for event_id, source, digest in connection.execute(_LOSSES, listed):
        found[event_id, source] = None if digest is None else bytes.fromhex(digest)
    return found


def applied(connection: Connection, kind: str) -> dict[str, int]:
    """Return of each writer of a kind the number of the first record that is not in the record yet."""
    statement = "SELECT writer, seq FROM applied WHERE writer BETWEEN ? AND ?"
    return dict(connection.execute(statement, (f"{kind}-", f"{kind}.")))


def recorded_ids(connection: Connection, event_ids: Sequence[bytes], source: str) -> set[bytes]:
    """Return which of these ids the record has of one source, as calls or as witnesses of calls."""
    listed = msgspec.json.encode([each.hex() for each in event_ids]).decode()
    found: set[bytes] = set()
    for table, at in (("call", "AND o.revision = 0"), ("witness", "")):
        statement = (
            f"SELECT o.event_id FROM {table} o WHERE o.event_id IN (SELECT unhex(value) FROM json_each(?)) "  # noqa: S608 - of two tables
            f"AND o.source = (SELECT id FROM source WHERE name = ?) {at}"
        )
        found.update(bytes(each) for (each,) in connection.execute(statement, (listed, source)))
    return found
