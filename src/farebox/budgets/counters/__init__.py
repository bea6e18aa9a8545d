"""What is spent, settled and reserved of each limit, in one mapped file that all processes of a home share.

Who lets calls pass joins as a participant::

    counters = Counters(home)                      # opens or makes <home>/budgets/counters
    participant = counters.join(writer.writer_id)  # locked for the life of this process
    holding = participant.holding(account_of(budget, match.value, at_ns), budget.limit_pico)
    outcome = participant.reserve([(holding, worst_case)], wait_s=20)
    match outcome:
        case Reservation(): ...   # write INTENT (Held(…, participant.number, reservation.accounts)), send
        case Waiting(): ...       # keep the client waiting; call participant.poll() every POLL_S seconds
        case Refused(): ...       # 429
    reservation.extend([more])    # a stream goes on: True, or False where there is no room at once
    reservation.settle([actual])  # after DONE is in the journal; [0] where nothing was sent

The ledger opens `LedgerCounters(home)`: `prepare` before its commit, `apply` after it. Whoever only looks
calls `counters.figures(account, limit)`. Nothing here waits for a disk or for another process once it is
open; docs/decisions/budgets.md says why it holds under `kill -9`.
"""

from __future__ import annotations

from farebox.budgets.counters.account import Account, account_of, definition_key, writer_key
from farebox.budgets.counters.counters import Counters
from farebox.budgets.counters.figures import Figures
from farebox.budgets.counters.participants.participant import POLL_S, UNLIMITED, Participant
from farebox.budgets.counters.participants.reservation import Holding, Refused, Reservation, Waiting
from farebox.budgets.counters.recorded.batch import Folded, Spent
from farebox.budgets.counters.recorded.ledger_counters import LedgerCounters, ParticipantState
from farebox.errors import CountersError, CountersNewerError

__all__ = [
    "POLL_S",
    "UNLIMITED",
    "Account",
    "Counters",
    "CountersError",
    "CountersNewerError",
    "Figures",
    "Folded",
    "Holding",
    "LedgerCounters",
    "Participant",
    "ParticipantState",
    "Refused",
    "Reservation",
    "Spent",
    "Waiting",
    "account_of",
    "definition_key",
    "writer_key",
]
