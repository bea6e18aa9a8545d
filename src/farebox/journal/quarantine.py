"""Bytes nothing could be made of, kept beside the ledger for whoever wants to look into them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from farebox.journal.format import segment_name

if TYPE_CHECKING:
    from farebox.journal.reader import Entry, Gap


def copy_gap(folder: Path, gap: Gap, to: Path) -> None:
    """Keep a copy of a gap's bytes for whoever wants to look into them."""
    if gap.end <= gap.start:
        return
    with contextlib.suppress(OSError):
        data = (folder / segment_name(gap.segment)).read_bytes()[gap.start : gap.end]
        _keep(to, f"{folder.name}-{gap.segment:08d}-{gap.start}-{gap.end}.bin", data)


def copy_records(folder: Path, entries: Iterable[Entry], to: Path) -> None:
    """Keep the payloads of records that were left out, each in a file of its own."""
    with contextlib.suppress(OSError):
        for seq, record_type, payload in entries:
            _keep(to, f"{folder.name}-record-{seq}-type-{record_type}.bin", payload)


def _keep(to: Path, name: str, data: bytes) -> None:
    to.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(to / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
