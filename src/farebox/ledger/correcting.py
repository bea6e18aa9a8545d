"""Do what records ask of calls that are in the ledger already, within the applier's transaction.

Requests of one batch are done together, after the calls of that batch: each call is read once and the
sums are changed once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from farebox.journal import records
from farebox.journal.reader import Batch
from farebox.journal.records import Rerate
from farebox.ledger.bill_once import Completed
from farebox.ledger.contract_months import ContractMonths
from farebox.ledger.corrections import Change, Corrections, current, last_hash
from farebox.ledger.database import Connection
from farebox.ledger.measuring import measured
from farebox.ledger.names import AdmittedValues
from farebox.ledger.rerating import Rerating, change_of
from farebox.ledger.rollup import RollUp
from farebox.ledger.sealing import Seals

CORRECTING = frozenset({records.RERATE})
"""Types of records that concern calls which are in the ledger already."""

SEQS_PER_RECORD = 24
"""How many calls one request names, so that a transaction's limit in records bounds its work."""

REFUSED = "rerate_refused"
_AT_A_TIME = 2_000

WriteMark = Callable[[str, str, dict[str, Any]], None]


def weight(batch: Batch) -> int:
    """Return how many records' work a batch is."""
    requests = sum(record_type == records.RERATE for _, record_type, _ in batch.entries)
    return len(batch.entries) + requests * (SEQS_PER_RECORD - 1)


class Correcting:
    """Collects what records ask for and turns it into corrections."""

    def __init__(
        self,
        connection: Connection,
        admitted: AdmittedValues,
        months: ContractMonths,
        clock: Callable[[], int],
    ) -> None:
        self._connection = connection
        self._months = months
        self._clock = clock
        self._corrections = Corrections(connection, admitted)
        self._seals = Seals(connection)
        self._asked: list[tuple[str, Rerate]] = []
        self._completed: list[Completed] = []

    def load(self, seq: int) -> bytes | None:
        """Begin anew from the file; return the chain's head where corrections follow the last call."""
        self._asked.clear()
        self._completed.clear()
        self._seals.forget()
        self._corrections.load()
        return last_hash(self._connection, seq)

    @property
    def is_asked(self) -> bool:
        """There is something to do."""
        return bool(self._asked or self._completed)

    def ask(self, writer: str, record_type: int, payload: bytes) -> None:
        """Take a record in; raise as `msgspec` does where nothing can be made of it."""
        self._asked.append((writer, records.decode_rerate(payload)))

    def complete(self, completed: list[Completed]) -> None:
        """Take in which calls saw a part of a usage that was seen whole since."""
        self._completed += completed
        completed.clear()

    def apply(self, book: Any, seq: int, head: bytes, write_mark: WriteMark) -> bytes:
        """Do what was asked and return the chain's new head."""
        asked, self._asked = self._asked, []
        wanted: dict[tuple[str, bool], dict[int, None]] = {}
        refused: dict[tuple[str, str], int] = {}
        digest = getattr(book, "digest", "")
        for writer, request in asked:
            if request.snapshot != digest:
                key = (writer, request.snapshot)
                refused[key] = refused.get(key, 0) + len(request.seqs)
                continue
            wanted.setdefault((writer, request.priced_too), {}).update(dict.fromkeys(request.seqs))
        for (writer, snapshot), calls in refused.items():
            write_mark(writer, REFUSED, {"calls": calls, "shown_with": snapshot, "in_force": digest})
        rerating = Rerating(book, self._months, self._seals.refresh())
        for (writer, priced_too), found in wanted.items():
            seqs, rollup = sorted(found), self._corrections.begin()
            for start in range(0, len(seqs), _AT_A_TIME):
                calls = current(self._connection, seqs[start : start + _AT_A_TIME])
                changes = [
                    change_of(each, writer) for each in rerating.rate(calls, priced_too=priced_too).changed
                ]
                head = self._append(changes, rollup, seq, head)
            self._corrections.finish(rollup)
        completed, self._completed = self._completed, []
        for event_id, done in completed:
            change = measured(self._connection, rerating, event_id, done)
            if change is not None:
                rollup = self._corrections.begin()
                head = self._append([change], rollup, seq, head)
                self._corrections.finish(rollup)
        return head

    def _append(self, changes: list[Change], rollup: RollUp, seq: int, head: bytes) -> bytes:
        return self._corrections.append(changes, rollup, after_seq=seq, head=head, recorded_at=self._clock())
