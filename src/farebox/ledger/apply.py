"""Turn journal records into rows: rate, append, roll up, and move on, in one transaction.

A row exists exactly once because the position in the journal is committed with it, and because
the event's own id is unique for ever. An exchange that was begun by a writer that died is
appended as `unknown`, with what its last `Partial` said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from farebox.clock import now_ns
from farebox.errors import LedgerError
from farebox.journal import records
from farebox.journal.reader import Batch, Entry, Gap, Position
from farebox.journal.records import Done
from farebox.ledger.bill_once import BillOnce
from farebox.ledger.chain import GENESIS, Checkpoint, link
from farebox.ledger.contract_months import ContractMonths
from farebox.ledger.correcting import CORRECTING, Correcting
from farebox.ledger.database import Connection
from farebox.ledger.entries import COLUMN, COLUMNS, RESPONSE_RUN_BITS, Judged, Values, entry_values
from farebox.ledger.names import AdmittedValues, Cells
from farebox.ledger.preparing import Prepared, done_of, event_id_of, judge
from farebox.ledger.rollup import RollUp
from farebox.ledger.settling import QUIET_NS, settle
from farebox.pricing.facts import RatedPart
from farebox.pricing.quotation import month_of
from farebox.pricing.tiers import MonthToDate
from farebox.wire.facts import Extraction, Part

CHECKPOINT_ROWS = 10_000
CHECKPOINT_NS = 60_000_000_000

_SEQ, _RECORDED, _RESPONSE_KEY = COLUMN["seq"], COLUMN["recorded_at"], COLUMN["response_key"]
_INSERT = f"INSERT INTO call ({', '.join(COLUMNS)}, hash) VALUES ({', '.join('?' * (len(COLUMNS) + 1))})"  # noqa: S608


class NotPlainError(Exception):
    """What was prepared ahead needs a look into the ledger, or was rated by other prices."""


class Book(Protocol):
    """What is asked of a price book."""

    def rate(
        self,
        part: Part,
        *,
        occurred_at_ns: int,
        completeness: str,
        billable: bool,
        attribution: Mapping[str, str] | None = None,
        so_far: Mapping[str, MonthToDate] | None = None,
    ) -> RatedPart:
        """Return `part` in money."""
        ...


class _Pending:
    """An exchange that has begun: its intent, still encoded, and its last partial."""

    __slots__ = ("intent", "partial", "writer")

    def __init__(self, writer: str, intent: bytes, partial: bytes | None) -> None:
        self.writer = writer
        self.intent = intent
        self.partial = partial


class Applied(NamedTuple):
    """What one transaction did."""

    rows: int
    records: int
    last: Batch | Prepared | None
    """The batch whose end is the new position."""
    left_out: list[Entry]
    """Records nothing could be made of, each of them marked."""


class Applier:
    """Holds the head of the chain and what is pending; the only one who writes rows."""

    def __init__(
        self,
        connection: Connection,
        book: Book,
        *,
        clock: Callable[[], int] = now_ns,
        dedupe: bool = True,
        values_per_day_max: int | None = None,
    ) -> None:
        """`dedupe=False` exists for the negative control of the tests and is reachable only here."""
        self._connection = connection
        self._book = book
        self._clock = clock
        self._dedupe = dedupe
        self._admitted = (
            AdmittedValues(connection, values_per_day_max)
            if values_per_day_max
            else AdmittedValues(connection)
        )
        self._cells = Cells(connection)
        self._seq = 0
        self._hash = GENESIS
        self._mark_id = 0
        self._mark_hash = GENESIS
        self._checkpoint = Checkpoint(0, GENESIS)
        self._checkpoint_ns = 0
        self._pending: dict[bytes, _Pending] = {}
        self._fresh: set[bytes] = set()
        """Pending exchanges that the file does not have as they are now."""
        self._months = ContractMonths(connection)
        self._billing = BillOnce(connection)
        self._left_out: list[Entry] = []
        self._correcting = Correcting(connection, self._admitted, self._months, clock)
        self._load()

    @property
    def seq(self) -> int:
        """The newest row's number."""
        return self._seq

    def position(self, writer: str) -> tuple[Position, bool]:
        """Return how far `writer` has been applied, and whether that is all of it."""
        row = self._connection.execute(
            "SELECT segment, offset, seq, finished FROM applied WHERE writer = ?", (writer,)
        ).fetchone()
        return (Position(*row[:3]), bool(row[3])) if row else (Position(), False)

    def apply(
        self,
        writer: str,
        batches: Iterable[Batch | Prepared],
        *,
        look_for_duplicates: bool = False,
        leave_out_because: str | None = None,
    ) -> Applied:
        """Append what `batches` of one writer hold, all of it or nothing.

        With `leave_out_because` records are marked as undecodable for this reason and not read.

        Raises:
            apsw.ConstraintError: An event was delivered before. Rare, so ids are looked up one
                by one only when asked to: apply the same batches again and ask.
            NotPlainError: What was prepared does not fit. Apply the batches themselves.
            apsw.Error: The file could not be written. Try again later.
        """
        before, done, count = self._seq, None, 0
        self._left_out = []
        try:
            with self._connection:
                rollup = RollUp(self._admitted)
                self._billing.begin()
                for batch in batches:
                    done = batch
                    if isinstance(batch, Prepared):
                        count += batch.records
                        self._append_prepared(writer, batch, rollup)
                        continue
                    count += len(batch.entries) + len(batch.gaps)
                    self._mark_gaps(writer, batch.gaps)
                    if leave_out_because is None:
                        rows = self._read(writer, batch.entries)
                    else:
                        rows = []
                        for entry in batch.entries:
                            self._leave_out(writer, entry, leave_out_because)
                    if batch.finished:
                        buried = self._bury(writer, rows)
                        if look_for_duplicates:
                            rate = leave_out_because is not None
                            buried = [row for row in buried if self._can_be_stored(writer, row, rate=rate)]
                        rows += buried
                    if look_for_duplicates and self._dedupe:
                        rows = [row for row in rows if self._is_new(row.done)]
                    self._append(rows, rollup)
                    self._correcting.complete(self._billing.completed)
                    if self._correcting.is_asked:
                        self._hash = self._correcting.apply(
                            self._book, self._seq, self._hash, self._write_mark
                        )
                if done:
                    rollup.write(self._connection, self._cells)
                    self._months.write()
                    self._write_pending()
                    self._write_position(writer, done)
                if self._seq - self._checkpoint.seq >= CHECKPOINT_ROWS:
                    self._write_checkpoint()
        except BaseException:
            self._load()
            raise
        return Applied(self._seq - before, count, done, self._left_out)

    def check_book(self, entries: Iterable[Entry]) -> None:
        """Tell whose fault it is that no row can be made of these records.

        Raises:
            LedgerError: The price book cannot rate even an ordinary call of the same model.
        """
        for _, record_type, payload in entries:
            if record_type != records.DONE:
                continue
            done = records.decode_done(payload)
            model = done.extraction.request_model
            part = Part(
                provider=done.provider,
                request_model=model,
                response_model=model,
                quantities={"input_uncached": 1, "output_text": 1},
            )
            extraction = Extraction(parts=(part,), completeness="final")
            usual = msgspec.structs.replace(done, extraction=extraction)
            try:
                self._rate_all([Judged(usual, payload, True, None)])
            except Exception as error:
                raise LedgerError(
                    f"prices cannot be computed, not even for an ordinary call of {done.provider}/{model} "
                    f"({type(error).__name__}: {error}); nothing is appended until that is mended, the "
                    "journal keeps everything"
                ) from error
            finally:
                self._months.forget()

    def checkpoint_if_due(self) -> None:
        """Write a checkpoint when the last one is a minute old and there is something new."""
        if self._seq > self._checkpoint.seq and self._clock() - self._checkpoint_ns >= CHECKPOINT_NS:
            try:
                with self._connection:
                    self._write_checkpoint()
            except BaseException:
                self._load()
                raise

    def settle(self, quiet_ns: int = QUIET_NS) -> bool:
        """Make the sums of a few hours or a day that are over and quiet; tell whether there were any."""
        return settle(self._connection, self._clock(), quiet_ns)

    # -- one transaction --

    def _read(self, writer: str, entries: Iterable[Entry]) -> list[Judged]:
        rows: list[Judged] = []
        seen: set[bytes] = set()
        begun_here: dict[bytes, bytes] = {}
        for seq, record_type, payload in entries:
            try:
                if record_type == records.DONE:
                    done = done_of(payload)
                    if begun_here.pop(done.event_id, None) is None:
                        self._settle(done.event_id)
                    if done.event_id in seen and self._dedupe and _is_among(rows, done):
                        continue
                    seen.add(done.event_id)
                    rows.append(judge(done, payload))
                elif record_type == records.INTENT:
                    event_id = event_id_of(payload)
                    if event_id not in seen:
                        begun_here[event_id] = payload
                elif record_type == records.PARTIAL:
                    event_id = event_id_of(payload)
                    if event_id in begun_here:
                        self._begin(writer, event_id, begun_here.pop(event_id))
                    if event_id in self._pending:
                        self._pending[event_id].partial = payload
                        self._fresh.add(event_id)
                elif record_type in CORRECTING:
                    self._correcting.ask(writer, record_type, payload)
                elif record_type == records.MARK:
                    mark = records.decode_mark(payload)
                    self._write_mark(writer, mark.kind, {"at_ns": mark.at_ns, **mark.detail})
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                # One record nobody can read must not stop those behind it.
                self._leave_out(writer, (seq, record_type, payload), str(error))
        for event_id, intent in begun_here.items():
            self._begin(writer, event_id, intent)
        return rows

    def _begin(self, writer: str, event_id: bytes, intent: bytes) -> None:
        known = self._pending.get(event_id)
        self._pending[event_id] = _Pending(writer, intent, known.partial if known else None)
        self._fresh.add(event_id)

    def _settle(self, event_id: bytes) -> None:
        if self._pending.pop(event_id, None) is not None:
            self._fresh.discard(event_id)
            self._connection.execute("DELETE FROM pending WHERE event_id = ?", (event_id,))

    def _bury(self, writer: str, ended: Sequence[Judged]) -> list[Judged]:
        """Return a row for everything a dead writer had begun and nobody saw the end of.

        An intent may come behind its own end, where records were stored a second time.
        """
        rows: list[Judged] = []
        for event_id, begun in [item for item in self._pending.items() if item[1].writer == writer]:
            self._settle(event_id)
            try:
                done = _as_unknown(begun)
                if self._dedupe and (_is_among(ended, done) or not self._is_new(done)):
                    continue
                rows.append(judge(done, records.encode(done)))
            except msgspec.MsgspecError as error:
                self._mark_undecodable(writer, str(error), event_id=event_id.hex())
        return rows

    def _can_be_stored(self, writer: str, row: Judged, *, rate: bool) -> bool:
        """Tell whether a call makes a row, and mark it where it does not."""
        rated: list[RatedPart] = []
        try:
            if rate:
                (rated,) = self._rate_all([row])
            values = entry_values(0, 0, row, rated)
            self._connection.execute(f"SELECT {', '.join('?' * len(values))}", values)
        except (ValueError, ArithmeticError, TypeError) as error:
            self._mark_undecodable(writer, type(error).__name__, event_id=row.done.event_id.hex())
            return False
        finally:
            if rate:
                self._months.forget()  # rated for the sake of trying: the month has not seen it
        return True

    def _is_new(self, done: Done) -> bool:
        if not self._dedupe:
            return True
        found = self._connection.execute(
            "SELECT 1 FROM call WHERE event_id = ? AND source = ?", (done.event_id, done.source)
        ).fetchone()
        return found is None

    def _append(self, rows: Sequence[Judged], rollup: RollUp) -> None:
        if not rows:
            return
        # One step for all rows, then the next: each step's code and data stay in the cache.
        rows = self._billing.judged(rows, self._seq)
        rated = self._rate_all(rows)
        recorded_at = self._clock()
        previous = self._hash
        stored: list[Values] = []
        for seq, (row, money) in enumerate(zip(rows, rated, strict=True), self._seq + 1):
            values = entry_values(seq, recorded_at, row, money)
            previous = link(previous, values)
            stored.append((*values, previous))
        rollup.add(stored)
        self._connection.executemany(_INSERT, stored)
        self._seq, self._hash = self._seq + len(rows), previous
        self._correcting.consider(rows, self._seq)

    def _append_prepared(self, writer: str, batch: Prepared, rollup: RollUp) -> None:
        """Append rows that were made elsewhere: give them numbers, the time and their place in the chain."""
        if batch.snapshot != getattr(self._book, "digest", "") or self._billing.concerns(batch.responses):
            raise NotPlainError
        for event_id in batch.settled:
            self._settle(event_id)
        for event_id, intent in batch.begun:
            self._begin(writer, event_id, intent)
        stored: Sequence[Any] = batch.rows
        if not stored:
            return
        recorded_at, previous = self._clock(), self._hash
        for seq, row in enumerate(stored, self._seq + 1):
            row[_SEQ], row[_RECORDED] = seq, recorded_at
            if row[_RESPONSE_KEY] is not None:
                row[_RESPONSE_KEY] |= seq >> RESPONSE_RUN_BITS << 32
            previous = link(previous, row)
            row.append(previous)
        rollup.add(stored)
        self._connection.executemany(_INSERT, stored)
        self._seq, self._hash = self._seq + len(stored), previous

    def use(self, book: Book) -> None:
        """Rate by another book from now on."""
        self._book = book

    def _rate_all(self, rows: Sequence[Judged]) -> list[list[RatedPart]]:
        if getattr(self._book, "has_contracts", False):
            return [self._rate_agreed(row) for row in rows]
        rate = self._book.rate
        return [
            [
                rate(
                    part,
                    occurred_at_ns=done.occurred_at_ns,
                    completeness=done.extraction.completeness,
                    billable=billable,
                )
                for part in done.extraction.parts
            ]
            for done, _, billable, _ in rows
        ]

    def _rate_agreed(self, row: Judged) -> list[RatedPart]:
        """Rate where contracts decide: who asked, and what their month has seen."""
        done = row.done
        asking = done.attribution
        if done.key_fingerprint:
            asking = {**asking, "key": done.key_fingerprint}
        month = month_of(done.occurred_at_ns)
        rated: list[RatedPart] = []
        for part in done.extraction.parts:
            money = self._book.rate(
                part,
                occurred_at_ns=done.occurred_at_ns,
                completeness=done.extraction.completeness,
                billable=row.billable,
                attribution=asking,
                so_far=self._months.so_far(month),
            )
            if money.month is not None:
                self._months.add(money.month)
            rated.append(money)
        return rated

    # -- what is written beside the rows --

    def _write_pending(self) -> None:
        if self._fresh:
            found = [(event_id, self._pending[event_id]) for event_id in self._fresh]
            self._connection.executemany(
                "INSERT OR REPLACE INTO pending VALUES (?, ?, ?, ?)",
                [(event_id, begun.writer, begun.intent, begun.partial) for event_id, begun in found],
            )
            self._fresh.clear()

    def _write_position(self, writer: str, batch: Batch | Prepared) -> None:
        finished = isinstance(batch, Batch) and batch.finished
        values = (writer, *batch.position, int(finished), self._seq)
        self._connection.execute(
            "INSERT OR REPLACE INTO applied VALUES (?, ?, ?, ?, ?, ?, ?)", (*values, link(self._hash, values))
        )

    def _mark_gaps(self, writer: str, gaps: Iterable[Gap]) -> None:
        for gap in gaps:
            detail = {"segment": gap.segment, "start": gap.start, "end": gap.end, "records": gap.records}
            self._write_mark(writer, gap.kind, detail)

    def _leave_out(self, writer: str, entry: Entry, because: str) -> None:
        """Mark a record nothing can be made of; who called `apply` keeps its bytes."""
        self._mark_undecodable(writer, because, seq=entry[0], type=entry[1])
        self._left_out.append(entry)

    def _mark_undecodable(self, writer: str, why: str, **where: int | str) -> None:
        self._write_mark(writer, "undecodable", {**where, "why": why})

    def _write_mark(self, writer: str, kind: str, detail: dict[str, Any]) -> None:
        text = msgspec.json.encode(detail).decode()
        values = (self._mark_id + 1, self._clock(), writer, kind, text)
        self._mark_hash = link(self._mark_hash, values)
        self._mark_id += 1
        self._connection.execute("INSERT INTO mark VALUES (?, ?, ?, ?, ?, ?)", (*values, self._mark_hash))

    def _write_checkpoint(self) -> None:
        now = self._clock()
        self._connection.execute(
            "INSERT INTO checkpoint VALUES (?, ?, ?, ?, ?)",
            (self._seq, self._hash, self._mark_id, self._mark_hash, now),
        )
        self._checkpoint = Checkpoint(self._seq, self._hash)
        self._checkpoint_ns = now

    def _load(self) -> None:
        """Take everything from the file: at the start, and after a transaction that failed."""
        execute = self._connection.execute
        last = execute("SELECT seq, hash FROM call ORDER BY seq DESC LIMIT 1").fetchone()
        self._seq, self._hash = last or (0, GENESIS)
        self._hash = self._correcting.load(self._seq) or self._hash
        mark = execute("SELECT id, hash FROM mark ORDER BY id DESC LIMIT 1").fetchone()
        self._mark_id, self._mark_hash = mark or (0, GENESIS)
        checkpoint = execute(
            "SELECT seq, hash, recorded_at FROM checkpoint ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        self._checkpoint = Checkpoint(*checkpoint[:2]) if checkpoint else Checkpoint(0, GENESIS)
        self._checkpoint_ns = checkpoint[2] if checkpoint else self._clock()
        self._pending = {
            event_id: _Pending(writer, intent, partial)
            for event_id, writer, intent, partial in execute(
                "SELECT event_id, writer, intent, partial FROM pending"
            )
        }
        self._fresh.clear()
        self._billing.load()
        self._admitted.forget()
        self._cells.forget()
        self._months.forget()


def _is_among(rows: Iterable[Judged], done: Done) -> bool:
    identity = done.event_id, done.source
    return any((row.done.event_id, row.done.source) == identity for row in rows)


def _as_unknown(begun: _Pending) -> Done:
    """Return the end of an exchange whose writer died before it could say how it went."""
    intent = records.decode_intent(begun.intent)
    extraction = Extraction(reason="writer_died", request_model=None)
    ended_at_ns = intent.occurred_at_ns
    if begun.partial:
        partial = records.decode_partial(begun.partial)
        ended_at_ns = partial.at_ns
        extraction = partial.extraction
        # A stream that had said its end is all there: only its record is missing.
        if extraction.completeness not in ("none", "final"):
            extraction = msgspec.structs.replace(extraction, completeness="partial", reason="writer_died")
    return Done(
        **msgspec.structs.asdict(intent),
        ended_at_ns=ended_at_ns,
        outcome="unknown",
        extraction=extraction,
    )
