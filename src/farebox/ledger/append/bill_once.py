"""Bill a provider's response once, however often it is fetched again.

Making a result (POST) is always a call of its own: small servers give the same id to different responses.
Fetching one (GET) shows the call that made it again. Where that call saw only a part of its usage and the
fetch shows all of it, the first is corrected. An event of a collector's bound token has no part in calls
whose customer is another: its sender may have learnt an id that is not its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from farebox.clock import uuid_text
from farebox.journal import records
from farebox.journal.records import Done
from farebox.ledger.append.blocks import RESPONSE_RUN_BITS, response_key
from farebox.ledger.append.dictionaries import is_bound_event, is_erased_name
from farebox.ledger.append.entry import BEGUN
from farebox.ledger.append.judgement import Judged
from farebox.ledger.block_detail import Details
from farebox.ledger.call_store import Attributions
from farebox.ledger.database import Connection

POLL = "poll"
"""The extractor's reason for a response that is fetched again."""

_CALLS_OF = (
    "WITH RECURSIVE run(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM run WHERE n < ?) "
    "SELECT seq, event_id, attribution FROM run CROSS JOIN call ON response_key = (n << 32 | ?) "
    "CROSS JOIN call_class k ON k.id = call.call_class "
    "WHERE revision = 0 AND provider = ? AND billable = ? ORDER BY seq"
)

_Key = tuple[str, str]
"""A response: provider and id."""


class Owner(NamedTuple):
    """Whose a call is, and whether a token says so that can speak of nobody else."""

    customer: str | None
    is_bound_event: bool


class Billed(NamedTuple):
    """The call that a response was billed with."""

    event_id: bytes
    completeness: str
    owner: Owner


class Completed(NamedTuple):
    """A call that saw a part of its usage, and the end that saw all of it."""

    event_id: bytes
    done: Done


