"""A participant's place in the file: its number, its holdings, its leases, and moving into another file.

Every method is called under the participant's mutex.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterable
from weakref import WeakValueDictionary

from farebox.budgets.counters.account import Account, writer_key
from farebox.budgets.counters.figures import figures_of
from farebox.budgets.counters.file import layout
from farebox.budgets.counters.file.fence import fence
from farebox.budgets.counters.file.file_lock import LifeLock
from farebox.budgets.counters.file.layout import ACCOUNTS, HOLDINGS, OPEN, PARTICIPANTS
from farebox.budgets.counters.file.mapped_file import DAMAGE
from farebox.budgets.counters.file.room import Room, look
from farebox.budgets.counters.file.section import NoRoomError, Section
from farebox.budgets.counters.file.shared_file import SharedFile
from farebox.budgets.counters.file.tables import attach
from farebox.budgets.counters.participants.reservation import Holding
from farebox.errors import CountersError
from farebox.money import PicoUsd

_JOIN_PATIENCE_S = 5.0
_LATE_PATIENCE_S = 0.002
_TIDY_NS = 60_000_000_000
_TIDY_AT_ONCE = 200


class UnusableError(Exception):
    """Nothing can be counted: no room for a file or a place in it."""


class Place:
    """One participant's part of the file."""

    def __init__(self, shared: SharedFile, writer_id: str) -> None:
        """Join.

        Raises:
            CountersError: The lock is not to be had, or there is no room for one more.
        """
        self.shared = shared
        self._writer = writer_key(writer_id)
        self.attached: dict[int, Holding] = {}
        """Holdings with a place in the file, by the key of their account."""
        self._known: WeakValueDictionary[int, Holding] = WeakValueDictionary()
        self._leased: dict[int, Holding] = {}
        self.lease_mark = 0
        """Changes with every lease that is lost. What was reserved under another one is settled with a look
        whether somebody waits."""
        self.moves = 0
        """How often everything was taken into another file."""
        self._late: list[Holding] = []
        """Settled while they had no place in the file."""
        self._tidied_ns = time.monotonic_ns()
        section = shared.enter(_JOIN_PATIENCE_S)
        if section is None:
            raise CountersError("budgets cannot be counted: a process that stands still holds their lock")
        try:
            self._join(section)
        finally:
            shared.leave()

    def holding(self, account: Account, limit: PicoUsd) -> Holding:
        """Return the one holding there is of an account in this process."""
        holding = self._known.get(account.key)
        if holding is None:
            holding = self._known[account.key] = Holding(account, limit)
        return holding

    def room(self, holding: Holding) -> Room:
        """Return what is taken of an account now."""
        return look(self.file, holding.at_account, time.time_ns(), holding.number)

    def left(self, holding: Holding) -> PicoUsd:
        """Return what the next call may reserve."""
        if holding.number < 0:
            return figures_of(self.file, holding.account, holding.limit, time.time_ns()).left
        try:
            return self.room(holding).left(holding.limit)
        except DAMAGE:
            return 0

    def note_polled(self, now: int) -> None:
        """Let others know that calls that wait here are looked after."""
        self.words[self._start + layout.P_POLLED_NS] = now

    # -- leases --

    def take_lease(self, section: Section, holding: Holding, granted: int) -> None:
        """Have a lease up to `granted`; 0 for none."""
        if granted:
            self._leased[holding.account.key] = holding
            holding.granted = granted
        else:
            self._lose_lease(holding)
        section[HOLDINGS.at(holding.number) + layout.G_GRANTED] = granted

    def give_back(self, holding: Holding) -> None:
        """Give a lease back: nothing of it is used any more. Needs no lock."""
        self._lose_lease(holding)
        if holding.number >= 0:
            self.words[HOLDINGS.at(holding.number) + layout.G_GRANTED] = 0

    def notice_revoked(self) -> None:
        """See which leases others took back."""
        self.revoked = self.words[self.at_revoked]
        for holding in list(self._leased.values()):
            if not self.words[HOLDINGS.at(holding.number) + layout.G_GRANTED]:
                self._lose_lease(holding)

    def revoke(self, section: Section, rooms: Iterable[Room]) -> None:
        """Take back what others have leased and do not use. Whoever reserves meanwhile sees it or is seen."""
        owners: dict[int, None] = {}
        for room in rooms:
            for number in room.leases:
                start = HOLDINGS.at(number)
                section[start + layout.G_GRANTED] = 0
                owners[section[start + layout.G_PARTICIPANT]] = None
        for owner in owners:
            at = PARTICIPANTS.linked(owner, section[PARTICIPANTS.used]) + layout.P_REVOKED
            section[at] = section[at] + 1  # stored after the leases
        section.commit()
        fence()

    def _lose_lease(self, holding: Holding) -> None:
        if self._leased.pop(holding.account.key, None) is not None:
            self.lease_mark += 1
        holding.granted = min(holding.granted, 0)

    # -- the lock, and what is done under it --

    def enter(self, patience_s: float = 0.0) -> Section | None:
        """Take the lock; None where it is not to be had. A place in the file there is now is taken, too.

        Raises:
            UnusableError: There is no room for a file, or for a place in it.
        """
        try:
            section = self.shared.enter(patience_s)
        except (CountersError, OSError) as error:
            raise UnusableError from error
        if section is None:
            return None
        if self.shared.file.words is not self.words:
            try:
                self._move(section)
            except (CountersError, OSError, NoRoomError) as error:
                self.shared.leave()
                raise UnusableError from error
        self.notice_revoked()
        try:
            while self._late:
                if self._late[-1].number < 0:
                    self.attach(section, self._late[-1])
                    section.commit()
                self._late.pop()
        except (NoRoomError, *DAMAGE):
            section.discard()  # it is known by the record
            self._late.clear()
        return section

    def leave(self) -> None:
        """Give the lock back."""
        self.shared.leave()

    def attach(self, section: Section, holding: Holding) -> None:
        """Have a place for a holding.

        Raises:
            NoRoomError: There is none.
        """
        number, account = attach(section, self._number_in_file, holding.account)
        start = HOLDINGS.at(number)
        holding.settled += section[start + layout.G_SETTLED]
        holding.taken += section[start + layout.G_TAKEN]
        section[start + layout.G_TAKEN] = holding.taken
        section[start + layout.G_SETTLED] = holding.settled
        section[start + layout.G_GRANTED] = 0
        section[start + layout.G_RETIRED] = 0
        section[start + layout.G_BEYOND] = holding.beyond
        holding.attach(number, ACCOUNTS.at(account))
        self.attached[holding.account.key] = holding

    def attach_late(self, holding: Holding) -> None:
        """Find a place for what was settled after its holding had lost it."""
        self._late.append(holding)
        with contextlib.suppress(UnusableError):
            if self.enter(_LATE_PATIENCE_S) is not None:
                self.leave()

    def is_untidy(self, now: int) -> bool:
        """Tell whether `tidy` would let go of something, or the file is another one."""
        return now - self._tidied_ns > _TIDY_NS or not self.file.is_current()

    def tidy(self, section: Section, now: int) -> None:
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

    def replace_damaged(self) -> None:
        """Put an empty file in the place of one that is damaged, and move there."""
        with contextlib.suppress(CountersError, OSError, NoRoomError):
            self.shared.replace()
            self._move(Section(self.shared.file.words))

    def _join(self, section: Section) -> None:
        """Have a place in the table of participants of the present file."""
        self.number = secrets.randbits(62) | 1
        try:
            self._life = LifeLock(self.shared.life_lock(self.number))
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
        self._number_in_file, self._start = place, start
        self.file = self.shared.file
        self.words = self.file.words
        self.at_revoked = start + layout.P_REVOKED
        self.revoked = self.words[self.at_revoked]

    def _move(self, section: Section) -> None:
        """Take what is in flight into another file."""
        former = self._life
        self._join(section)
        former.release()
        former.remove()
        self._leased.clear()
        self.lease_mark += 1
        self.moves += 1
        in_flight = [holding for holding in self.attached.values() if holding.taken != holding.settled]
        for holding in self.attached.values():
            holding.detach()
        self.attached.clear()
        for holding in in_flight:
            self.attach(section, holding)
            section.commit()

    # -- the end --

    def close(self) -> None:
        """Give leases back, and let others know that this process has ended."""
        for holding in list(self._leased.values()):
            self.give_back(holding)
        self._life.release()

    def leave_to_parent(self) -> None:
        """In a child of a fork: hold nothing of the parent's."""
        self._life.release()
