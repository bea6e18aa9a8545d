"""Follow one writer's segments, past whatever a crash or a bad disk did to them. Reading never stops. A
hole is reported with its exact byte range and, because every record carries a sequence number, with the
exact number of records in it.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from farebox.journal import records
from farebox.journal.folders import (
    UNREAD,
    Position,
    first_bytes,
    open_segment,
    pending_bytes,
    segment_numbers,
)
from farebox.journal.format import (
    HEADER_BYTES,
    MAGIC,
    RECORD_BYTES_MAX,
    RECORD_HEAD_BYTES,
    decode_header,
    decode_record,
    find_record,
    segment_name,
    segment_seed,
)
from farebox.journal.segments import is_alive
from farebox.journal.tally import read_tally

_CHUNK_BYTES = 256 << 10
_PATIENCE_S = 1.0
_PATIENCE_LAST_S = 60.0
_ALIVE_FOR_S = 1.0
_UNOPENED_FOR_S = 60.0
"""How long a segment may refuse to open before it is set aside and passed."""

_NOT_THE_FILES_FAULT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors of opening that are not about the file: reading waits until they pass."""

SETTLED_NS = 1_000_000_000
"""How old a folder's time stamp has to be to tell of any later change."""
_HEAD = struct.Struct("<IIQB3s")
_BLANK_HEADER = bytes(HEADER_BYTES)


Entry = tuple[int, int, bytes]
"""One record as handed out: sequence number, type, payload."""


class Gap(NamedTuple):
    """Bytes that are no records. `records` of them are known to be missing."""

    kind: Literal["gap", "torn_tail", "missing"]
    """`torn_tail`: the record a dead writer was storing when it ended. `missing`: records with no bytes
    left."""
    segment: int
    start: int
    end: int
    records: int


class Batch(NamedTuple):
    """What one `read` found, and where the next one starts."""

    entries: list[Entry]
    gaps: list[Gap]
    position: Position
    finished: bool
    """The writer is dead and everything it stored has been handed out."""


