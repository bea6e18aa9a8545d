"""Correct calls that are in the record already, as journal records ask, in the applier's transaction.

Requests of one batch are done together, after the calls of that batch, so that each call is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from farebox.journal import records
from farebox.journal.reader import Batch
from farebox.journal.records import Done, Estimate, Rerate
from farebox.ledger.append.bill_once import Completed
from farebox.ledger.append.blocks import CALL_AT, Blocks, Row
from farebox.ledger.append.judgement import Judged
from farebox.ledger.call_store import current
from farebox.ledger.charging.call_charges import CallCharges
from farebox.ledger.corrections.calibration import Calibrations
from farebox.ledger.corrections.correction import Change, rows_of
from farebox.ledger.corrections.estimation import Estimation, is_wanted, rated_bounds
from farebox.ledger.corrections.late_usage import correct_late_usage
from farebox.ledger.corrections.rerating import Rerating, change_of
from farebox.ledger.database import Connection
from farebox.ledger.witnesses.witness_chain import call_of, witness_record

CORRECTING = frozenset({records.RERATE, records.ESTIMATE})
"""Types of records that concern calls which are in the record already."""

SEQS_PER_RECORD = 100
"""How many calls one request names, so that a transaction's limit in records bounds its work."""

REFUSED = "rerate_refused"
_AT_A_TIME = 2_000
_INPUT, _OUTPUT = CALL_AT["input_tokens"], CALL_AT["output_tokens"]

WriteMark = Callable[[str, str, dict[str, Any]], None]


def weight(batch: Batch) -> int:
    """Return how many records a batch counts as, by its work."""
    requests = [record_type for _, record_type, _ in batch.entries].count(records.RERATE)
    return len(batch.entries) + requests * (SEQS_PER_RECORD - 1)


