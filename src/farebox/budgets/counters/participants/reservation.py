"""What a participant holds in its own memory: its holdings, and the outcomes of asking for room."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from farebox.budgets.counters.account import Account
from farebox.budgets.counters.file import layout
from farebox.money import PicoUsd

if TYPE_CHECKING:
    from farebox.budgets.counters.participants.participant import Participant

Reason = Literal["limit", "waited", "opening", "unusable"]
"""Why a call is refused: it would not fit even if everything in flight cost nothing; there was no room as
long as it may wait; as long as it may wait the figures were not made from the record; the counters cannot be
used (no room for more of them, another process stands still with their lock, or this one was forked)."""

Claim = tuple["Holding", PicoUsd]
"""What a call may cost at most in one account, a whole number from 0."""
OnTurn = Callable[["Reservation | Refused"], None]

UNLIMITED: PicoUsd = 1 << 62
"""The limit of a soft budget: calls are counted and none is refused."""
UNATTACHED = -1
_LOCK_PATIENCE_S = 0.25
"""How long a call that may not wait for room waits for the lock."""


class Holding:
    """What this participant has of one account. Made by `Participant.holding`, and worth keeping."""

    __slots__ = (
        "__weakref__",
        "account",
        "at_account",
        "at_beyond",
        "at_settled",
        "at_taken",
        "beyond",
        "granted",
        "limit",
        "number",
        "seen_settled",
        "seen_wake",
        "settled",
        "taken",
        "tried_ns",
        "waiting",
    )

    def __init__(self, account: Account, limit: PicoUsd) -> None:
        self.account = account
        self.limit = limit
        self.waiting: list[Waiting] = []
        """Calls of this process for which there is no room in it."""
        self.settled: PicoUsd = 0
        self.taken: PicoUsd = 0
        """Settled and reserved, ever."""
        self.beyond: PicoUsd = 0
        """What its calls in flight can cost beyond what is reserved; see `Participant.announce`."""
        self.seen_settled = UNATTACHED
        self.seen_wake = self.tried_ns = 0
        self.detach()

    @property
    def reserved(self) -> PicoUsd:
        """What this process holds for calls in flight."""
        return self.taken - self.settled

    def detach(self) -> None:
        """Have no place in the file; the next reservation finds one."""
        self.number = UNATTACHED
        self.granted = UNATTACHED
        """Up to this `taken` may grow without asking anybody; less than that: not at all."""
        self.taken -= self.settled
        self.settled = 0  # what is settled from now on is to be added once there is a place again
        self.at_account = self.at_taken = self.at_settled = self.at_beyond = layout.H_SCRATCH

    def attach(self, number: int, at_account: int) -> None:
        """Have the place `number` in the file, in the account whose first word is `at_account`."""
        start = layout.HOLDINGS.at(number)
        self.number = number
        self.at_account = at_account
        self.at_taken = start + layout.G_TAKEN
        self.at_settled = start + layout.G_SETTLED
        self.at_beyond = start + layout.G_BEYOND
        self.granted = 0


class Refused(NamedTuple):
    """There is no room."""

    holding: Holding
    """Of the account that has none; the first one, in the order of the claims."""
    left: PicoUsd
    """What is left of it; less than 0 where more was spent than its limit."""
    reason: Reason


class Reservation:
    """Room that is held for one call, until it is settled. Settle each exactly once."""

    __slots__ = ("_participant", "claims", "is_settled", "lease_mark")

    def __init__(self, participant: Participant, claims: Sequence[Claim], lease_mark: int = -1) -> None:
        self._participant = participant
        self.lease_mark = lease_mark
        """Which leases there were when it was made of them; -1: it was not."""
        self.claims = claims
        """With what is reserved now."""
        self.is_settled = False

    @property
    def accounts(self) -> tuple[int, ...]:
        """The keys of its accounts, in the order of its claims: what INTENT and DONE say is held."""
        return tuple([holding.account.key for holding, _ in self.claims])

    @property
    def amounts(self) -> tuple[PicoUsd, ...]:
        """What is reserved now, in the order of its claims."""
        return tuple([amount for _, amount in self.claims])

    def settle(self, amounts: Sequence[PicoUsd]) -> None:
        """Count what the call cost, in the order of its claims, and give the rest back.

        It may be more than was reserved, and is counted all the same. Zeros where nothing was sent; what was
        reserved (`amounts`) where the cost is not known. Never raises, never waits; after DONE is in the
        journal. A second time it does nothing.
        """
        self._participant.settle(self, amounts)

    def extend(self, amounts: Sequence[PicoUsd]) -> bool:
        """Reserve more for a call that goes on; False where there is no room at once, and then nothing is."""
        return self._participant.extend(self, amounts)


class Waiting:
    """A call that waits for its turn, first come first served over all processes."""

    __slots__ = (
        "_participant",
        "blocked",
        "claims",
        "deadline_ns",
        "may_wait",
        "on_turn",
        "outcome",
        "ticket",
        "unseen",
    )

    def __init__(
        self, participant: Participant, claims: Sequence[Claim], wait_s: float, on_turn: OnTurn | None
    ) -> None:
        self._participant = participant
        self.claims = claims
        self.may_wait = wait_s > 0
        """Whether for room, and not for the lock only."""
        self.deadline_ns = time.monotonic_ns() + int(max(wait_s, _LOCK_PATIENCE_S) * 1e9)
        """When it has waited long enough, by the monotonic clock."""
        self.on_turn = on_turn
        self.ticket = 0
        """Its place in the queue; 0: it has none yet, because the lock was not to be had."""
        self.blocked: list[Holding] = []
        """Where there is no room for it."""
        self.unseen = True
        """Nobody has looked for room since it got its place."""
        self.outcome: Reservation | Refused | None = None
        """None while it waits. It changes in `Participant.poll`, which then calls `on_turn`."""

    def leave(self) -> None:
        """Give up the place: the client has left. A reservation that it got meanwhile is given back."""
        self._participant.leave_queue(self)

    def wait(self) -> Reservation | Refused:
        """Sleep until there is an outcome. For threads that may sleep, not for an event loop."""
        return self._participant.wait(self)
