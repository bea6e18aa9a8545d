"""What a process says to whoever watches it, without a token: that it lives, and whether it is ready.

Both proxy and server answer `LIVE` and `READY`. Reasons are words of this list and nothing else, so that
no path, address, name or figure of this machine can be learnt from them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

LIVE = "/health/live"
"""200 as long as the process serves requests. A restart helps only where this fails."""
READY = "/health/ready"
"""200 while everything is recorded and in the ledger, 503 otherwise. Calls pass in both cases."""

Reason = Literal[
    "draining",  # it was told to stop, and finishes what has begun
    "journal_unwritable",  # records wait in memory, or there is no journal at all
    "records_lost",  # calls passed that are in no journal
    "disk_full",  # too little room for the journal's and the ledger's next file
    "ledger_behind",  # the ledger process lags, stands still or cannot write
    "ledger_stopped",  # no ledger process runs
    "ledger_unreadable",  # the ledger's file cannot be read
]


class Liveness(msgspec.Struct):
    live: bool = True


class Readiness(msgspec.Struct):
    """`ready` exactly when there is no reason why not."""

    ready: bool
    reasons: list[Reason]

    @property
    def status(self) -> int:
        """The HTTP status that goes with it."""
        return 200 if self.ready else 503


def readiness(*reasons: Reason | None) -> Readiness:
    """Return what follows from these reasons; None is one that does not apply."""
    found: list[Reason] = [reason for reason in reasons if reason is not None]
    return Readiness(not found, found)
