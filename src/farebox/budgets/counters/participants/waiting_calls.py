"""The calls of one process that wait, and where they stand among those of all others.

A call has one ticket. It is noted at each account where there is no room for it, and only there, so that
nobody waits behind it for an account in which there is room. Of each account the file has the lowest ticket
that a process has there.
"""

from __future__ import annotations

import contextlib
import time
from bisect import insort
from collections.abc import Iterable, Sequence

from farebox.budgets.counters.file import layout
from farebox.budgets.counters.file.file_lock import is_held
from farebox.budgets.counters.file.layout import HOLDINGS, PARTICIPANTS
from farebox.budgets.counters.file.mapped_file import DAMAGE
from farebox.budgets.counters.file.room import Room, somebody_waits
from farebox.budgets.counters.file.section import Section
from farebox.budgets.counters.participants.place import Place
from farebox.budgets.counters.participants.reservation import Claim, Holding, Refused, Waiting
from farebox.money import PicoUsd

_TRY_AGAIN_NS = 250_000_000
"""After so long a look is taken without a reason."""
_ABSENT_NS, _STANDING_NS = 100_000_000, 5_000_000_000
"""A process that has not looked after its calls for so long is passed over: if it is dead; at all events."""
_LAST = 1 << 63


class WaitingCalls:
    """One process's. Every method is called under the participant's mutex."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._moves = place.moves
        self.calls: list[Waiting] = []
        """In the order of their tickets; those that have none yet are behind."""
        self.is_unfinished = False
        """There was not the time to look at all of them."""
        self._dead: set[int] = set()

    def keep(self, waiting: Waiting) -> None:
        """Keep a call that has no ticket yet: the lock was not to be had."""
        if waiting not in self.calls:
            self.calls.append(waiting)

    def leave(self, waiting: Waiting) -> None:
        """Give up a place. Needs no lock: only this process stores its tickets."""
        if waiting in self.calls:
            self.calls.remove(waiting)
        for holding in waiting.blocked:
            if waiting in holding.waiting:
                holding.waiting.remove(waiting)
            if holding.number >= 0:
                at = HOLDINGS.at(holding.number) + layout.G_TICKET
                self._place.words[at] = _lowest_ticket(holding)
        self._wake_others(waiting.blocked)
        waiting.blocked = []

    def follow_move(self) -> None:
        """Ask for tickets anew where everything was taken into another file."""
        if self._moves == self._place.moves:
            return
        self._moves = self._place.moves
        for waiting in self.calls:
            waiting.ticket = 0
            for holding in waiting.blocked:
                holding.waiting.clear()
            waiting.blocked = []

    def give_ticket(self, section: Section, waiting: Waiting) -> None:
        """Have a call come after everybody who waits now."""
        section[layout.H_TICKET] = waiting.ticket = section[layout.H_TICKET] + 1
        if waiting in self.calls:
            self.calls.remove(waiting)
        insort(self.calls, waiting, key=_order)

    def block(self, section: Section, waiting: Waiting, blocked: list[Holding]) -> None:
        """Have a call wait where there is no room for it, and only there."""
        place = self._place
        former = [holding for holding in waiting.blocked if holding not in blocked]
        for holding in former:
            holding.waiting.remove(waiting)
        for holding in blocked:
            if waiting not in holding.waiting:
                insort(holding.waiting, waiting, key=_order)
            place.take_lease(section, holding, 0)
        waiting.blocked = blocked
        for holding in (*former, *blocked):
            section[HOLDINGS.at(holding.number) + layout.G_TICKET] = _lowest_ticket(holding)
        # Nobody else has a lease while somebody waits.
        place.revoke(section, [place.room(holding) for holding in blocked])
        self._wake_others(former)

    def expired(self, now: int) -> list[Waiting]:
        """Refuse those that have waited long enough, and return them."""
        expired = [waiting for waiting in self.calls if waiting.deadline_ns <= now]
        for waiting in expired:
            first = waiting.blocked[0] if waiting.blocked else waiting.claims[0][0]
            waiting.outcome = Refused(first, 0, "unusable")
            if first.number >= 0 and waiting.ticket:
                with contextlib.suppress(*DAMAGE):
                    room = self._place.room(first)
                    reason = "waited" if room.is_open else "opening"
                    waiting.outcome = Refused(first, room.left(first.limit), reason)
            self.leave(waiting)
        return expired

    def is_due(self, now: int) -> bool:
        """Tell whether it is worth to take the lock: it is somebody's turn here, as far as can be seen."""
        if not self.calls:
            return False
        if self.is_unfinished or not self.calls[-1].ticket:
            return True
        for holding in self._where():
            first = holding.waiting[0]
            if first.unseen or now - holding.tried_ns > _TRY_AGAIN_NS:
                return True
            if self._place.words[holding.at_account + layout.A_WAKE] != holding.seen_wake:
                queue = self._place.room(holding).queue
                if not queue or min(queue)[0] > first.ticket:
                    return True
        return False

    def begin_look(self) -> dict[Holding, PicoUsd | None]:
        """Note what has been heard so far; return what `see` and `hopeless` take."""
        self.is_unfinished = False
        for holding in self._where():
            holding.seen_wake = self._place.words[holding.at_account + layout.A_WAKE]
        return {}

    def see(self, waiting: Waiting, most: dict[Holding, PicoUsd | None], now: int) -> None:
        """Note that a call goes on waiting, and the most that one behind it may ask for at its accounts."""
        waiting.unseen = False
        for holding in waiting.blocked:
            holding.tried_ns = now
            if holding not in most:
                room = self._place.room(holding)
                is_certain = room.is_open and room.is_steady
                most[holding] = room.left_if_all_is_free(holding.limit) if is_certain else None

    def hopeless(self, claims: Sequence[Claim], most: dict[Holding, PicoUsd | None]) -> Refused | None:
        """Refuse a call that would not fit even if everything in flight cost nothing."""
        for holding, amount in claims:
            ceiling = most[holding]
            if ceiling is not None and amount > ceiling:
                return Refused(holding, self._place.room(holding).left(holding.limit), "limit")
        return None

    def older_waits(self, holding: Holding, room: Room, ticket: int) -> bool:
        """Tell whether somebody waits at an account who came before; `ticket` 0 came last."""
        if any(not ticket or waiting.ticket < ticket for waiting in holding.waiting):
            return True
        return any((not ticket or other < ticket) and self._is_there(number) for other, number in room.queue)

    def close(self, refusal: Refused) -> None:
        """Refuse everybody who waits: this process takes part no longer."""
        for waiting in list(self.calls):
            waiting.outcome = refusal
            self.leave(waiting)

    def leave_to_parent(self, refusal: Refused) -> None:
        """In a child of a fork: nobody waits here, and the parent's tickets are its own."""
        for waiting in self.calls:
            waiting.outcome = refusal
        self.calls.clear()

    def _where(self) -> Iterable[Holding]:
        return {holding: None for waiting in self.calls for holding in waiting.blocked}

    def _wake_others(self, holdings: Iterable[Holding]) -> None:
        """Have whoever is next look: somebody before has left."""
        place = self._place
        for holding in holdings:
            if holding.number >= 0 and somebody_waits(place.file, holding.at_account):
                place.words[holding.at_account + layout.A_WAKE] = time.monotonic_ns()

    def _is_there(self, holding: int) -> bool:
        """Tell whether a process still looks after its waiting calls."""
        words = self._place.words
        link = words[HOLDINGS.at(holding) + layout.G_PARTICIPANT]
        owner = PARTICIPANTS.linked(link, words[PARTICIPANTS.used])
        absent = time.monotonic_ns() - words[owner + layout.P_POLLED_NS]
        if absent < _ABSENT_NS:
            return True
        number = words[owner + layout.P_NUMBER]
        if absent > _STANDING_NS or number in self._dead:
            return False
        try:
            if is_held(self._place.shared.life_lock(number)):
                return True
        except OSError:
            return True
        self._dead.add(number)
        return False


def _lowest_ticket(holding: Holding) -> int:
    return holding.waiting[0].ticket if holding.waiting else 0


def _order(waiting: Waiting) -> int:
    return waiting.ticket or _LAST
