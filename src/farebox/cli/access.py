"""Open the ledger for reading, after applying what waits in the journals, as far as that can be done."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from farebox.cli.exits import say
from farebox.cli.options import Place
from farebox.errors import LedgerUnwritableError
from farebox.home import Home

if TYPE_CHECKING:
    from farebox.ledger.reader import LedgerReader

PATIENCE_SECONDS = 2.0
"""A ledger process that works is behind by milliseconds; for one that does not, nobody waits for long."""


def open_ledger(place: Place, patience_s: float = PATIENCE_SECONDS) -> tuple[Home, LedgerReader]:
    """Return the state directory and its ledger, up to date whether or not a daemon runs.

    Where it cannot be brought up to date, it is returned as it is, and says why.
    """
    from farebox.ledger import catch_up
    from farebox.ledger.reader import LedgerReader

    home = place.state_to_read()
    ledger = LedgerReader(home)
    try:
        catch_up(home, place.configuration(home))
    except LedgerUnwritableError as error:
        ledger.trouble = str(error)
        return home, ledger
    _await_process(ledger, patience_s)
    return home, ledger


def say_what_is_missing(home: Home, ledger: LedgerReader) -> None:
    """Say on standard error what a list of calls lacks: standard output is for the calls alone."""
    from farebox.server.coverage import coverage, warnings

    for line in warnings(coverage(home, ledger)):
        say(f"{line}: not in this list")


def _await_process(ledger: LedgerReader, seconds: float) -> None:
    """Wait until a running ledger process has applied what had ended when we came."""
    deadline = time.monotonic() + seconds
    health = ledger.health()
    while health.running and health.journal_bytes_pending and time.monotonic() < deadline:
        pending = ledger.backlog()
        if not pending.calls or pending.late:  # nothing a sum shows, or nothing to hope for
            return
        time.sleep(0.02)
        health = ledger.health()
