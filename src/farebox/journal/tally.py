"""How far a writer's records are safe, and what it could not keep: noted in its lock file, in place.

A segment cannot tell what is missing behind its end: a file cut short, or removed, looks like one that
was never filled. So the writer notes the last record that is safe, and what it holds in memory only.
The space is allocated when the folder is made, so the note can be written on a full disk.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

LOCK_NAME = "lock"
TALLY_BYTES = 4096
_MAGIC = b"FARETLLY"
_FIGURES = struct.Struct("<9Q")
_CHECK = struct.Struct("<8sI")


class Tally(NamedTuple):
    """A writer's last note."""

    last_seq: int = 0
    """Every record up to this one was durable, or stored before those that wait."""
    waiting_records: int = 0
    """Records behind `last_seq` that were in memory only."""
    waiting_exchanges: int = 0
    waiting_bytes: int = 0
    lost_records: int = 0
    """Records that had no room in memory either, and that no `lost` mark speaks of yet."""
    lost_exchanges: int = 0
    lost_bytes: int = 0
    from_ns: int = 0
    """Since when records have been waiting or lost."""
    until_ns: int = 0

    def lost_beyond(self, expected_seq: int) -> dict[str, str | int] | None:
        """Return what a `lost` mark says of a dead writer that was read up to `expected_seq`."""
        stored = max(expected_seq - self.last_seq - 1, 0)
        waiting = max(self.waiting_records - stored, 0)
        records = waiting + self.lost_records
        if not records:
            return None
        return {
            "records": records,
            "exchanges": min(self.waiting_exchanges, waiting) + self.lost_exchanges,
            "bytes": self.lost_bytes + (self.waiting_bytes if waiting else 0),
            "from_ns": self.from_ns,
            "until_ns": self.until_ns,
        }


def write_tally(descriptor: int, tally: Tally) -> None:
    """Note `tally` in an open lock file.

    Raises:
        OSError: The disk fails.
    """
    figures = _FIGURES.pack(*tally)
    os.pwrite(descriptor, _CHECK.pack(_MAGIC, zlib.crc32(figures)) + figures, 0)


def read_tally(folder: Path) -> Tally | None:
    """Return what the writer of `folder` noted; None where it noted nothing that can be read."""
    try:
        with (folder / LOCK_NAME).open("rb") as file:
            data = file.read(_CHECK.size + _FIGURES.size)
    except OSError:
        return None
    figures = data[_CHECK.size :]
    if len(figures) < _FIGURES.size or _CHECK.unpack_from(data) != (_MAGIC, zlib.crc32(figures)):
        return None
    return Tally(*_FIGURES.unpack(figures))
