"""What the journals hold beyond the ledger: calls that no sum includes yet, and losses that it has not
recorded.

Read from the journals and the positions in the ledger's file, so it is known even if the ledger process
hangs, has no disk space, or does not run.
"""

from __future__ import annotations

import msgspec

from farebox.clock import iso, now_ns
from farebox.home import Home
from farebox.journal import records
from farebox.journal.folders import Position, pending_bytes
from farebox.journal.reader import JournalReader
from farebox.journal.segments import is_alive

LATE_NS = 1_500_000_000
"""A working ledger process appends a call much sooner."""
_RECORDS_MAX = 50_000
_READ_RECORDS = 2_000


class Backlog(msgspec.Struct, kw_only=True):
    """What is stored and not applied."""

    calls: int = 0
    """Calls that have ended and are in no sum yet."""
    at_least: bool = False
    """There are more than were counted."""
    oldest_at: str | None = None
    """When the first of them ended."""
    lost_records: int = 0
    """What writers that are dead noted of records they could not keep."""
    lost_exchanges: int = 0
    late: bool = False
    """The ledger should have appended them by now: sums are too low."""


def backlog(home: Home, applied: dict[str, tuple[Position, bool]], *, running: bool) -> Backlog:
    """Return what the journals of `home` hold beyond the positions in `applied`.

    Where no ledger process is `running`, whatever is pending is late.
    """
    found = Backlog()
    try:
        folders = sorted(folder for folder in home.journal.iterdir() if not folder.name.startswith("."))
    except OSError:
        return found
    oldest_ns, left = 0, _RECORDS_MAX
    for folder in folders:
        position, finished = applied.get(folder.name, (Position(), False))
        if finished:
            continue
        reader = JournalReader(folder, position)
        try:
            if is_alive(folder) and not pending_bytes(folder, position):
                continue
            while left > 0:
                batch = reader.read(_READ_RECORDS)
                left -= len(batch.entries)
                oldest_ns = _count(found, batch.entries, oldest_ns)
                if batch.finished or not batch.entries:
                    break
            else:
                found.at_least = True
        except OSError:  # health counts journals that cannot be read
            continue
        finally:
            reader.close()
    found.oldest_at = iso(oldest_ns) if oldest_ns else None
    overdue = not running or now_ns() - oldest_ns > LATE_NS
    found.late = bool(found.lost_records) or (found.calls > 0 and overdue)
    return found


def _count(found: Backlog, entries: list[tuple[int, int, bytes]], oldest_ns: int) -> int:
    for _, record_type, payload in entries:
        try:
            if record_type == records.DONE:
                found.calls += 1
                if not oldest_ns:
                    oldest_ns = records.decode_done(payload).ended_at_ns
            elif record_type == records.MARK:
                mark = records.decode_mark(payload)
                if mark.kind == "lost":
                    found.lost_records += int(mark.detail.get("records", 0))
                    found.lost_exchanges += int(mark.detail.get("exchanges", 0))
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
            continue  # the ledger will mark it
    return oldest_ns
