"""Whether the dashboard's figures are all that was recorded: what `/health/ready` of the server says."""

from __future__ import annotations

import time

from farebox.errors import FareboxError
from farebox.home import ROOM_BYTES, Home
from farebox.journal.progress import ledger_trouble
from farebox.readiness import Readiness, Reason, readiness
from farebox.server.api.coverage.coverage import Ledger

_ASK_EVERY_S = 1.0


class RecentReadiness:
    """At most a second old: anybody may ask, as often as they like, and looking reads the journals."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._found = readiness()
        self._asked_at = float("-inf")

    def __call__(self, reader: Ledger) -> Readiness:
        now = time.monotonic()
        if now - self._asked_at > _ASK_EVERY_S:
            self._found, self._asked_at = readiness(_ledger(self._home, reader), _disk(self._home)), now
        return self._found


def _ledger(home: Home, reader: Ledger) -> Reason | None:
    try:
        if not reader.health().running:
            return "ledger_stopped"
        behind = ledger_trouble(home.journal) or reader.trouble or reader.backlog().late
    except FareboxError:
        return "ledger_unreadable"
    return "ledger_behind" if behind else None


def _disk(home: Home) -> Reason | None:
    try:
        return "disk_full" if home.free_bytes() < ROOM_BYTES else None
    except OSError:
        return "journal_unwritable"
