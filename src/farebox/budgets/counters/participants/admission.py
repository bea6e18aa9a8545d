"""Whose calls are let pass while there is no lease: what a participant does under the lock.

Decisions are made on the words of the file, and on nothing that is remembered. Every method is called under
the participant's mutex.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

from farebox.budgets.counters.file.mapped_file import DAMAGE
from farebox.budgets.counters.file.room import Room
from farebox.budgets.counters.file.section import NoRoomError, Section
from farebox.budgets.counters.participants.place import Place, UnusableError
from farebox.budgets.counters.participants.reservation import UNLIMITED, Claim, Holding, Refused, Waiting
from farebox.budgets.counters.participants.waiting_calls import WaitingCalls
from farebox.errors import CountersError
from farebox.money import PicoUsd

LEASE_SHARE = 50
"""A lease is this part of what is left, and not less than the call for which it is taken."""
LEASE_FROM = 16
"""There are leases while this many calls would fit."""
_MOST = (1 << 63) - 1
_EXTENSION_PATIENCE_S = 0.002
_TURNS_AT_ONCE = 16
_LOOK_NS = 1_000_000_000

Verdict = Literal[True] | Refused | list[Holding]
"""Reserved; refused; or where there is no room now."""


class Admission:
    """One participant's."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.waiting = WaitingCalls(place)
        self._looked_ns = time.monotonic_ns()

    def admit(self, waiting: Waiting) -> Literal[True] | Refused | None:
        """Reserve for a new call, refuse it, or have it wait: None."""
        place = self._place
        try:
            section = place.enter()
        except UnusableError:
            return Refused(waiting.claims[0][0], 0, "unusable")
        if section is None:
            self.waiting.keep(waiting)
            return None
        try:
            self.waiting.follow_move()
            return self._try(section, waiting)
        except DAMAGE:
            place.replace_damaged()
            self.waiting.keep(waiting)
            self.waiting.follow_move()
            return None
        except CountersError:
            return Refused(waiting.claims[0][0], 0, "unusable")
        finally:
            place.leave()

    def extend(self, claims: Sequence[Claim]) -> bool:
        """Reserve for a call that goes on: it was let pass already, so nobody is before it."""
        place = self._place
        try:
            section = place.enter(_EXTENSION_PATIENCE_S)
        except UnusableError:
            return False
        if section is None:
            return False
        try:
            self.waiting.follow_move()
            return self._decide(section, claims, 0, goes_on=True) is True
        except DAMAGE:
            place.replace_damaged()
            self.waiting.follow_move()
            return False
        except CountersError:
            return False
        finally:
            place.leave()

    def turns(self) -> list[Waiting]:
        """Return the calls that have an outcome now; those without one in `outcome` are admitted."""
        place, now = self._place, time.monotonic_ns()
        place.note_polled(now)
        resolved = self.waiting.expired(now)
        try:
            section = place.enter() if self._is_worth_the_lock(now) else None
        except UnusableError:
            return resolved
        if section is None:
            return resolved
        try:
            self.waiting.follow_move()
            place.tidy(section, now)
            self._take_turns(section, resolved)
        except DAMAGE:
            place.replace_damaged()
            self.waiting.follow_move()
        except CountersError:
            pass
        finally:
            place.leave()
        return resolved

    def _is_worth_the_lock(self, now: int) -> bool:
        try:
            if self.waiting.is_due(now):
                return True
        except DAMAGE:
            return True  # it is found again, and replaced, under the lock
        if now - self._looked_ns < _LOOK_NS:
            return False
        self._looked_ns = now
        return self._place.is_untidy(now)

    def _take_turns(self, section: Section, resolved: list[Waiting]) -> None:
        """Decide about those that wait, oldest first. Nobody passes one that waits at the same account."""
        queue, admitted, now = self.waiting, 0, time.monotonic_ns()
        most = queue.begin_look()
        """Where an older one waits, with the most that a call may ask for there."""
        for waiting in list(queue.calls):
            if admitted >= _TURNS_AT_ONCE:
                queue.is_unfinished = True
                return
            outcome = self._turn(section, waiting, most, now)
            if outcome is None:
                continue
            admitted += outcome is True
            waiting.outcome = outcome if isinstance(outcome, Refused) else None
            queue.leave(waiting)
            resolved.append(waiting)

    def _turn(
        self, section: Section, waiting: Waiting, most: dict[Holding, PicoUsd | None], now: int
    ) -> Literal[True] | Refused | None:
        if not waiting.ticket:
            outcome = self._try(section, waiting)
            if outcome is None:
                self.waiting.see(waiting, most, now)
            return outcome
        ahead = [(holding, amount) for holding, amount in waiting.claims if holding in most]
        if ahead:
            return self.waiting.hopeless(ahead, most)
        verdict = self._decide(section, waiting.claims, waiting.ticket)
        if not isinstance(verdict, list):
            return verdict
        if set(verdict) != set(waiting.blocked):
            self.waiting.block(section, waiting, verdict)
        self.waiting.see(waiting, most, now)
        return None

    def _try(self, section: Section, waiting: Waiting) -> Literal[True] | Refused | None:
        """Decide about a call that is not in the queue, and put it there where it has to wait."""
        verdict = self._decide(section, waiting.claims, 0)
        if not isinstance(verdict, list):
            return verdict
        if not waiting.may_wait:
            first = verdict[0]
            room = self._place.room(first)
            return Refused(first, room.left(first.limit), "limit" if room.is_open else "opening")
        self.waiting.give_ticket(section, waiting)
        self.waiting.block(section, waiting, verdict)
        return None

    def _decide(
        self, section: Section, claims: Sequence[Claim], ticket: int, *, goes_on: bool = False
    ) -> Verdict:
        """Reserve all claims, or say why not; `ticket` is the call's, 0 for one without."""
        place = self._place
        for holding, _ in claims:
            if holding.number < 0:
                try:
                    place.attach(section, holding)
                except NoRoomError:
                    section.discard()
                    return Refused(holding, 0, "unusable")
                section.commit()
        blocked: list[Holding] = []
        rooms: list[Room] = []
        short: list[tuple[int, Holding, PicoUsd]] = []
        for index, (holding, amount) in enumerate(claims):
            room = place.room(holding)
            rooms.append(room)
            if holding.limit >= UNLIMITED:
                continue
            if not room.is_open and not goes_on:
                blocked.append(holding)
            elif not goes_on and self.waiting.older_waits(holding, room, ticket):
                blocked.append(holding)
                short.append((index, holding, amount))
            elif room.left(holding.limit) - room.leased < amount:
                short.append((index, holding, amount))
        if short:
            place.revoke(section, [rooms[index] for index, _, _ in short])
            for index, holding, amount in short:
                room = rooms[index] = place.room(holding)
                if room.left(holding.limit) >= amount:
                    continue
                if amount > room.left_if_all_is_free(holding.limit) and room.is_steady and room.is_open:
                    return Refused(holding, room.left(holding.limit), "limit")
                if holding not in blocked:
                    blocked.append(holding)
        if blocked:
            return blocked
        for (holding, amount), room in zip(claims, rooms, strict=True):
            self._reserve(section, holding, amount, room)
        section.commit()
        return True

    def _reserve(self, section: Section, holding: Holding, amount: PicoUsd, room: Room) -> None:
        """Reserve what is there, and take a lease while much is left and nobody waits."""
        taken = holding.taken = holding.taken + amount
        section[holding.at_taken] = taken
        spare = room.left(holding.limit) - room.leased - amount
        granted = 0
        if spare > LEASE_FROM * amount and not room.queue and not holding.waiting:
            granted = min(max(taken + max(spare // LEASE_SHARE, amount), 1), _MOST)
        self._place.take_lease(section, holding, granted)