class Corrector:
    """Collects what records ask for and turns it into corrections."""

    def __init__(self, connection: Connection, blocks: Blocks, charges: CallCharges) -> None:
        self._connection = connection
        self._blocks = blocks
        self._charges = charges
        self.calibrations = Calibrations(connection)
        self.estimation = Estimation(self.calibrations)
        self._asked: list[tuple[str, Rerate]] = []
        self._completed: list[Completed] = []
        self._estimates: list[Estimate] = []
        self._unmeasured: list[tuple[int, Done]] = []
        """Calls of this transaction whose usage nobody stated."""
        self._has_waiting = False
        """There are estimates whose call has not been appended yet."""

    def load(self) -> None:
        """Start again from the file's state."""
        self._asked.clear()
        self._completed.clear()
        self._estimates.clear()
        self._unmeasured.clear()
        self.calibrations.forget()
        waiting = self._connection.execute("SELECT 1 FROM waiting_estimate LIMIT 1").fetchone()
        self._has_waiting = waiting is not None

    @property
    def is_asked(self) -> bool:
        """There is something to do."""
        return bool(self._asked or self._completed or self._unmeasured or self._estimates)

    def ask(self, writer: str, record_type: int, payload: bytes) -> None:
        """Take a record in; raise as `msgspec` does where it cannot be decoded."""
        if record_type == records.ESTIMATE:
            self._estimates.append(records.decode_estimate(payload))
        else:
            self._asked.append((writer, records.decode_rerate(payload)))

    def consider(self, calls: Sequence[Judged], rows: Sequence[Row], last_seq: int) -> None:
        """Take in calls that were appended as these rows, the last one with this number."""
        observe = self.calibrations.observe
        for seq, (done, billable, _), row in zip(count(last_seq - len(rows) + 1), calls, rows, strict=False):
            if done.extraction.lacks:
                if is_wanted(done, billable=billable):
                    self._unmeasured.append((seq, done))
            elif billable:
                observe(done, row.values[_INPUT], row.values[_OUTPUT])

    def lack(self, calls: list[tuple[int, Done]]) -> None:
        """Take in which calls have the figures of a witness that saw a part of their usage."""
        self._unmeasured += calls
        calls.clear()

    def complete(self, completed: list[Completed]) -> None:
        """Take in which calls saw a part of a usage that was seen whole since."""
        self._completed += completed
        completed.clear()

    def apply(self, book: Any, write_mark: WriteMark) -> None:
        """Append the corrections."""
        rerating = Rerating(book, self._charges)
        for (writer, priced_too), seqs in self._accepted(getattr(book, "digest", ""), write_mark).items():
            for start in range(0, len(seqs), _AT_A_TIME):
                calls = current(self._connection, seqs[start : start + _AT_A_TIME])
                changed = rerating.rate(calls, priced_too=priced_too)
                self._append([change_of(each, writer, rated_bounds(each.now, rerating)) for each in changed])
        self._estimate(rerating)
        completed, self._completed = self._completed, []
        for event_id, done in completed:
            change = correct_late_usage(self._connection, rerating, self.estimation, event_id, done)
            if change is not None:
                self._append([change])

    def restate(self, book: Any, calls: Sequence[int]) -> None:
        """Append the corrections of calls that are another customer's now, or under another plan."""
        from farebox.ledger.charging.restating import restated

        for start in range(0, len(calls), _AT_A_TIME):
            stored = current(self._connection, calls[start : start + _AT_A_TIME])
            changes = [restated(call, book, self._charges) for call in stored]
            self._append([change for change in changes if change is not None])

    def _accepted(self, digest: str, write_mark: WriteMark) -> dict[tuple[str, bool], list[int]]:
        """Return which calls to re-rate, by who asked; leave a mark where other prices are in force now."""
        asked, self._asked = self._asked, []
        wanted: dict[tuple[str, bool], set[int]] = {}
        refused: dict[tuple[str, str], int] = {}
        for writer, request in asked:
            if request.snapshot != digest:
                key = (writer, request.snapshot)
                refused[key] = refused.get(key, 0) + len(request.seqs)
            else:
                wanted.setdefault((writer, request.priced_too), set()).update(request.seqs)
        for (writer, snapshot), calls in refused.items():
            write_mark(writer, REFUSED, {"calls": calls, "shown_with": snapshot, "in_force": digest})
        return {key: sorted(seqs) for key, seqs in wanted.items()}

    def _estimate(self, rerating: Rerating) -> None:
        """Estimate calls without usage, and improve earlier estimates."""
        unmeasured, self._unmeasured = self._unmeasured, []
        estimates, self._estimates = self._estimates, []
        seen = dict(unmeasured)
        found = {seq: self._waiting_for(done) if self._has_waiting else None for seq, done in unmeasured}
        by_event = {(done.event_id, done.source): seq for seq, done in unmeasured}
        for estimate in estimates:
            seq = by_event.get((estimate.event_id, estimate.source)) or self._seq_of(estimate)
            if seq is None:
                self._keep(estimate)
            else:
                found[seq] = estimate
                if seq not in seen:
                    said = witness_record(self._connection, estimate.event_id, estimate.source)
                    if said is not None:
                        seen[seq] = said
        if not found:
            return
        new = set(by_event.values())
        changes: list[Change] = []
        for call in current(self._connection, sorted(found)):
            estimate = found[call.seq]
            if call.seq in seen:
                call = call._replace(done=seen[call.seq])
            change = self.estimation.change(call, estimate, rerating) if estimate is not None else None
            if change is None and call.seq in new:
                change = self.estimation.by_bytes(call, rerating)
            if change is not None:
                changes.append(change)
        self._append(changes)

    def _seq_of(self, estimate: Estimate) -> int | None:
        joined = call_of(self._connection, estimate.event_id, estimate.source)
        if joined is not None:
            return joined
        row = self._connection.execute(
            "SELECT seq FROM call WHERE event_id = ? AND revision = 0 "
            "AND source = (SELECT id FROM source WHERE name = ?)",
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

    def _append(self, changes: Sequence[Change]) -> None:
        rows = [row for change in changes for row in rows_of(change)]
        if rows:
            self._blocks.append(rows)
