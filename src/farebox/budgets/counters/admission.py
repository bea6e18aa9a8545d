"""Whose calls are let pass while there is no lease: what a participant does under the lock.

Reserves, takes leases, takes others' unused leases back, queues. Decisions are made on the words of the file
and on nothing that is remembered.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from bisect import insort
from collections.abc import Iterable, Sequence
from typing import Literal
from weakref import WeakValueDictionary

from farebox.budgets.counters import layout
from farebox.budgets.counters.account import Account, writer_key
from farebox.budgets.counters.fence import fence
from farebox.budgets.counters.figures import figures_of
from farebox.budgets.counters.file_lock import LifeLock, is_held
from farebox.budgets.counters.layout import ACCOUNTS, HOLDINGS, OPEN, PARTICIPANTS
from farebox.budgets.counters.mapped_file import DAMAGE
from farebox.budgets.counters.reservation import UNLIMITED, Claim, Holding, Refused, Waiting
from farebox.budgets.counters.room import Room, look, somebody_waits
from farebox.budgets.counters.section import NoRoomError, Section
from farebox.budgets.counters.shared_file import SharedFile
from farebox.budgets.counters.tables import attach
from farebox.errors import CountersError
from farebox.money import PicoUsd

LEASE_SHARE = 50
"""A lease is this part of what is left, and not less than the call for which it is taken."""
LEASE_FROM = 16
"""There are leases while this many calls would fit."""
_MOST = (1 << 63) - 1
_JOIN_PATIENCE_S = 5.0
_LATE_PATIENCE_S = 0.002
_TRY_AGAIN_NS = 250_000_000
_TURNS_AT_ONCE = 16
_ABSENT_NS, _STANDING_NS = 100_000_000, 5_000_000_000
"""A process that has not looked after its waiting calls for so long is looked at, and passed over."""
_LOOK_NS = 1_000_000_000
_TIDY_NS = 60_000_000_000
_TIDY_AT_ONCE = 200

Verdict = Literal[True] | Refused | list[Holding]
"""Reserved; refused; or where there is no room now."""


class Admission:
    """One participant's part of the file. Every method is called under the participant's mutex."""

    def __init__(self, shared: SharedFile, writer_id: str) -> None:
        """Join.

        Raises:
            CountersError: The lock is not to be had, or there is no room for one more.
        """
        self._shared = shared
        self._writer = writer_key(writer_id)
        self.attached: dict[int, Holding] = {}
        """Holdings with a place in the file, by the key of their account."""
        self._known: WeakValueDictionary[int, Holding] = WeakValueDictionary()
        self._leased: dict[int, Holding] = {}
        self.lease_mark = 0
        """Changes with every lease that is lost. What was reserved under another one is settled with a look
        whether somebody waits."""
        self.waiting: list[Waiting] = []
        """In the order of their tickets; those that have none yet are behind."""
        self._late: list[Holding] = []
        """Settled while they had no place in the file."""
        self._dead: set[int] = set()
        self._looked_ns = self._tidied_ns = time.monotonic_ns()
        section = shared.enter(_JOIN_PATIENCE_S)
        if section is None:
            raise CountersError("budgets cannot be counted: a process that stands still holds their lock")
        try:
            self._join(section)
        finally:
            shared.leave()

    def _join(self, section: Section) -> None:
        """Have a place in the table of participants of the present file."""
        self.number = secrets.randbits(62) | 1
        try:
            self._life = LifeLock(self._shared.life_lock(self.number))
        except OSError as error:
            raise CountersError(f"budgets cannot be counted: {error.strerror or error}") from error
        try:
            place = section.allocate(PARTICIPANTS)
        except NoRoomError as error:
            self._life.release()
            raise CountersError(f"too many processes count budgets: {error}") from error
        start = PARTICIPANTS.at(place)
        section[start + layout.P_NUMBER] = self.number
        section[start + layout.P_WRITER] = self._writer
        section[start + layout.P_STATE] = OPEN
        section[start + layout.P_POLLED_NS] = time.monotonic_ns()
        section.commit()
        self._place = place
        self.file = self._shared.file
        self.words = self.file.words
        self.at_revoked = start + layout.P_REVOKED
        self.revoked = self.words[self.at_revoked]

    # -- without the lock --

    def holding(self, account: Account, limit: PicoUsd) -> Holding:
        """Return the one holding there is of an account in this process."""
        holding = self._known.get(account.key)
        if holding is None:
            holding = self._known[account.key] = Holding(account, limit)
        return holding

    def give_back(self, holding: Holding) -> None:
        """Give a lease back: nothing of it is used any more."""
        self._lose_lease(holding)
        if holding.number >= 0:
            self.words[HOLDINGS.at(holding.number) + layout.G_GRANTED] = 0

    def notice_revoked(self) -> None:
        """See which leases others took back."""
        self.revoked = self.words[self.at_revoked]
        for holding in list(self._leased.values()):
            if not self.words[HOLDINGS.at(holding.number) + layout.G_GRANTED]:
                self._lose_lease(holding)

    def _lose_lease(self, holding: Holding) -> None:
        if self._leased.pop(holding.account.key, None) is not None:
            self.lease_mark += 1
        holding.granted = min(holding.granted, 0)

    def left(self, holding: Holding) -> PicoUsd:
        """Return what the next call may reserve."""
        if holding.number < 0:
            return figures_of(self.file, holding.account, holding.limit, time.time_ns()).left
        try:
            return self._room(holding).left(holding.limit)
        except DAMAGE:
            return 0

    def queue_late(self, waiting: Waiting) -> Waiting:
        """Keep a call until the lock is to be had."""
        self.waiting.append(waiting)
        return waiting

    def leave_queue(self, waiting: Waiting) -> None:
        """Give up a place in the queue."""
        if waiting in self.waiting:
            self.waiting.remove(waiting)
            self._unblock(waiting)

    def attach_late(self, holding: Holding) -> None:
        """Find a place for what was settled after its holding had lost it."""
        self._late.append(holding)
        if isinstance(self._enter(_LATE_PATIENCE_S), Section):
            self._leave()

    # -- under the lock --

    def admit(self, waiting: Waiting) -> Literal[True] | Refused | None:
        """Reserve for a new call, or queue it: None."""
        section = self._enter()
        if section is None:
            self.queue_late(waiting)
            return None
        if isinstance(section, Refused):
            return section._replace(holding=waiting.claims[0][0])
        try:
            return self._try(section, waiting)
        except DAMAGE:
            self._replace_damaged()
            self.queue_late(waiting)
            return None
        except CountersError:
            return Refused(waiting.claims[0][0], 0, "unusable")
        finally:
            self._leave()

    def admit_at_once(self, claims: Sequence[Claim]) -> bool:
        """Reserve for a call that goes on."""
        section = self._enter(_LATE_PATIENCE_S)
        if section is None or isinstance(section, Refused):
            return False
        try:
            return self._decide(section, claims, 0, goes_on=True) is True
        except DAMAGE:
            self._replace_damaged()
            return False
        except CountersError:
            return False
        finally:
            self._leave()

    def turns(self) -> list[Waiting]:
        """Return the calls that have an outcome now; those without one in `outcome` are admitted."""
        now = time.monotonic_ns()
        self.words[PARTICIPANTS.at(self._place) + layout.P_POLLED_NS] = now
        resolved = self._expired(now)
        if not self._is_worth_the_lock(now):
            return resolved
        section = self._enter()
        if section is None or isinstance(section, Refused):
            return resolved
        try:
            self._tidy(section, now)
            resolved += self._take_turns(section)
        except DAMAGE:
            self._replace_damaged()
        except CountersError:
            pass
        finally:
            self._leave()
        return resolved

    def _is_worth_the_lock(self, now: int) -> bool:
        try:
            if self._is_due(now):
                return True
        except DAMAGE:
            return True  # it is found again, and replaced, under the lock
        if now - self._looked_ns < _LOOK_NS:
            return False
        self._looked_ns = now
        return now - self._tidied_ns > _TIDY_NS or not self.file.is_current()

    def _enter(self, patience_s: float = 0.0) -> Section | Refused | None:
        """Take the lock; a place in the file there is now is taken, too."""
        try:
            section = self._shared.enter(patience_s)
        except (CountersError, OSError):
            return _UNUSABLE
        if section is None:
            return None
        if self._shared.file.words is not self.words:
            try:
                self._rejoin(section)
            except (CountersError, OSError, NoRoomError):
                self._shared.leave()
                return _UNUSABLE
        self.notice_revoked()
        try:
            while self._late:
                if self._late[-1].number < 0:
                    self._attach(section, self._late[-1])
                    section.commit()
                self._late.pop()
        except (NoRoomError, *DAMAGE):
            section.discard()  # it is known by the record
            self._late.clear()
        return section

    def _leave(self) -> None:
        self._shared.leave()

    def _replace_damaged(self) -> None:
        with contextlib.suppress(CountersError, OSError):
            self._shared.replace()
            self._rejoin(Section(self._shared.file.words))

    def _rejoin(self, section: Section) -> None:
        """Take what is in flight, and the queue, into another file."""
        former = self._life
        self._join(section)
        former.release()
        former.remove()
        self._leased.clear()
        self.lease_mark += 1
        held = [
            holding
            for holding in self.attached.values()
            if holding.taken != holding.settled or holding.waiting
        ]
        for holding in self.attached.values():
            holding.detach()
        self.attached.clear()
        for holding in held:
            self._attach(section, holding)
            section.commit()
        for waiting in self.waiting:
            waiting.ticket = 0
            for holding in waiting.blocked:
                holding.waiting.clear()
            waiting.blocked = []

    def _attach(self, section: Section, holding: Holding) -> None:
        """Have a place for a holding."""
        number, account = attach(section, self._place, holding.account)
        start = HOLDINGS.at(number)
        holding.settled += section[start + layout.G_SETTLED]
        holding.taken += section[start + layout.G_TAKEN]
        section[start + layout.G_TAKEN] = holding.taken
        section[start + layout.G_SETTLED] = holding.settled
        section[start + layout.G_GRANTED] = 0
        section[start + layout.G_RETIRED] = 0
        holding.attach(number, ACCOUNTS.at(account))
        self.attached[holding.account.key] = holding

    def _try(self, section: Section, waiting: Waiting) -> Literal[True] | Refused | None:
        """Decide about a call that is not in the queue, and put it there where it has to wait."""
        verdict = self._decide(section, waiting.claims, 0)
        if not isinstance(verdict, list):
            return verdict
        if not waiting.may_wait:
            first = verdict[0]
            room = self._room(first)
            return Refused(first, room.left(first.limit), "limit" if room.is_open else "opening")
        section[layout.H_TICKET] = waiting.ticket = section[layout.H_TICKET] + 1
        if waiting in self.waiting:
            self.waiting.remove(waiting)
        insort(self.waiting, waiting, key=_order)
        self._block(section, waiting, verdict)
        return None

    def _decide(
        self, section: Section, claims: Sequence[Claim], ticket: int, *, goes_on: bool = False
    ) -> Verdict:
        """Reserve all claims, or say why not; `ticket` is the call's, 0 for one without."""
        for holding, _ in claims:
            if holding.number < 0:
                try:
                    self._attach(section, holding)
                except NoRoomError:
                    section.discard()
                    holding.detach()
                    return Refused(holding, 0, "unusable")
                section.commit()
        blocked: list[Holding] = []
        rooms: list[Room] = []
        short: list[tuple[int, Holding, PicoUsd]] = []
        for index, (holding, amount) in enumerate(claims):
            room = self._room(holding)
            rooms.append(room)
            if holding.limit >= UNLIMITED:
                continue
            if not room.is_open and not goes_on:
                blocked.append(holding)
            elif not goes_on and self._older_waits(holding, room, ticket):
                blocked.append(holding)
                short.append((index, holding, amount))
            elif room.left(holding.limit) - room.leased < amount:
                short.append((index, holding, amount))
        if short:
            self._revoke(section, [(holding, rooms[index]) for index, holding, _ in short])
            for index, holding, amount in short:
                room = rooms[index] = self._room(holding)
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
        """Reserve what is there, and take a lease while much is left."""
        start = HOLDINGS.at(holding.number)
        taken = holding.taken = holding.taken + amount
        section[holding.at_taken] = taken
        spare = room.left(holding.limit) - room.leased - amount
        granted = 0
        if spare > LEASE_FROM * amount and not room.queue and not holding.waiting:
            granted = min(max(taken + max(spare // LEASE_SHARE, amount), 1), _MOST)
        if granted:
            self._leased[holding.account.key] = holding
            holding.granted = granted
        else:
            self._lose_lease(holding)
        section[start + layout.G_GRANTED] = granted

    def _revoke(self, section: Section, wanted: Iterable[tuple[Holding, Room]]) -> None:
        """Take back what others have leased and do not use. Whoever reserves meanwhile sees it or is seen."""
        owners: dict[int, None] = {}
        for _, room in wanted:
            for number in room.leases:
                start = HOLDINGS.at(number)
                section[start + layout.G_GRANTED] = 0
                owners[section[start + layout.G_PARTICIPANT]] = None
        for owner in owners:
            at = PARTICIPANTS.linked(owner, section[PARTICIPANTS.used]) + layout.P_REVOKED
            section[at] = section[at] + 1  # stored after the leases
        section.commit()
        fence()

    def _block(self, section: Section, waiting: Waiting, blocked: list[Holding]) -> None:
        """Have a call wait where there is no room for it, and only there."""
        former = [holding for holding in waiting.blocked if holding not in blocked]
        for holding in former:
            holding.waiting.remove(waiting)
        for holding in blocked:
            if waiting not in holding.waiting:
                insort(holding.waiting, waiting, key=_order)
            self._lose_lease(holding)
            section[HOLDINGS.at(holding.number) + layout.G_GRANTED] = 0
        waiting.blocked = blocked
        for holding in (*former, *blocked):
            first = holding.waiting[0].ticket if holding.waiting else 0
            section[HOLDINGS.at(holding.number) + layout.G_TICKET] = first
        # Nobody else has a lease while somebody waits.
        self._revoke(section, [(holding, self._room(holding)) for holding in blocked])
        self._wake_others(former)

    def _unblock(self, waiting: Waiting) -> None:
        """Take a call from where it waited. Needs no lock: only this process stores its tickets."""
        for holding in waiting.blocked:
            if waiting in holding.waiting:
                holding.waiting.remove(waiting)
            first = holding.waiting[0].ticket if holding.waiting else 0
            self.words[HOLDINGS.at(holding.number) + layout.G_TICKET] = first
        self._wake_others(waiting.blocked)
        waiting.blocked = []

    def _wake_others(self, holdings: Iterable[Holding]) -> None:
        """Have whoever is next look: somebody before has left."""
        for holding in holdings:
            if holding.number >= 0 and somebody_waits(self.file, holding.at_account):
                self.words[holding.at_account + layout.A_WAKE] = time.monotonic_ns()

    def _expired(self, now: int) -> list[Waiting]:
        """Refuse those that have waited long enough."""
        expired = [waiting for waiting in self.waiting if waiting.deadline_ns <= now]
        for waiting in expired:
            self.waiting.remove(waiting)
            first = waiting.blocked[0] if waiting.blocked else waiting.claims[0][0]
            waiting.outcome = Refused(first, 0, "unusable")
            if first.number >= 0 and waiting.ticket:
                with contextlib.suppress(*DAMAGE):
                    room = self._room(first)
                    reason = "waited" if room.is_open else "opening"
                    waiting.outcome = Refused(first, room.left(first.limit), reason)
            self._unblock(waiting)
        return expired

    def _is_due(self, now: int) -> bool:
        """Tell whether it is worth to take the lock: it is somebody's turn here, as far as can be seen."""
        if not self.waiting:
            return False
        if not self.waiting[-1].ticket:
            return True
        for holding in {holding: None for waiting in self.waiting for holding in waiting.blocked}:
            if holding.waiting[0].unseen or now - holding.tried_ns > _TRY_AGAIN_NS:
                return True
            if self.words[holding.at_account + layout.A_WAKE] != holding.seen_wake:
                queue = self._room(holding).queue
                if not queue or min(queue)[0] > holding.waiting[0].ticket:
                    return True
        return False

    def _take_turns(self, section: Section) -> list[Waiting]:
        """Decide about those that wait, oldest first. Nobody passes one that waits at the same account."""
        resolved: list[Waiting] = []
        taken: dict[Holding, PicoUsd | None] = {}
        """Where an older one waits, with the most that a call may ask for there."""
        admitted = 0
        now = time.monotonic_ns()
        for waiting in list(self.waiting):
            if admitted >= _TURNS_AT_ONCE:
                break
            if not waiting.ticket:
                outcome = self._try(section, waiting)
                if outcome is None:
                    self._see(waiting, taken, now)
                    continue
            else:
                ahead = [(holding, amount) for holding, amount in waiting.claims if holding in taken]
                outcome = self._hopeless(ahead, taken)
                if outcome is None:
                    if ahead:
                        continue
                    verdict = self._decide(section, waiting.claims, waiting.ticket)
                    if isinstance(verdict, list):
                        if set(verdict) != set(waiting.blocked):
                            self._block(section, waiting, verdict)
                        self._see(waiting, taken, now)
                        continue
                    outcome = verdict
            admitted += outcome is True
            waiting.outcome = outcome if isinstance(outcome, Refused) else None
            if waiting in self.waiting:
                self.waiting.remove(waiting)
            self._unblock(waiting)
            resolved.append(waiting)
        return resolved

    def _see(self, waiting: Waiting, taken: dict[Holding, PicoUsd | None], now: int) -> None:
        waiting.unseen = False
        for holding in waiting.blocked:
            holding.tried_ns = now
            if holding not in taken:
                room = self._room(holding)
                certain = room.is_open and room.is_steady
                taken[holding] = room.left_if_all_is_free(holding.limit) if certain else None

    def _hopeless(self, claims: Sequence[Claim], most: dict[Holding, PicoUsd | None]) -> Refused | None:
        """Refuse a call that would not fit even if everything in flight cost nothing."""
        for holding, amount in claims:
            ceiling = most[holding]
            if ceiling is not None and amount > ceiling:
                return Refused(holding, self._room(holding).left(holding.limit), "limit")
        return None

    def _older_waits(self, holding: Holding, room: Room, ticket: int) -> bool:
        """Tell whether somebody waits at an account who came before; `ticket` 0 came last."""
        if any(not ticket or waiting.ticket < ticket for waiting in holding.waiting):
            return True
        return any((not ticket or other < ticket) and self._is_there(number) for other, number in room.queue)

    def _is_there(self, holding: int) -> bool:
        """Tell whether a process still looks after its waiting calls."""
        place = self.words[HOLDINGS.at(holding) + layout.G_PARTICIPANT]
        owner = PARTICIPANTS.linked(place, self.words[PARTICIPANTS.used])
        absent = time.monotonic_ns() - self.words[owner + layout.P_POLLED_NS]
        if absent < _ABSENT_NS:
            return True
        if absent > _STANDING_NS:
            return False
        number = self.words[owner + layout.P_NUMBER]
        if number in self._dead:
            return False
        try:
            if is_held(self._shared.life_lock(number)):
                return True
        except OSError:
            return True
        self._dead.add(number)
        return False

    def _room(self, holding: Holding) -> Room:
        return look(self.file, holding.at_account, time.time_ns(), holding.number)

    def _tidy(self, section: Section, now: int) -> None:
        """Let go of what was not used for a minute, so that the ledger can free it."""
        if now - self._tidied_ns < _TIDY_NS:
            return
        self._tidied_ns = now
        idle = [
            holding
            for holding in self.attached.values()
            if holding.taken == holding.settled and not holding.waiting
        ]
        for holding in idle[:_TIDY_AT_ONCE]:
            if holding.settled != holding.seen_settled:
                holding.seen_settled = holding.settled
                continue
            start = HOLDINGS.at(holding.number)
            section[start + layout.G_GRANTED] = 0
            section[start + layout.G_RETIRED] = 1
            section.commit()
            del self.attached[holding.account.key]
            self._lose_lease(holding)
            holding.detach()

    # -- the end --

    def close(self) -> None:
        """Give leases and places back."""
        for waiting in list(self.waiting):
            self.leave_queue(waiting)
        for holding in list(self._leased.values()):
            self.give_back(holding)
        self._life.release()

    def leave_to_parent(self) -> None:
        """In a child of a fork."""
        self._life.release()


def _order(waiting: Waiting) -> int:
    return waiting.ticket or _MOST


_UNUSABLE = Refused(Holding(Account(0, 0, 0, 0), 0), 0, "unusable")