class BillOnce:
    """Remembers what this transaction billed, and looks the rest up."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._details = Details(connection)
        self._attributions = Attributions(connection)
        self._recent: dict[_Key, tuple[Billed, bool]] = {}
        """Responses billed in this transaction, and whether by the exchange that fetched them."""
        self._begun: dict[_Key, tuple[bytes, Owner]] = {}
        self._has_retrievals = False
        self.completed: list[Completed] = []
        """Calls to be corrected once this transaction's calls are there."""

    def load(self) -> None:
        """Begin anew from the file."""
        self.begin()
        self._details = Details(self._connection)
        self._attributions = Attributions(self._connection)
        found = self._connection.execute("SELECT 1 FROM retrieval LIMIT 1").fetchone()
        self._has_retrievals = found is not None

    def begin(self) -> None:
        """Forget what the last transaction billed."""
        self._recent.clear()
        self._begun.clear()
        self.completed.clear()

    def judged(self, rows: Sequence[Judged], last_seq: int) -> Sequence[Judged]:
        """Return calls with what fetches billed results not billable; `last_seq` is the last call there."""
        if self._has_retrievals or any(row.done.method != "POST" for row in rows):
            return [self._judged(row, last_seq) if row.done.extraction.response_id else row for row in rows]
        return rows

    def _judged(self, row: Judged, last_seq: int) -> Judged:
        done, extraction = row.done, row.done.extraction
        if extraction.response_id is None:
            return row
        key = (done.provider, extraction.response_id)
        owner = _owner(done.attribution, done.attribution_from)
        if row.not_billable_because == BEGUN:
            self._begun.setdefault(key, (done.event_id, owner))
        if extraction.completeness == "none":
            return row
        begun = self._begun_by(key, owner, last_seq) if row.not_billable_because == POLL else None
        if begun is not None:
            # The background response has not been billed yet: this poll has its usage.
            row = row._replace(billable=True, not_billable_because=None)
            self.completed.append(Completed(begun, done))
        elif row.not_billable_because == POLL and extraction.completeness == "final":
            return self._completing(row, key, owner, last_seq)
        if not row.billable:
            return row
        retrieves = done.method != "POST"
        earlier = self._billed_before(key, owner, last_seq, retrieved_only=not retrieves)
        if earlier is not None:
            if earlier.completeness != "final" and extraction.completeness == "final":
                self.completed.append(Completed(earlier.event_id, done))
            because = f"duplicate_of:{uuid_text(earlier.event_id)}"
            return row._replace(billable=False, not_billable_because=because)
        self._recent[key] = (Billed(done.event_id, extraction.completeness, owner), retrieves)
        if retrieves:
            self._has_retrievals = True
            self._connection.execute(
                "INSERT OR IGNORE INTO retrieval VALUES (?, ?, ?)", (*key, done.event_id)
            )
        return row

    def _completing(self, row: Judged, key: _Key, owner: Owner, last_seq: int) -> Judged:
        """Note that a poll shows the whole usage of a call that saw none of it, or a part."""
        _, response_id = key
        for event_id, done in self._calls_of(key, owner, last_seq, billed=True):
            made = done.extraction
            if made.response_id == response_id and made.completeness != "final":
                self.completed.append(Completed(event_id, row.done))
                return row._replace(not_billable_because=f"duplicate_of:{uuid_text(event_id)}")
        return row

    def _billed_before(
        self, key: _Key, owner: Owner, last_seq: int, *, retrieved_only: bool
    ) -> Billed | None:
        recent = self._recent.get(key)
        if recent and (recent[1] or not retrieved_only) and not _are_strangers(owner, recent[0].owner):
            return recent[0]
        if not retrieved_only:
            return self._billed_call(key, owner, last_seq)
        if not self._has_retrievals:
            return None
        found = self._connection.execute(
            "SELECT call.event_id, completeness, attribution FROM retrieval CROSS JOIN call USING (event_id) "
            "CROSS JOIN call_class k ON k.id = call.call_class "
            "WHERE revision = 0 AND retrieval.provider = ? AND response_id = ?",
            key,
        ).fetchone()
        if found is None:
            return None
        billed = Billed(found[0], found[1], _owner(*self._attributions.of(found[2])))
        return None if _are_strangers(owner, billed.owner) else billed

    def _billed_call(self, key: _Key, owner: Owner, last_seq: int) -> Billed | None:
        """Return the first event that was billed for a response."""
        for event_id, done in self._calls_of(key, owner, last_seq, billed=True):
            extraction = done.extraction
            if extraction.response_id == key[1] and extraction.completeness != "none":
                return Billed(event_id, extraction.completeness, owner)
        return None

    def _begun_by(self, key: _Key, owner: Owner, last_seq: int) -> bytes | None:
        """Return the call that a response was begun with in the background, where nothing was billed."""
        begun = self._begun.get(key)
        if begun is not None and not _are_strangers(owner, begun[1]):
            return begun[0]
        for event_id, done in self._calls_of(key, owner, last_seq, billed=False):
            extraction = done.extraction
            if extraction.response_id == key[1] and extraction.not_billable_because == BEGUN:
                return event_id
        return None

    def _calls_of(
        self, key: _Key, owner: Owner, last_seq: int, *, billed: bool
    ) -> Iterator[tuple[bytes, Done]]:
        """Yield the calls that may be of a response, oldest first."""
        provider, response_id = key
        run, checksum = last_seq >> RESPONSE_RUN_BITS, response_key(response_id, 0)
        found = self._connection.execute(_CALLS_OF, (run, checksum, provider, int(billed)))
        for seq, event_id, attribution in found.fetchall():
            if not _are_strangers(owner, _owner(*self._attributions.of(attribution))):
                yield event_id, records.decode_done(self._details.of(seq)[0])


def _owner(values: Mapping[str, str], sources: Mapping[str, str]) -> Owner:
    customer = values.get("customer")
    return Owner(None if is_erased_name(customer) else customer, is_bound_event(sources.get("customer")))


def _are_strangers(one: Owner, other: Owner) -> bool:
    """Tell whether one is an event of a bound token, and the other a call of somebody else."""
    if not (one.is_bound_event or other.is_bound_event) or one.customer == other.customer:
        return False
    return one.customer is not None and other.customer is not None