class JournalReader:
    """Reads one writer's folder from a position on."""

    def __init__(
        self,
        folder: Path,
        position: Position | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.writer = folder.name
        self.position = Position() if position is None else position
        self._monotonic = monotonic
        self._descriptor = -1
        self._open_number = 0
        self._look_again_at = 0.0
        self._patience_s = _PATIENCE_S
        self._alive_until = 0.0
        self._quiet_since_ns = -1
        self._tallied = False
        """What the dead writer noted of its losses has been handed out."""
        self._unopened = (0, 0.0)
        """A segment that does not open, and since when."""
        self.trouble: OSError | None = None
        """Why the last `read` did not get as far as it could have."""

    def close(self) -> None:
        """Close the segment that is open. To set the position back, close first."""
        self._close_segment()
        self._tallied = False

    def _close_segment(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._open_number, self._quiet_since_ns = -1, 0, -1

    def read(self, records_max: int) -> Batch:
        """Return the next records, at most `records_max`. Call again for more."""
        entries: list[Entry] = []
        gaps: list[Gap] = []
        finished, self.trouble = False, None
        try:
            finished = self._read(entries, gaps, records_max)
        except OSError as error:  # nothing is known of what lies here: the next call tries again
            self.trouble = error
        return Batch(entries, gaps, self.position, finished)

    def _read(self, entries: list[Entry], gaps: list[Gap], records_max: int) -> bool:
        """Read what there is; tell whether the writer is dead and this is all of it.

        Raises:
            OSError: Something that is there cannot be looked at. What was taken is good.
        """
        alive = self._is_alive()  # first: what a dead writer stored is there by now
        if alive and self._nothing_new():
            return False
        while len(entries) < records_max:
            if self._open(alive):
                if self._read_chunk(entries, gaps, records_max):
                    continue
                if self._pass_obstacle(alive, gaps):
                    continue
            elif self._pass_unread(alive, gaps) or self._go_to_next_segment(alive, gaps):
                continue
            if not alive:
                self._compare_tally(entries, gaps)
            return not alive
        return False

    def _compare_tally(self, entries: list[Entry], gaps: list[Gap]) -> None:
        """Report what a dead writer had stored, or kept in memory, and nobody can read any more."""
        tally = read_tally(self.folder)
        if tally is None or self._tallied:
            return
        self._tallied = True
        number, offset, expected = self.position
        detail = tally.lost_beyond(expected)
        if tally.last_seq >= expected:
            gaps.append(Gap("missing", number, offset, offset, tally.last_seq + 1 - expected))
            self.position = Position(number, offset, tally.last_seq + 1)
        if detail is not None:
            mark = records.Mark(at_ns=tally.until_ns, kind="lost", detail=detail)
            entries.append((self.position.seq, records.MARK, records.encode(mark)))

    def pending_bytes(self) -> int:
        """Return how much has been stored beyond the position, as `pending_bytes` does."""
        return pending_bytes(self.folder, self.position)

    def _is_alive(self) -> bool:
        """Try the lock once a second: a writer's death is noticed a second later at worst."""
        now = self._monotonic()
        if not self._alive_until or now >= self._alive_until:
            try:
                self._alive_until = now + _ALIVE_FOR_S if is_alive(self.folder) else 0.0
            except OSError as error:
                self.trouble = error
                return True
        return self._alive_until > 0

    def _nothing_new(self) -> bool:
        """Tell cheaply that a quiet writer is still quiet: this is asked many times a second."""
        if self._quiet_since_ns < 0 or self._descriptor < 0:
            return False
        quiet = (
            not self._read_at(self.position.offset, RECORD_HEAD_BYTES).strip(b"\0")
            and self.folder.stat().st_mtime_ns == self._quiet_since_ns
        )
        if not quiet:
            self._quiet_since_ns = -1
        return quiet

    def _open(self, alive: bool) -> bool:
        """Have the position's segment open; False where it does not exist or has not begun.

        Raises:
            OSError: It exists and does not open.
        """
        number = self.position.segment
        if self._open_number != number:
            self._close_segment()
            try:
                self._descriptor = open_segment(self.folder, number)
            except FileNotFoundError:
                return False
            except OSError as error:
                if not self._set_aside(number, error, alive):
                    raise
                return False
            self._open_number = number
        return self.position.offset > 0 or self._read_at(0, HEADER_BYTES).strip(b"\0") != b""

    def _set_aside(self, number: int, error: OSError, alive: bool) -> bool:
        """Rename a segment that has refused to open for long, so that what follows it is read."""
        now = self._monotonic()
        if self._unopened[0] != number:
            self._unopened = (number, now)
        waited_s = now - self._unopened[1]
        if error.errno in _NOT_THE_FILES_FAULT or waited_s < _UNOPENED_FOR_S:
            return False
        if alive and self._following(alive) is None:  # it is being filled
            return False
        path = self.folder / segment_name(number)
        path.rename(path.with_name(path.name + UNREAD))
        return True

    def _is_set_aside(self, number: int) -> bool:
        return (self.folder / (segment_name(number) + UNREAD)).exists()

    def _pass_unread(self, alive: bool, gaps: list[Gap]) -> bool:
        """Report a segment that was set aside as a gap, and go on behind it."""
        number, _, expected = self.position
        try:
            size = (self.folder / (segment_name(number) + UNREAD)).lstat().st_size
        except FileNotFoundError:
            return False
        following = self._following(alive)
        number_next, first = following or (number + 1, None)
        gaps.append(Gap("gap", number, self.position.offset, size, max((first or 0) - expected, 0)))
        self._turn_to(number_next, max(expected, first or 0))
        return True

    def _read_at(self, offset: int, size: int) -> bytes:
        try:
            return os.pread(self._descriptor, size, offset)
        except OSError:
            return self._read_around_bad_sectors(offset, size)

    def _read_around_bad_sectors(self, offset: int, size: int) -> bytes:
        pieces: list[bytes] = []
        for start in range(offset, offset + size, 4096):
            wanted = min(4096, offset + size - start)
            try:
                pieces.append(os.pread(self._descriptor, wanted, start))
            except OSError:
                pieces.append(b"\xff" * wanted)
        return b"".join(pieces)

    def _read_chunk(self, entries: list[Entry], gaps: list[Gap], records_max: int) -> bool:
        """Take the records that follow the position; tell whether there was any."""
        number, offset, expected = self.position
        seed = segment_seed(self.writer, number)
        if offset == 0:
            if decode_header(self._read_at(0, HEADER_BYTES)) is None:
                gaps.append(Gap("gap", number, 0, HEADER_BYTES, 0))
            offset = HEADER_BYTES
            self.position = Position(number, offset, expected)
        data = self._read_at(offset, _CHUNK_BYTES)
        unpack, crc32 = _HEAD.unpack_from, zlib.crc32
        at, length = 0, len(data)
        room = records_max - len(entries)
        while at + RECORD_HEAD_BYTES <= length and room > 0:
            size, check, seq, record_type, magic = unpack(data, at)
            if magic != MAGIC or not RECORD_HEAD_BYTES <= size <= RECORD_BYTES_MAX:
                break
            end = at + size
            if end > length:
                if at:
                    break
                data = self._read_at(offset, size)
                length = len(data)
                if end > length:
                    break
            if crc32(data[at + 8 : end], seed ^ size) != check:
                break
            at = end + 7 & -8
            if seq < expected:  # stored a second time after a failed sync
                continue
            if seq > expected:
                gaps.append(Gap("missing", number, offset + at, offset + at, seq - expected))
            entries.append((seq, record_type, data[end - size + RECORD_HEAD_BYTES : end]))
            expected = seq + 1
            room -= 1
        if at:
            self.position = Position(number, offset + at, expected)
            self._look_again_at, self._patience_s = 0.0, _PATIENCE_S
        return at > 0

    def _pass_obstacle(self, alive: bool, gaps: list[Gap]) -> bool:
        """Deal with a place where no whole record is; tell whether reading can go on."""
        number, offset, expected = self.position
        blank = self._read_at(offset, RECORD_HEAD_BYTES).strip(b"\0") == b""
        following = self._following(alive)
        if alive and following is None and (blank or not self._patience_is_over()):
            self._note_quiet(blank)
            return False
        if following is not None and blank and following[1] == expected:
            self._turn_to(following[0], expected)
            return True
        # The writer may have stored more between our look here and our look at what follows.
        found = self._find_record(offset)
        if found is not None:
            start, seq = found
            if start > offset:
                gaps.append(Gap("gap", number, offset, start, max(seq - expected, 0)))
            self.position = Position(number, start, max(seq, expected) if start > offset else expected)
            return True
        if following is not None:
            end = self._end_of_bytes(offset)
            first = following[1]
            missing = max(first - expected, 0) if first is not None else 0
            if end > offset or missing:
                gaps.append(Gap("gap" if end > offset else "missing", number, offset, end, missing))
            self._turn_to(following[0], max(expected, first or 0))
            return True
        if not alive and (end := self._end_of_bytes(offset)) > offset:
            gaps.append(Gap("torn_tail", number, offset, end, 0))
            self.position = Position(number, end + 7 & -8, expected)
        return False

    def _note_quiet(self, blank: bool) -> None:
        # A segment that has been made but not begun says nothing of its beginning in the folder.
        # A folder changed a moment ago may change again within one tick of its time stamp.
        with contextlib.suppress(OSError):
            changed_ns = self.folder.stat().st_mtime_ns
            settled = time.time_ns() - changed_ns > SETTLED_NS
            if blank and settled and segment_numbers(self.folder)[-1:] == [self.position.segment]:
                self._quiet_since_ns = changed_ns

    def _patience_is_over(self) -> bool:
        """A record being stored is whole within microseconds; look for damage only after."""
        now = self._monotonic()
        if not self._look_again_at:
            self._look_again_at = now + self._patience_s
        if now < self._look_again_at:
            return False
        self._patience_s = min(self._patience_s * 2, _PATIENCE_LAST_S)
        self._look_again_at = now + self._patience_s
        return True

    def _following(self, alive: bool) -> tuple[int, int | None] | None:
        """Return the next segment that has begun and its first sequence number, if legible.

        Raises:
            OSError: It cannot be told whether there is one.
        """
        unopened: tuple[int, OSError] | None = None
        for number in segment_numbers(self.folder, set_aside=True):
            if number > self.position.segment:
                try:
                    data = first_bytes(self.folder, number, HEADER_BYTES)
                except FileNotFoundError:
                    if self._is_set_aside(number):
                        return (unopened[0] if unopened else number), None
                    continue
                except OSError as error:
                    unopened = unopened or (number, error)
                    continue
                if data != _BLANK_HEADER[: len(data)]:
                    if unopened:  # segments begin in order, so this one had begun
                        return unopened[0], None
                    header = decode_header(data)
                    return number, header.first_seq if header else None
        if unopened is None:
            return None
        if alive:
            raise unopened[1]
        return unopened[0], None

    def _go_to_next_segment(self, alive: bool, gaps: list[Gap]) -> bool:
        """Leave a segment that is not there or has not begun for one that has."""
        following = self._following(alive)
        if following is None:
            return False
        number, first = following
        expected = self.position.seq
        if first is not None and first > expected:
            gaps.append(Gap("missing", self.position.segment, 0, 0, first - expected))
        self._turn_to(number, max(expected, first or 0))
        return True

    def _turn_to(self, number: int, expected: int) -> None:
        self.position = Position(number, 0, expected)
        self._look_again_at, self._patience_s = 0.0, _PATIENCE_S

    def _find_record(self, offset: int) -> tuple[int, int] | None:
        """Return the place and number of the next undamaged record at or after `offset`."""
        seed = segment_seed(self.writer, self.position.segment)
        if os.fstat(self._descriptor).st_size <= offset:
            return None
        with mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ) as data:
            start = find_record(seed, data, offset)
            record = decode_record(seed, data, start) if start is not None else None
        return (start, record.seq) if start is not None and record else None

    def _end_of_bytes(self, offset: int) -> int:
        """Return where the last byte that is not zero ends, `offset` where there is none."""
        size = os.fstat(self._descriptor).st_size
        end = offset
        for start in range(offset, size, 1 << 20):
            piece = self._read_at(start, 1 << 20).rstrip(b"\0")
            if piece:
                end = start + len(piece)
        return end
