"""What a sum does not cover besides calls without a price: records that are missing, and calls that wait.

The command line and the API share it, so that no figure is shown as complete in one place and as a lower
bound in another.
"""

from __future__ import annotations

import time
from typing import Protocol

import msgspec

from farebox.clock import iso
from farebox.home import Home
from farebox.journal.progress import ledger_trouble
from farebox.ledger.losses.backlog import Backlog
from farebox.ledger.losses.coverage import Missing, missing
from farebox.ledger.losses.health import LedgerHealth
from farebox.server.api.coverage import coverage_views
from farebox.server.api.coverage.recording import Recording, recording

_ASK_EVERY_S = 1.0


class Coverage(msgspec.Struct, kw_only=True):
    """What is known to be missing from the period. It has no dimensions: filters do not narrow it."""

    complete: bool = True
    """Nothing is known to be missing."""
    missing: Missing = msgspec.field(default_factory=Missing)
    unreadable_journals: int = 0
    """Journals that cannot be read now: what they hold is not in the sums yet."""
    pending: Backlog = msgspec.field(default_factory=Backlog)
    """What the journals hold beyond the ledger."""
    ledger_trouble: str | None = None
    """Why the ledger does not take in what the journals hold."""
    recording: Recording = msgspec.field(default_factory=lambda: Recording(state="off"))


class Ledger(Protocol):
    """The part of `farebox.ledger.calls.LedgerReader` that is used here."""

    @property
    def trouble(self) -> str | None: ...
    def health(self) -> LedgerHealth: ...
    def backlog(self) -> Backlog: ...


def coverage(
    home: Home,
    ledger: Ledger,
    since_ns: int | None = None,
    until_ns: int | None = None,
    proxy: Recording | None = None,
) -> Coverage:
    """Return what the sums over `[since_ns, until_ns)` do not cover."""
    proxy = recording(home) if proxy is None else proxy
    if until_ns is not None and proxy.since is not None and iso(until_ns) <= proxy.since:
        proxy = Recording(state="off")  # the running proxy has nothing to do with that period
    lacking = missing(home, since_ns, until_ns)
    health = ledger.health()
    unreadable = health.unreadable_writers
    pending = ledger.backlog()
    if until_ns is not None and pending.oldest_at is not None and iso(until_ns) <= pending.oldest_at:
        pending = Backlog(lost_records=pending.lost_records, lost_exchanges=pending.lost_exchanges)
        pending.late = pending.lost_records > 0
    return Coverage(
        complete=proxy.complete and not lacking and not unreadable and not pending.late,
        missing=lacking,
        unreadable_journals=unreadable,
        pending=pending,
        # The last report of a killed process is no trouble: the next command does its work.
        ledger_trouble=(ledger_trouble(home.journal) if health.running else None) or ledger.trouble,
        recording=proxy,
    )


class Covers:
    """The same in the API's shape. The proxy is asked once a second at most: reports come in bursts."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._proxy = Recording(state="off")
        self._asked_at = float("-inf")

    def __call__(
        self, reader: Ledger, since_ns: int | None = None, until_ns: int | None = None, /
    ) -> coverage_views.Coverage:
        """Return what the sums over `[since_ns, until_ns)` do not cover."""
        now = time.monotonic()
        if now - self._asked_at > _ASK_EVERY_S:
            self._proxy, self._asked_at = recording(self._home), now
        found = coverage(self._home, reader, since_ns, until_ns, self._proxy)
        return coverage_views.Coverage(
            complete=found.complete, pending_calls=found.pending.calls, words=warnings(found)
        )


def warnings(found: Coverage) -> list[str]:
    """Return what is missing, a line each with its counts; nothing where nothing is."""
    lacking, pending, lines = found.missing, found.pending, list[str]()
    lost_records = lacking.lost_records + pending.lost_records
    if lost_records:
        lost = _count(lacking.lost_exchanges + pending.lost_exchanges, "call")
        lines.append(f"{lost} could not be recorded ({_count(lost_records, 'record')} lost)")
    if lacking.sampled_calls:
        lines.append(f"about {_count(lacking.sampled_calls, 'call')} left out by samplers of traces")
    if lacking.gaps:
        lines.append(
            f"{_count(lacking.gaps, 'damaged place')} in the journals "
            f"({_count(lacking.gap_records, 'record')} known to be missing)"
        )
    if lacking.undecodable:
        lines.append(f"{_count(lacking.undecodable, 'record')} could not be understood")
    if found.unreadable_journals:
        lines.append(f"{_count(found.unreadable_journals, 'journal')} cannot be read now")
    if pending.late and pending.calls:
        more = " or more" if pending.at_least else ""
        why = f" ({found.ledger_trouble})" if found.ledger_trouble else ""
        verb = "is" if pending.calls == 1 else "are"
        lines.append(
            f"{_count(pending.calls, 'call')}{more} {verb} in the journals and not in the ledger{why}"
        )
    if not found.recording.complete and found.recording.words:
        lines.append(found.recording.words)
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
