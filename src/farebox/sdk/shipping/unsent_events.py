"""What one writer of the spool has stored and the collector has not acknowledged, as events.

How far it is acknowledged is noted beside the spool, with the calls that have begun and not ended. Nothing
depends on the note being the newest: what is sent a second time is a duplicate to the collector.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from farebox.clock import now_ns
from farebox.home import replace_private
from farebox.journal import records
from farebox.journal.folders import (
    Position,
    first_bytes,
    pending_bytes,
    remove_passed,
    remove_writer,
    segment_numbers,
)
from farebox.journal.format import HEADER_BYTES, decode_header
from farebox.journal.reader import Entry, Gap, JournalReader
from farebox.journal.unknown_outcome import as_unknown
from farebox.recording.event_spelling import event_of_done, event_of_result, loss_event
from farebox.recording.events import encode_event
from farebox.sdk import faults
from farebox.sdk.shipping.spool import note_of

_RESULTS = frozenset((records.OUTCOME, records.SCORE))
ENDS = _RESULTS | {records.DONE}
"""Types of records that become events."""


class Unsent(NamedTuple):
    """One event on its way."""

    body: bytes
    """The event as JSON."""
    entry: Entry | None
    """The record it was made of; None for a call that was begun and not ended, and for a report of losses."""
    writer: Path
    """The folder it comes from."""


class _Report(msgspec.Struct, array_like=True):
    """Events that became too old before the collector could be reached, to be reported once."""

    event_id: bytes
    events: int
    from_ns: int
    until_ns: int


class _Sent(msgspec.Struct, array_like=True):
    """How far a writer has been acknowledged."""

    position: Position
    begun: list[tuple[bytes, bytes | None]] = []
    """INTENT and last PARTIAL of what had begun by then and not ended."""
    finished: bool = False
    expired_upto: int = 0
    """Events up to this record were too old, and are counted in a report."""
    reports: list[_Report] = []
    """Those that were not acknowledged yet."""
    caught_up_ns: int = 0
    """When everything that there was had been acknowledged: what is not was stored later."""


_decode_sent = msgspec.msgpack.Decoder(_Sent).decode


class UnsentEvents:
    """One writer's. Used by one thread at a time."""

    def __init__(
        self,
        folder: Path,
        note: Path,
        *,
        source: str,
        age_ns_max: int,
        clock_ns: Callable[[], int] = now_ns,
    ) -> None:
        """`source`: who reports what the writer lost. `age_ns_max`: what is older is not sent."""
        self.folder = folder
        self._note = note
        self._source = source
        self._age_ns_max = age_ns_max
        self._clock_ns = clock_ns
        sent = _read(note)
        if sent is None:
            sent = _Sent(_first_position(folder))
        self._sent = sent
        self._reader = JournalReader(folder, sent.position)
        self._begun: dict[bytes, tuple[bytes, bytes | None]] = {}
        for intent, partial in sent.begun:
            with contextlib.suppress(msgspec.MsgspecError):
                self._begun[_id_of(intent)] = intent, partial
        self._ready: deque[Unsent] = deque()
        self._ready.extend(self._reported(report) for report in sent.reports)
        self.finished = sent.finished
        """The writer is dead, and all that it stored has been taken."""
        self._segment = 0
        self._segment_made_ns = 0

    @property
    def acknowledged(self) -> int:
        """The writer's last record up to which everything was acknowledged."""
        return self._sent.position.seq - 1

    @property
    def begun(self) -> int:
        """How many calls have begun and not ended, as far as was read."""
        return len(self._begun)

    def take(self, count: int) -> list[Unsent]:
        """Return the next events, at most `count`; they count as sent once `confirm` is called."""
        while len(self._ready) < count and not self.finished:
            batch = self._reader.read(count - len(self._ready))
            expired_upto = self._expired_upto(batch.entries)
            for gap in batch.gaps:
                self._lost_gap(gap)
            for entry in batch.entries:
                self._take(entry, expired_upto)
            if batch.finished:
                self.finished = True
                self._bury()
            elif not batch.entries and not batch.gaps:
                if not self._ready and batch.position == self._sent.position:
                    self._sent.caught_up_ns = self._clock_ns()
                break
        return [self._ready.popleft() for _ in range(min(count, len(self._ready)))]

    def confirm(self) -> bool:
        """Note that everything taken was acknowledged, and remove what nobody needs any more.

        Tell whether that is all there will ever be.
        """
        if self._ready:
            return False
        position = self._reader.position
        if self.finished:
            self._reader.close()
            if remove_writer(self.folder, position):
                self._note.unlink(missing_ok=True)
                return True
        elif position == self._sent.position and not self._sent.reports:
            return False
        self._sent = _Sent(
            position,
            list(self._begun.values()),
            self.finished,
            self._sent.expired_upto,
            [],
            self._sent.caught_up_ns,
        )
        self._save()
        remove_passed(self.folder, position)
        return self.finished

    def remove_if_done(self) -> None:
        """Remove the folder where all of it was acknowledged and its writer has released it."""
        position = self._sent.position
        with contextlib.suppress(OSError):
            done = not self._ready and not self._begun and not pending_bytes(self.folder, position)
            if done and remove_writer(self.folder, position):
                self._note.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the segment that is open."""
        self._reader.close()

    # -- records to events --

    def _take(self, entry: Entry, expired_upto: int) -> None:
        seq, kind, payload = entry
        try:
            if kind == records.INTENT:
                self._begun[_id_of(payload)] = payload, None
            elif kind == records.PARTIAL:
                event_id = _id_of(payload)
                if event_id in self._begun:
                    self._begun[event_id] = self._begun[event_id][0], payload
            elif kind == records.MARK:
                self._lost(seq, records.decode_mark(payload))
            elif kind in ENDS:
                if kind == records.DONE:
                    self._begun.pop(_id_of(payload), None)
                if seq > expired_upto:
                    self._ready.append(Unsent(_body(kind, payload), entry, self.folder))
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, ArithmeticError) as error:
            faults.report(error, "reading the spool")
            self._report_loss(f"unreadable {seq}", 1, int(kind in ENDS), len(payload))

    def _bury(self) -> None:
        """Make an event of every call that a dead writer had begun and not ended."""
        for intent, partial in self._begun.values():
            try:
                self._ready.append(
                    Unsent(encode_event(event_of_done(as_unknown(intent, partial))), None, self.folder)
                )
            except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
                faults.report(error, "reading the spool")
        self._begun.clear()

    def _lost(self, seq: int, mark: records.Mark) -> None:
        if mark.kind == "lost":
            detail = mark.detail
            counts = [int(detail.get(name, 0)) for name in ("records", "exchanges", "bytes")]
            moments = [int(detail.get(name, 0)) or mark.at_ns for name in ("from_ns", "until_ns")]
            self._report_loss(f"lost {seq}", *counts, *moments)

    def _lost_gap(self, gap: Gap) -> None:
        if gap.records:
            self._report_loss(f"gap {gap.segment} {gap.start}", gap.records, 0, gap.end - gap.start)

    def _report_loss(
        self, what: str, count: int, exchanges: int, size: int, from_ns: int = 0, until_ns: int = 0
    ) -> None:
        """`what` makes the report's id, so that it is the same however often the place is read."""
        now = self._clock_ns() if not from_ns else 0
        event = loss_event(
            self._id(what),
            self._source,
            records=count,
            exchanges=exchanges,
            size=size,
            from_ns=from_ns or now,
            until_ns=until_ns or now,
        )
        self._ready.append(Unsent(encode_event(event), None, self.folder))

    def _id(self, what: str) -> bytes:
        return hashlib.sha256(f"{self.folder.name} {what}".encode()).digest()[:16]

    # -- what is too old --

    def _expired_upto(self, entries: list[Entry]) -> int:
        """Return the last record that is too old to be sent; what is before it is, too.

        How many these are is noted before anything else happens: read again, none is counted twice.
        """
        known = self._sent.expired_upto
        oldest_ns = self._clock_ns() - self._age_ns_max
        if not entries or max(self._made_ns(), self._sent.caught_up_ns) >= oldest_ns:
            return known
        ends = [
            (seq, _ended_ns(kind, payload)) for seq, kind, payload in entries if kind in ENDS and seq > known
        ]
        last = next((seq for seq, ended_ns in reversed(ends) if ended_ns < oldest_ns), known)
        moments = [ended_ns for seq, ended_ns in ends if seq <= last]
        if moments:
            report = _Report(self._id(f"expired {last}"), len(moments), min(moments), max(moments))
            self._sent.expired_upto = last
            self._sent.reports.append(report)
            self._save()
            self._ready.append(self._reported(report))
        return last

    def _reported(self, report: _Report) -> Unsent:
        event = loss_event(
            report.event_id,
            self._source,
            records=report.events,
            exchanges=report.events,
            size=0,
            from_ns=report.from_ns,
            until_ns=report.until_ns,
        )
        return Unsent(encode_event(event), None, self.folder)

    def _made_ns(self) -> int:
        """Return when the segment that was read last was made: none of its records is older."""
        number = self._reader.position.segment
        if number != self._segment:
            self._segment = number
            try:
                header = decode_header(first_bytes(self.folder, number, HEADER_BYTES))
                self._segment_made_ns = header.created_ns if header is not None else 0
            except OSError:
                self._segment_made_ns = 0
        return self._segment_made_ns

    def _save(self) -> None:
        self._note.parent.mkdir(mode=0o700, exist_ok=True)
        replace_private(self._note, msgspec.msgpack.encode(self._sent))


