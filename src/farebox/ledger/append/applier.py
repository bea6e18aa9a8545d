"""Turn journal records into rows: rate, append and move on, in one transaction.

A row exists exactly once because the position in the journal is committed with it, and because
the event's own id is unique for ever. An exchange that was begun by a writer that died is
appended as `unknown`, with what its last `Partial` said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from farebox.clock import now_ns
from farebox.errors import LedgerError
from farebox.journal import records
from farebox.journal.folders import Position
from farebox.journal.reader import Batch, Entry
from farebox.journal.records import Done
from farebox.journal.unknown_outcome import as_unknown
from farebox.ledger.append.bill_once import BillOnce
from farebox.ledger.append.blocks import CALL_AT, Blocks
from farebox.ledger.append.dictionaries import ERASED, PersonalRow
from farebox.ledger.append.entry import entry_of
from farebox.ledger.append.judgement import Judged, done_of, event_id_of, judge
from farebox.ledger.append.pending import Pending
from farebox.ledger.append.results import TABLES, Results
from farebox.ledger.block_detail import encode_detail
from farebox.ledger.call_store import has_content
from farebox.ledger.charging.call_charges import CallCharges
from farebox.ledger.corrections.corrector import CORRECTING, Corrector
from farebox.ledger.corrections.rerating import Book, asking_of, rate_parts
from farebox.ledger.database import Connection, rewrite_table
from farebox.ledger.losses.incidents import Incidents
from farebox.ledger.proof.chain import link
from farebox.ledger.proof.signed_checkpoint import Sign
from farebox.ledger.witnesses.joining import Joining
from farebox.pricing.facts import RatedPart
from farebox.wire.facts import Extraction, Part

if TYPE_CHECKING:
    from farebox.charges.customer_terms import CustomerTerms


class Applied(NamedTuple):
    """What one transaction did."""

    rows: int
    records: int
    last: Batch | None
    """The batch whose end is the new position."""
    left_out: list[Entry]
    """Records that could not be decoded, each of them marked."""
    has_erased: bool
    """Personal values were erased: `forget_earlier_pages`."""


class Applier:
    """Holds the head of the chain and the pending exchanges; nothing else writes rows."""

    def __init__(
        self,
        connection: Connection,
        book: Book,
        *,
        clock: Callable[[], int] = now_ns,
        dedupe: bool = True,
        before_erasing: Callable[[Sequence[PersonalRow]], None] = lambda values: None,
        sign: Sign | None = None,
    ) -> None:
        """`before_erasing` hears of values while they are still known, for whoever keeps them elsewhere;
        `sign` signs checkpoints.

        `dedupe=False` exists for the negative control of the tests and is reachable only here."""
        self._connection = connection
        self._book = book
        self._clock = clock
        self._dedupe = dedupe
        self._before_erasing = before_erasing
        self._blocks = Blocks(connection, clock)
        self._marks = Incidents(connection, clock, sign)
        self._pending = Pending(connection)
        self._charges = CallCharges(connection)
        self._billing = BillOnce(connection)
        self._results = Results(connection, self._blocks, clock, self._marks.write, self._charges.resolved)
        self._left_out: list[Entry] = []
        self._has_erased = False
        self._corrector = Corrector(connection, self._blocks, self._charges)
        self._joining = Joining(connection, self._blocks, self._charges, self._corrector.estimation, clock)
        self._load()

    @property
    def seq(self) -> int:
        """The newest row's number."""
        return self._blocks.seq

    def position(self, writer: str) -> tuple[Position, bool]:
        """Return how far `writer` has been applied, and whether that is all of it."""
        row = self._connection.execute(
            "SELECT segment, offset, seq, finished FROM applied WHERE writer = ?", (writer,)
        ).fetchone()
        return (Position(*row[:3]), bool(row[3])) if row else (Position(), False)

    def apply(
        self,
        writer: str,
        batches: Iterable[Batch],
        *,
        look_for_duplicates: bool = False,
        leave_out_because: str | None = None,
    ) -> Applied:
        """Append what `batches` of one writer hold, all of it or nothing.

        With `leave_out_because` records are marked as undecodable for this reason and not read.

        Raises:
            apsw.ConstraintError: An event was delivered before. Rare, so ids are looked up one
                by one only when asked to: apply the same batches again and ask.
            apsw.Error: The file could not be written. Try again later.
        """
        before, last, count = self.seq, None, 0
        self._left_out, self._has_erased = [], False
        try:
            with self._connection:
                self._billing.begin()
                self._joining.begin()
                for batch in batches:
                    last, count = batch, count + len(batch.entries) + len(batch.gaps)
                    self._take(writer, batch, leave_out_because, look_for_duplicates)
                if last:
                    self._charges.write()
                    self._pending.write()
                    self._corrector.calibrations.write()
                    self._write_position(writer, last)
                if self._marks.has_many_since_checkpoint(self.seq):
                    self._checkpoint()
        except BaseException:
            self._load()
            raise
        return Applied(self.seq - before, count, last, self._left_out, self._has_erased)

    def check_book(self, entries: Iterable[Entry]) -> None:
        """Tell whether the records or the price book are at fault when no row can be made.

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
                self._rate_all([Judged(usual, True, None)])
            except Exception as error:
                raise LedgerError(
                    f"prices cannot be computed, not even for an ordinary call of {done.provider}/{model} "
                    f"({type(error).__name__}: {error}); nothing is appended until that is fixed, the "
                    "journal keeps everything"
                ) from error
            finally:
                self._charges.forget()

    def checkpoint_if_due(self) -> None:
        """Write a checkpoint when the last one is a minute old and there is something new."""
        if self._marks.is_checkpoint_old(self.seq):
            try:
                with self._connection:
                    self._checkpoint()
            except BaseException:
                self._load()
                raise

    def _checkpoint(self) -> None:
        self._marks.checkpoint(self.seq, self._blocks.head)
        self._joining.forget_old()

    def has_ever_erased(self) -> bool:
        """Tell whether personal values were ever erased from this record."""
        statement = "SELECT 1 FROM mark WHERE kind = ? LIMIT 1"
        return self._connection.execute(statement, (ERASED,)).fetchone() is not None

    def forget_earlier_pages(self) -> bool:
        """Empty the WAL, which holds pages as they were before; tell whether that was possible.

        It is not while a reader still sees an earlier state.
        """
        is_busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not is_busy

    def use(self, book: Book) -> None:
        """Rate by another book from now on."""
        self._book = book

    def use_terms(self, terms: CustomerTerms | None) -> None:
        """Resolve customers and charge by these terms from now on; None: there are none."""
        self._charges.terms = terms

    def restate(self, calls: Sequence[int], note: Callable[[], None]) -> None:
        """Correct these calls to whose they are and what their plans charge now; `note` writes beside that.

        All of it or nothing, in one transaction.
        """
        try:
            with self._connection:
                self._corrector.restate(self._book, calls)
                self._charges.write()
                note()
        except BaseException:
            self._load()
            raise

    def restate_results(self) -> None:
        """Move outcomes and scores to whose they are now, within the caller's transaction."""
        self._results.restate(self.seq)

    # -- one transaction --

    def _take(
        self,
        writer: str,
        batch: Batch,
        leave_out_because: str | None,
        look_for_duplicates: bool,
    ) -> None:
        """Append what a batch holds, as it was read."""
        self._marks.gaps(writer, batch.gaps)
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
            rows = [row for row in rows if self._is_new(row.done, writer)]
        self._append(rows)
        self._correct()

    def _read(self, writer: str, entries: Iterable[Entry]) -> list[Judged]:
        rows: list[Judged] = []
        seen: set[bytes] = set()
        begun_here: dict[bytes, bytes] = {}
        for seq, record_type, payload in entries:
            try:
                if record_type == records.DONE:
                    done = done_of(payload)
                    if begun_here.pop(done.event_id, None) is None:
                        self._pending.settle(done.event_id)
                    if done.event_id in seen and self._dedupe and _is_among(rows, done):
                        continue
                    seen.add(done.event_id)
                    rows.append(judge(done))
                elif record_type == records.INTENT:
                    event_id = event_id_of(payload)
                    if event_id not in seen:
                        begun_here[event_id] = payload
                elif record_type == records.PARTIAL:
                    event_id = event_id_of(payload)
                    if event_id in begun_here:
                        self._pending.begin(writer, event_id, begun_here.pop(event_id))
                    self._pending.go_on(event_id, payload)
                elif record_type in TABLES:
                    self._results.append(writer, record_type, payload, self.seq)
                elif record_type in CORRECTING:
                    self._corrector.ask(writer, record_type, payload)
                elif record_type == records.ERASE:
                    self._erase(writer, records.decode_erase(payload).personal)
                elif record_type == records.MARK:
                    mark = records.decode_mark(payload)
                    if not self._marks.has_event(mark.detail):
                        self._marks.write(writer, mark.kind, {"at_ns": mark.at_ns, **mark.detail})
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                # A record that cannot be decoded must not stop those behind it.
                self._leave_out(writer, (seq, record_type, payload), str(error))
        for event_id, intent in begun_here.items():
            self._pending.begin(writer, event_id, intent)
        return rows

    def _erase(self, writer: str, personal: Sequence[int]) -> None:
        known = self._blocks.dictionaries.personal_values(personal)
        if known:
            self._before_erasing(known)
        erased = self._blocks.erase(personal)
        if erased:
            self._has_erased = True
            self._marks.write(writer, ERASED, {"personal": erased})
            self._pending.write()
            for table in ("personal", "pending"):
                rewrite_table(self._connection, table)

    def _bury(self, writer: str, ended: Sequence[Judged]) -> list[Judged]:
        """Return a row for every exchange that a dead writer had begun and not ended.

        An intent may come behind its own end, where records were stored a second time.
        """
        rows: list[Judged] = []
        for event_id, begun in self._pending.take_all(writer):
            try:
                done = as_unknown(begun.intent, begun.partial)
                if self._dedupe and (_is_among(ended, done) or not self._is_new(done)):
                    continue
                rows.append(judge(done))
            except msgspec.MsgspecError as error:
                self._marks.undecodable(writer, str(error), event_id=event_id.hex())
        return rows

    def _can_be_stored(self, writer: str, row: Judged, *, rate: bool) -> bool:
        """Tell whether a call makes a row, and mark it where it does not."""
        rated: list[RatedPart] = []
        try:
            if rate:
                (rated,) = self._rate_all([row])
            trial = entry_of(row._replace(done=msgspec.structs.replace(row.done)), rated)
            encode_detail([trial.record], [trial.rating], b"")
            plain = [each for each in trial.values if not isinstance(each, tuple)]
            plain += trial.values[CALL_AT["call_class"]]
            self._connection.execute(f"SELECT {', '.join('?' * len(plain))}", plain)
        except (ValueError, ArithmeticError, TypeError) as error:
            self._marks.undecodable(writer, type(error).__name__, event_id=row.done.event_id.hex())
            return False
        finally:
            if rate:
                self._charges.forget()  # rated as a trial only: not counted in a period
        return True

    def _is_new(self, done: Done, writer: str = "") -> bool:
        """Tell whether a call is not in the record; mark it where it is there with another content."""
        if not self._dedupe:
            return True
        found = self._connection.execute(
            "SELECT seq FROM call WHERE event_id = ? AND revision = 0 "
            "AND source = (SELECT id FROM source WHERE name = ?)",
            (done.event_id, done.source),
        ).fetchone()
        if found is None:
            is_same = self._joining.knows(done)
            if is_same is False and writer:
                self._marks.write(writer, "conflict", {"event_id": done.event_id.hex()})
            return is_same is None
        if writer and not has_content(self._connection, found[0], done):
            self._marks.write(writer, "conflict", {"event_id": done.event_id.hex(), "call": found[0]})
        return False

    def _append(self, rows: Sequence[Judged]) -> None:
        if not rows:
            return
        if self._joining.has_several_kinds(rows):
            rows = self._joining.place(rows)
        # One step for all rows, then the next: each step's code and data stay in the cache.
        rows = self._billing.judged(rows, self.seq)
        if self._charges.terms is not None:
            rows = [row._replace(done=self._charges.resolve(row.done)) for row in rows]
        money = self._rate_all(rows)
        entries = [entry_of(row, rated) for row, rated in zip(rows, money, strict=True)]
        self._blocks.append(entries)
        self._corrector.consider(rows, entries, self.seq)

    def _correct(self) -> None:
        """Append the corrections that were asked for, or that the newest calls make necessary."""
        if self._joining.is_unsettled:
            self._joining.settle(self._book, self._rate_all)
            self._corrector.lack(self._joining.unmeasured)
        self._corrector.complete(self._billing.completed)
        if self._corrector.is_asked:
            self._corrector.apply(self._book, self._marks.write)

    def _rate_all(self, rows: Sequence[Judged]) -> list[list[RatedPart]]:
        if self._charges.terms is not None or getattr(self._book, "has_contracts", False):
            return [self._rate_for(row) for row in rows]
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
            for done, billable, _ in rows
        ]

    def _rate_for(self, row: Judged) -> list[RatedPart]:
        """Rate where it matters whose a call is: under contracts and plans."""
        done, billable, _ = row
        parts = done.extraction.parts
        rated = rate_parts(
            self._book,
            parts,
            asking_of(done),
            occurred_at_ns=done.occurred_at_ns,
            completeness=done.extraction.completeness,
            billable=billable,
        )
        return self._charges.charged(done, parts, rated) if billable else rated

    # -- what is written beside the rows --

    def _write_position(self, writer: str, batch: Batch) -> None:
        values = (writer, *batch.position, int(batch.finished), self.seq)
        self._connection.execute(
            "INSERT OR REPLACE INTO applied VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*values, link(self._blocks.head, values)),
        )

    def _leave_out(self, writer: str, entry: Entry, because: str) -> None:
        """Mark a record that cannot be decoded; the caller of `apply` keeps its bytes."""
        self._marks.undecodable(writer, because, seq=entry[0], type=entry[1])
        self._left_out.append(entry)

    def _load(self) -> None:
        """Read the state from the file: at the start, and after a transaction that failed."""
        self._blocks.load()
        self._results.load()
        self._marks.load()
        self._pending.load()
        self._billing.load()
        self._charges.forget()
        self._corrector.load()
        self._joining.load()


def _is_among(rows: Iterable[Judged], done: Done) -> bool:
    identity = done.event_id, done.source
    return any((row.done.event_id, row.done.source) == identity for row in rows)
