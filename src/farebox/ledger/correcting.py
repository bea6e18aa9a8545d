"""Do what records ask of calls that are in the ledger already, within the applier's transaction.

Requests of one batch are done together, after the calls of that batch: each call is read once and the
sums are changed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from farebox.journal import records
from farebox.journal.reader import Batch
from farebox.journal.records import Done, Estimate, Rerate
from farebox.ledger.bill_once import Completed
from farebox.ledger.contract_months import ContractMonths
from farebox.ledger.corrections import Change, Corrections, current, last_hash
from farebox.ledger.database import Connection
from farebox.ledger.entries import Judged
from farebox.ledger.estimating import Estimating, is_wanted
from farebox.ledger.measuring import measured
from farebox.ledger.names import AdmittedValues
from farebox.ledger.rerating import Rerating, change_of
from farebox.ledger.rollup import RollUp
from farebox.ledger.sealing import Seals

CORRECTING = frozenset({records.RERATE, records.ESTIMATE})
"""Types of records that concern calls which are in the ledger already."""

SEQS_PER_RECORD = 100
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
        self._estimating = Estimating(connection)
        self._estimates: list[Estimate] = []
        self._unmeasured: list[tuple[int, Done]] = []
        """Calls of this transaction whose usage nobody stated."""
        self._has_waiting = False
        """There are estimates whose call has not come yet."""

    def load(self, seq: int) -> bytes | None:
        """Begin anew from the file; return the chain's head where corrections follow the last call."""
        self._asked.clear()
        self._completed.clear()
        self._estimates.clear()
        self._unmeasured.clear()
        self._estimating.forget()
        waiting = self._connection.execute("SELECT 1 FROM waiting_estimate LIMIT 1").fetchone()
        self._has_waiting = waiting is not None
        self._seals.forget()
        self._corrections.load()
        return last_hash(self._connection, seq)

    @property
    def is_asked(self) -> bool:
        """There is something to do."""
        return bool(self._asked or self._completed or self._unmeasured or self._estimates)

    def ask(self, writer: str, record_type: int, payload: bytes) -> None:
        """Take a record in; raise as `msgspec` does where nothing can be made of it."""
        if record_type == records.ESTIMATE:
            self._estimates.append(records.decode_estimate(payload))
        else:
            self._asked.append((writer, records.decode_rerate(payload)))

    def consider(self, rows: Sequence[Judged], last_seq: int) -> None:
        """Take in calls that were appended, the last one with this number."""
        first = last_seq - len(rows) + 1
        self._unmeasured += [
            (seq, row.done)
            for seq, row in enumerate(rows, first)
            if row.done.extraction.lacks and is_wanted(row.done, billable=row.billable)
        ]

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
        head = self._estimate(rerating, seq, head)
        completed, self._completed = self._completed, []
        for event_id, done in completed:
            change = measured(self._connection, rerating, event_id, done)
            if change is not None:
                rollup = self._corrections.begin()
                head = self._append([change], rollup, seq, head)
                self._corrections.finish(rollup)
        return head

    def _estimate(self, rerating: Rerating, seq: int, head: bytes) -> bytes:
        """Estimate calls that came without usage, and better those that were estimated before."""
        unmeasured, self._unmeasured = self._unmeasured, []
        estimates, self._estimates = self._estimates, []
        found = {seq: self._waiting_for(done) if self._has_waiting else None for seq, done in unmeasured}
        by_event = {(done.event_id, done.source): call_seq for call_seq, done in unmeasured}
        for estimate in estimates:
            call_seq = by_event.get((estimate.event_id, estimate.source)) or self._seq_of(estimate)
            if call_seq is None:
                self._keep(estimate)
            else:
                found[call_seq] = estimate
        if not found:
            return head
        rollup = self._corrections.begin()
        changes: list[Change] = []
        for call in current(self._connection, sorted(found)):
            estimate = found[call[0]]
            change = self._estimating.change(call, estimate, rerating) if estimate is not None else None
            if change is None and call[0] in by_event.values():
                change = self._estimating.by_bytes(call, rerating)
            if change is not None:
                changes.append(change)
        head = self._append(changes, rollup, seq, head)
        self._corrections.finish(rollup)
        return head

    def _seq_of(self, estimate: Estimate) -> int | None:
        row = self._connection.execute(
            "SELECT seq FROM call WHERE event_id = ? AND source = (SELECT id FROM source WHERE name = ?)",
            (estimate.event_id, estimate.source),
        ).fetchone()
        return row[0] if row else None

    def _keep(self, estimate: Estimate) -> None:
        self._has_waiting = True
        self._connection.execute(
            "INSERT OR REPLACE INTO waiting_estimate VALUES (?, ?, ?)",
            (estimate.event_id, estimate.source, records.encode(estimate)),
        )

    def _waiting_for(self, done: Done) -> Estimate | None:
        """Return the estimate that came before a call, which is then used."""
        row = self._connection.execute(
            "DELETE FROM waiting_estimate WHERE event_id = ? AND source = ? RETURNING payload",
            (done.event_id, done.source),
        ).fetchone()
        return records.decode_estimate(row[0]) if row else None

    def _append(self, changes: list[Change], rollup: RollUp, seq: int, head: bytes) -> bytes:
        return self._corrections.append(changes, rollup, after_seq=seq, head=head, recorded_at=self._clock())
