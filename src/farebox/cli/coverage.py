"""What a sum does not cover besides calls without a price: records that are known to be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from farebox.cli.screen import count
from farebox.clock import iso
from farebox.home import Home
from farebox.ledger.missing import Missing, missing
from farebox.server.recording import Recording, recording

if TYPE_CHECKING:
    from farebox.ledger.reader import LedgerReader


class Coverage(msgspec.Struct, kw_only=True):
    """What is known to be missing from the period. It has no dimensions: filters do not narrow it."""

    complete: bool = True
    """Nothing is known to be missing."""
    missing: Missing = msgspec.field(default_factory=Missing)
    unreadable_journals: int = 0
    """Journals that cannot be read now: what they hold is not in the sums yet."""
    recording: Recording = msgspec.field(default_factory=lambda: Recording(state="off"))


def coverage(
    home: Home, ledger: LedgerReader, since_ns: int | None = None, until_ns: int | None = None
) -> Coverage:
    """Return what the sums over `[since_ns, until_ns)` do not cover."""
    proxy = recording(home)
    if until_ns is not None and proxy.since is not None and iso(until_ns) <= proxy.since:
        proxy = Recording(state="off")  # the proxy of now has nothing to do with that period
    lacking = missing(home, since_ns, until_ns)
    unreadable = ledger.health().unreadable_writers
    return Coverage(
        complete=proxy.complete and not lacking and not unreadable,
        missing=lacking,
        unreadable_journals=unreadable,
        recording=proxy,
    )


def warnings(found: Coverage) -> list[str]:
    """Return what is missing, a line each with its counts; nothing where nothing is."""
    lacking, lines = found.missing, list[str]()
    if lacking.lost_records:
        lines.append(
            f"{count(lacking.lost_exchanges, 'call')} could not be recorded "
            f"({count(lacking.lost_records, 'record')} lost)"
        )
    if lacking.gaps:
        lines.append(
            f"{count(lacking.gaps, 'damaged place')} in the journals "
            f"({count(lacking.gap_records, 'record')} known to be missing)"
        )
    if lacking.undecodable:
        lines.append(f"{count(lacking.undecodable, 'record')} could not be understood")
    if found.unreadable_journals:
        lines.append(f"{count(found.unreadable_journals, 'journal')} cannot be read now")
    if not found.recording.complete and found.recording.words:
        lines.append(found.recording.words)
    return lines
