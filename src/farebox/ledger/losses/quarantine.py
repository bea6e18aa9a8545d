"""Records that were left out: what they are, and how they are delivered again once they can be decoded.
They go through a journal of their own, so that each is rated and appended like any other record, and only
once: an event has one row however often it is delivered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from farebox.clock import now_ns
from farebox.home import Home
from farebox.journal import records
from farebox.journal.records import Mark
from farebox.ledger.commands import submit

RECOVERED = "recovered"
"""The mark that so many records which were left out have been delivered again."""

_NAME = re.compile(r"(?P<writer>.+)-record-(?P<seq>\d+)-type-(?P<type>\d+)\.bin")
_DECODERS: dict[int, Callable[[bytes], Any]] = {
    records.INTENT: records.decode_intent,
    records.PARTIAL: records.decode_partial,
    records.DONE: records.decode_done,
    records.MARK: records.decode_mark,
}


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """One record that was left out."""

    writer: str
    seq: int
    """Its number in the writer's journal."""
    type: int
    path: str
    readable: bool
    """It can be decoded by this Farebox, so trying it again may make a row of it."""


def records_of(home: Home) -> list[LeftOut]:
    """Return every record that is kept in the quarantine, in order."""
    found: list[LeftOut] = []
    for path in sorted((home.path / "quarantine").glob("*.bin")):
        match = _NAME.fullmatch(path.name)
        if match:
            record_type = int(match["type"])
            found.append(
                LeftOut(
                    writer=match["writer"],
                    seq=int(match["seq"]),
                    type=record_type,
                    path=str(path),
                    readable=_is_readable(record_type, path),
                )
            )
    return found


def retry(home: Home) -> int:
    """Deliver what can be read again; return how many records. Those left out again come back.

    Raises:
        LedgerError: They could not be stored; they stay where they are.
    """
    again = [item for item in records_of(home) if item.readable]
    if not again:
        return 0
    delivered = [(item.type, Path(item.path).read_bytes()) for item in again]
    mark = Mark(at_ns=now_ns(), kind=RECOVERED, detail={"records": len(again)})
    submit(home, "retry", [*delivered, (records.MARK, records.encode(mark))])
    for item in again:
        Path(item.path).unlink(missing_ok=True)
    return len(again)


def _is_readable(record_type: int, path: Path) -> bool:
    decode = _DECODERS.get(record_type)
    try:
        if decode is None:
            return False
        decode(path.read_bytes())
    except (msgspec.MsgspecError, UnicodeDecodeError, OSError):
        return False
    return True
