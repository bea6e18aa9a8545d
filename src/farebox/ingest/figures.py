"""What a collector has accepted and refused, in a file that outlives it: `run/collector.json`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import msgspec

from farebox.clock import now_ns
from farebox.errors import StateDirectoryError
from farebox.home import Home, replace_private
from farebox.ingest.verdicts import Receipt

WRITTEN_EVERY_S = 1.0
SENDERS_MAX = 1_000


class SenderFigures(msgspec.Struct):
    """What became of one sender's events."""

    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    invalid: int = 0
    last_at: int = 0
    """Nanoseconds since 1970."""


class CollectorFigures(msgspec.Struct):
    """What became of everybody's events since the first one."""

    since: int = 0
    """Nanoseconds since 1970."""
    senders: dict[str, SenderFigures] = {}
    """By the id of the token they came with."""
    otlp: dict[str, int] = {}
    """What was in OTLP requests, by name: `calls`, `parent_totals`, `calls_without_usage` …"""

    def total(self) -> SenderFigures:
        """Return all senders together."""
        found = SenderFigures()
        for each in self.senders.values():
            found.accepted += each.accepted
            found.duplicate += each.duplicate
            found.conflict += each.conflict
            found.invalid += each.invalid
            found.last_at = max(found.last_at, each.last_at)
        return found


class FigureFile:
    """Counts; whoever has it says when the counts are written."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._figures = read_figures(home) or CollectorFigures()
        self._is_new = False

    def count(self, sender: str, told: Receipt) -> None:
        """Count what a sender was told."""
        figures = self._figures
        figures.since = figures.since or now_ns()
        if sender not in figures.senders and len(figures.senders) >= SENDERS_MAX:
            sender = "others"
        each = figures.senders.setdefault(sender, SenderFigures())
        each.accepted += told.accepted
        each.duplicate += told.duplicate
        each.conflict += told.conflict
        each.invalid += told.invalid
        each.last_at = now_ns()
        self._is_new = True

    def count_others(self, found: Mapping[str, int]) -> None:
        """Count what a body of telemetry held."""
        for name, count in found.items():
            if count:
                self._figures.since = self._figures.since or now_ns()
                self._figures.otlp[name] = self._figures.otlp.get(name, 0) + count
                self._is_new = True

    def write(self) -> None:
        """Write what is new; a full disk keeps nothing of it."""
        if not self._is_new:
            return
        with contextlib.suppress(OSError, StateDirectoryError):
            replace_private(self._home.run / "collector.json", msgspec.json.encode(self._figures))
            self._is_new = False


def read_figures(home: Home) -> CollectorFigures | None:
    """Return what the collector of a home has counted, None where it has never been sent anything."""
    try:
        content = (home.run / "collector.json").read_bytes()
        return msgspec.json.decode(content, type=CollectorFigures)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None
