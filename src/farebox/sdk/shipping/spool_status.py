"""How the spools of this machine are doing, program by program. Reads only: no process is asked."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from farebox.journal import records
from farebox.journal.reader import JournalReader
from farebox.sdk.shipping.program_figures import PROGRAMS, ProgramFigures, read
from farebox.sdk.shipping.spool import FOLDER, program_of, used_bytes_of, writer_folders
from farebox.sdk.shipping.unsent_events import ENDS, acknowledged_upto

EVENTS_COUNTED_MAX = 100_000
"""Events of one program that are counted one by one; a long outage's are read in seconds."""
_AT_ONCE = 4_096


class ProgramSpool(msgspec.Struct, kw_only=True):
    """What one program of this machine has for one collector."""

    program: str
    """The source of its events; the name of its folders before it has sent anything."""
    collector: str
    waiting: int
    """Events stored and not acknowledged; at least so many where `counted_all` is false."""
    counted_all: bool
    waiting_bytes: int
    """Bytes on the disk, acknowledged ones of segments that are in use included."""
    lost: int
    """Records that a full spool refused, once that is stored and until the collector was told."""
    refused: int
    """Events that the collector has refused for good."""
    acknowledged_at: int | None
    """When it acknowledged the last batch, nanoseconds since 1970; null for never."""
    trouble: str | None
    """Why the last attempt failed."""


def spools(home: Path) -> list[ProgramSpool]:
    """Return every program that has sent, or has something to send, to a collector."""
    found: list[ProgramSpool] = []
    with contextlib.suppress(OSError):
        for collector in sorted((home / FOLDER).iterdir()):
            found += _of_collector(collector)
    return found


def _of_collector(collector: Path) -> list[ProgramSpool]:
    folders: dict[str, list[Path]] = {}
    for folder in writer_folders(collector / "spool"):
        folders.setdefault(program_of(folder), []).append(folder)
    figures = {path.stem: read(path) for path in sorted((collector / PROGRAMS).glob("*.json"))}
    return [
        _spool_of(collector, program, folders.get(program, []), figures.get(program, ProgramFigures()))
        for program in sorted({*folders, *figures})
    ]


def _spool_of(collector: Path, program: str, folders: list[Path], figures: ProgramFigures) -> ProgramSpool:
    waiting = lost = size = 0
    for folder in folders:
        size += used_bytes_of(folder)
        if waiting <= EVENTS_COUNTED_MAX:
            events, records_lost = _waiting(folder, EVENTS_COUNTED_MAX + 1 - waiting)
            waiting, lost = waiting + events, lost + records_lost
    return ProgramSpool(
        program=figures.source or program,
        collector=figures.collector or collector.name.rpartition("-")[0],
        waiting=min(waiting, EVENTS_COUNTED_MAX),
        counted_all=waiting <= EVENTS_COUNTED_MAX,
        waiting_bytes=size,
        lost=lost,
        refused=figures.refused,
        acknowledged_at=figures.acknowledged_at or None,
        trouble=figures.trouble,
    )


def _waiting(folder: Path, most: int) -> tuple[int, int]:
    """Return how many events of a writer were not acknowledged, and how many records it has lost."""
    events = lost = 0
    with contextlib.suppress(OSError), contextlib.closing(_reader(folder)) as reader:
        while events < most and (entries := reader.read(_AT_ONCE).entries):
            for _, kind, payload in entries:
                events += kind in ENDS
                if kind == records.MARK:
                    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, ValueError):
                        mark = records.decode_mark(payload)
                        lost += int(mark.detail.get("records", 0)) if mark.kind == "lost" else 0
    return events, lost


def _reader(folder: Path) -> JournalReader:
    return JournalReader(folder, acknowledged_upto(folder))