class _Identified(msgspec.Struct, array_like=True):
    """What INTENT, PARTIAL and DONE begin with."""

    event_id: bytes


_identified = msgspec.msgpack.Decoder(_Identified).decode


def _id_of(payload: bytes) -> bytes:
    return _identified(payload).event_id


def _body(kind: int, payload: bytes) -> bytes:
    if kind == records.DONE:
        return encode_event(event_of_done(records.decode_done(payload)))
    return encode_event(event_of_result(kind, records.decode_result(payload)))


def _ended_ns(kind: int, payload: bytes) -> int:
    """Return when an event was over; 0 where its record cannot be read."""
    try:
        if kind == records.DONE:
            return records.decode_done(payload).ended_at_ns
        return records.decode_result(payload).occurred_at_ns
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return 0


def _read(note: Path) -> _Sent | None:
    try:
        return _decode_sent(note.read_bytes())
    except (OSError, msgspec.MsgspecError):
        return None


def acknowledged_upto(folder: Path) -> Position:
    """Return up to where a writer's records have been acknowledged."""
    sent = _read(note_of(folder))
    return _first_position(folder) if sent is None else sent.position


def _first_position(folder: Path) -> Position:
    """Return where a writer without a note begins: segments before the first one have been acknowledged."""
    with contextlib.suppress(OSError):
        for number in segment_numbers(folder)[:1]:
            header = decode_header(first_bytes(folder, number, HEADER_BYTES))
            if number > 1 and header is not None:
                return Position(number, 0, header.first_seq)
    return Position()
