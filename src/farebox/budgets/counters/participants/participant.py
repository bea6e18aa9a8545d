"""One process that lets calls pass: reserves, settles and waits its turn.

While it has a lease, a reservation is arithmetic on words that only it stores, and one look whether somebody
took the lease back. Only without one it takes the lock. An unused lease never keeps anybody out: whoever
needs the room takes it back, also from a process that is dead or stands still.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence

from farebox.budgets.counters.account import Account
from farebox.budgets.counters.file import layout
from farebox.budgets.counters.file.fence import fence
from farebox.budgets.counters.file.room import somebody_waits
from farebox.budgets.counters.file.shared_file import SharedFile
from farebox.budgets.counters.participants.admission import Admission
from farebox.budgets.counters.participants.place import Place
from farebox.budgets.counters.participants.reservation import (
    UNLIMITED,
    Claim,
    Holding,
    OnTurn,
    Refused,
    Reservation,
    Waiting,
)
from farebox.money import PicoUsd

POLL_S = 0.02
"""How often `poll` is to be called while calls wait."""
_NO_PART = Refused(Holding(Account(0, 0, 0, 0), 0), 0, "unusable")
"""What those who wait are told when their process takes part no longer."""
_MOST: PicoUsd = (1 << 63) - 1
"""What a word can hold: about 9.2 million dollars."""

_all: weakref.WeakSet[Participant] = weakref.WeakSet()


class Participant:
    """Made by `Counters.join`. For all threads of the process that made it; a child of a fork joins anew."""

    def __init__(self, shared: SharedFile, writer_id: str) -> None:
        self._shared = shared
        self._mutex = threading.RLock()
        self._busy = False
        """Figures are being changed. Python may collect garbage in the middle of it, which can end a
        forgotten stream, which settles: that has to come after."""
        self._interrupting: deque[tuple[Reservation, Sequence[PicoUsd]]] = deque()
        self._forked = False
        self._place = Place(shared, writer_id)
        self._admission = Admission(self._place)
        _all.add(self)

    @property
    def number(self) -> int:
        """What INTENT and DONE call this participant (`Held.holder`). It changes if the file is replaced."""
        return self._place.number

    @property
    def is_ours(self) -> bool:
        """Whether this process made it, and not the one it was forked from."""
        return not self._forked

    @property
    def has_waiting(self) -> bool:
        """Whether calls wait, so that `poll` has to be called every `POLL_S` seconds; else every second."""
        return bool(self._admission.waiting.calls)

    def holding(self, account: Account, limit: PicoUsd) -> Holding:
        """Return what this participant has of an account, whose limit is `limit` from now on.

        Takes no lock. `limit` is up to `LIMIT_MAX`, or `UNLIMITED` for a soft budget.
        """
        holding = self._place.attached.get(account.key)
        if holding is None:
            with self._mutex:
                holding = self._place.holding(account, limit)
        if holding.limit != limit:
            with self._mutex:
                if limit < holding.limit and holding.granted > 0:
                    self._place.give_back(holding)
                holding.limit = limit
        return holding

    def reserve(
        self, claims: Sequence[Claim], *, wait_s: float = 0.0, on_turn: OnTurn | None = None
    ) -> Reservation | Waiting | Refused:
        """Hold the amounts of all `claims`, or of none. Each holding is in them once. Never raises.

        `Waiting` comes back only with `wait_s`, or for milliseconds where another process has the lock; then
        `poll` has to be called until it has an outcome.
        """
        with self._mutex:
            if self._forked:
                return Refused(claims[0][0], 0, "unusable")
            if self._busy:  # a signal's handler, in the middle of another reservation
                late = Waiting(self, claims, wait_s, on_turn)
                self._admission.waiting.keep(late)
                return late
            self._busy = True
            try:
                if self._hold(claims):
                    return Reservation(self, claims, self._place.lease_mark)
                waiting = Waiting(self, claims, wait_s, on_turn)
                outcome = self._admission.admit(waiting)
                if outcome is None:
                    return waiting
                return Reservation(self, claims) if outcome is True else outcome
            finally:
                self._end()

    def take(self, claims: Sequence[Claim]) -> Reservation | None:
        """Hold the amounts of all `claims` by what this process has leased, as `reserve` mostly does; None,
        and nothing held, where `reserve` has to be asked."""
        with self._mutex:
            if self._forked or self._busy:
                return None
            self._busy = True
            try:
                return Reservation(self, claims, self._place.lease_mark) if self._hold(claims) else None
            finally:
                self._end()

    def extend(self, reservation: Reservation, more: Sequence[PicoUsd]) -> bool:
        """See `Reservation.extend`."""
        claims = [(holding, amount) for (holding, _), amount in zip(reservation.claims, more, strict=True)]
        with self._mutex:
            if self._forked or self._busy or reservation.is_settled:
                return False
            self._busy = True
            try:
                if not self._hold(claims) and not self._admission.extend(claims):
                    return False
                reservation.claims = [
                    (holding, held + amount)
                    for (holding, held), amount in zip(reservation.claims, more, strict=True)
                ]
                return True
            finally:
                self._end()

    def settle(self, reservation: Reservation, amounts: Sequence[PicoUsd]) -> None:
        """See `Reservation.settle`."""
        with self._mutex:
            if self._busy:
                self._interrupting.append((reservation, amounts))
                return
            self._busy = True
            try:
                self._settle(reservation, amounts)
            finally:
                self._end()

    def announce(self, holding: Holding, more: PicoUsd) -> None:
        """Say that a call in flight can cost so much beyond what is reserved for it; negative: no longer.

        It is shown as the amount by which the limit may be passed, and decides nothing.
        """
        with self._mutex:
            holding.beyond += more
            if not self._forked:
                self._shared.file.words[holding.at_beyond] = holding.beyond

    def poll(self) -> None:
        """See whose turn it is, and call `on_turn` of those that have an outcome.

        Every `POLL_S` seconds while calls wait (`has_waiting`), and worth a call right after a settlement;
        else once a second, so that a file that was replaced is noticed.
        """
        with self._mutex:
            if self._busy or self._forked:
                return
            self._busy = True
            try:
                resolved = self._admission.turns()
                for waiting in resolved:
                    if waiting.outcome is None:
                        waiting.outcome = Reservation(self, waiting.claims)
            finally:
                self._end()
        for waiting in resolved:
            if waiting.on_turn is not None and waiting.outcome is not None:
                waiting.on_turn(waiting.outcome)

    def wait(self, waiting: Waiting) -> Reservation | Refused:
        """See `Waiting.wait`."""
        while waiting.outcome is None:
            self.poll()
            if waiting.outcome is None:
                time.sleep(POLL_S)
        return waiting.outcome

    def leave_queue(self, waiting: Waiting) -> None:
        """See `Waiting.leave`."""
        with self._mutex:
            outcome = waiting.outcome
            if outcome is None:
                self._admission.waiting.leave(waiting)
                return
        if isinstance(outcome, Reservation):
            outcome.settle((0,) * len(outcome.claims))

    def left(self, holding: Holding) -> PicoUsd:
        """Return what is left of a holding's limit now: what the next call may reserve. Takes no lock."""
        return self._place.left(holding)

    def close(self) -> None:
        """Give leases and places back and end. What is reserved stays held until the journal was applied."""
        with self._mutex:
            if not self._forked:
                self._forked = True
                self._admission.waiting.close(_NO_PART)
                self._place.close()

    def leave_to_parent(self) -> None:
        """In a child of a fork: have nothing to do with what the parent holds."""
        self._mutex = threading.RLock()
        if not self._forked:
            self._forked = True
            self._admission.waiting.leave_to_parent(_NO_PART)
            self._place.leave_to_parent()

    # -- under the mutex --

    def _hold(self, claims: Sequence[Claim]) -> bool:
        """Reserve out of leases; False, and nothing changed, where they are not enough."""
        place = self._place
        words = place.words
        for holding, amount in claims:
            taken = holding.taken + amount
            if taken > holding.granted:
                self._unhold(claims, holding)
                return False
            holding.taken = taken
            words[holding.at_taken] = taken
        # Either whoever takes a lease back sees what was just stored, or it is seen here that it was taken.
        fence()
        if words[place.at_revoked] == place.revoked:
            return True
        place.notice_revoked()
        if all(holding.taken <= holding.granted for holding, _ in claims):
            return True
        self._unhold(claims, None)
        return False

    def _unhold(self, claims: Sequence[Claim], first_left: Holding | None) -> None:
        """Take back what was reserved before a holding that had not enough."""
        words = self._place.words
        for holding, amount in claims:
            if holding is first_left:
                return
            holding.taken -= amount
            words[holding.at_taken] = holding.taken

    def _settle(self, reservation: Reservation, amounts: Sequence[PicoUsd]) -> None:
        if reservation.is_settled or self._forked:
            return
        reservation.is_settled = True
        place = self._place
        words = place.words
        was_held = was_settled = change = 0
        for (holding, held), amount in zip(reservation.claims, amounts, strict=True):
            if held is not was_held or amount is not was_settled:  # mostly the same for all
                was_held, was_settled, change = held, amount, amount - held
            holding.settled = settled = holding.settled + amount
            holding.taken = taken = holding.taken + change
            try:
                words[holding.at_settled] = settled
                words[holding.at_taken] = taken
            except ValueError:  # what is spent beyond what a word can hold is known by the record
                holding.settled, holding.taken = min(settled, _MOST), min(taken, _MOST)
                words[holding.at_settled] = holding.settled
                words[holding.at_taken] = holding.taken
        fence()
        if words[place.at_revoked] != place.revoked or reservation.lease_mark != place.lease_mark:
            place.notice_revoked()
            for holding, _ in reservation.claims:
                if holding.number < 0:
                    place.attach_late(holding)
                elif holding.granted <= 0 and somebody_waits(place.file, holding.at_account):
                    words[holding.at_account + layout.A_WAKE] = time.monotonic_ns()

    def _end(self) -> None:
        while self._interrupting:
            self._settle(*self._interrupting.popleft())
        self._busy = False


def _leave_to_parents() -> None:
    for participant in list(_all):
        participant.leave_to_parent()


os.register_at_fork(after_in_child=_leave_to_parents)

__all__ = ["POLL_S", "UNLIMITED", "Participant"]
