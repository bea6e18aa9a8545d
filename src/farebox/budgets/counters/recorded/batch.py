"""What one batch of rows changes, written down before it is committed to the record and stored after."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

from farebox.budgets.counters.account import Account
from farebox.budgets.counters.file import layout
from farebox.budgets.counters.file.fence import fence
from farebox.budgets.counters.file.layout import (
    ACCOUNTS,
    BUDGETS,
    HOLDINGS,
    OPEN,
    PARTICIPANTS,
    REDO,
    REDO_ENTRIES,
    RING_PARTS,
    RINGS,
)
from farebox.budgets.counters.file.mapped_file import Words
from farebox.budgets.counters.file.section import NoRoomError, Section
from farebox.budgets.counters.file.shared_file import SharedFile
from farebox.budgets.counters.file.tables import find_budget, find_or_make
from farebox.clock import now_ns
from farebox.errors import CountersDamagedError, CountersError
from farebox.money import PicoUsd

_NOWHERE = -1


class Spent(NamedTuple):
    """What one row of the record counts for in one account; what a reversal takes back is negative."""

    account: Account
    at_ns: int
    """When it occurred."""
    amount: PicoUsd


class Folded(NamedTuple):
    """What a participant settled in one account, and is in the record from now on (`Done.held`)."""

    holder: int
    account: int
    """The account's key."""
    amount: PicoUsd


class Batch:
    """The one batch that is under way. See `LedgerCounters` for what each step is for."""

    def __init__(self, shared: SharedFile, patience_s: float) -> None:
        self._shared = shared
        self._patience_s = patience_s
        self._seen: Words | None = None
        """The file that the places are of."""
        self._accounts: dict[int, int] = {}
        self._holdings: dict[tuple[int, int], int] = {}
        self._holders: dict[int, int] = {}
        self._touched: set[int] = set()

    def forget_places(self) -> None:
        """Look for accounts and holdings anew: some were freed."""
        self._accounts.clear()
        self._holdings.clear()
        self._holders.clear()

    def recover(self, committed_seq: int) -> None:
        """Finish what was prepared if the record has it, drop it if not."""
        words = self._shared.file.words
        if words[layout.H_REDO] and words[layout.H_REDO_SEQ] <= committed_seq:
            self.apply()
        self.forget()
        if words[layout.H_FOLDING] & 1:
            words[layout.H_FOLDING] = words[layout.H_FOLDING] + 1
        if words[layout.H_SEQ] > committed_seq:
            self.spoil()

    def prepare(self, seq: int, spent: Iterable[Spent], folded: Iterable[Folded]) -> bool:
        """Write down the new values; False where that cannot be done now."""
        values: dict[int, int] = {}
        self._touched.clear()
        try:
            self._follow()
            now = now_ns()
            for entry in spent:
                self._count(values, entry, now)
            last_spent = len(values)
            words = self._shared.file.words
            for entry in folded:
                at = self._holding_of(entry)
                if at >= 0:
                    values[at] = values.get(at, words[at]) + entry.amount
        except (CountersError, IndexError, ValueError, OSError):
            return False
        if len(values) > REDO_ENTRIES or any(abs(value) >= 1 << 63 for value in values.values()):
            self.spoil()
            values, last_spent = {}, 0
        at = REDO
        for place, value in values.items():
            words[at] = place
            words[at + 1] = value
            at += 2
        words[layout.H_REDO_SEQ] = seq
        words[layout.H_REDO_SPENT] = last_spent
        words[layout.H_REDO] = len(values) + 1
        return True

    def apply(self) -> None:
        """Store what was written down.

        What is recorded goes first: who looks in the middle sees amounts twice, and none missing. The values
        are absolute, so it may be done again.
        """
        words = self._shared.file.words
        count = words[layout.H_REDO] - 1
        if count < 0:
            return
        words[layout.H_FOLDING] = words[layout.H_FOLDING] | 1
        middle, end = REDO + 2 * words[layout.H_REDO_SPENT], REDO + 2 * count
        for start, stop in ((REDO, middle), (middle, end)):
            for at in range(start, stop, 2):
                words[words[at]] = words[at + 1]
            fence()
        words[layout.H_SEQ] = words[layout.H_REDO_SEQ]
        words[layout.H_FOLDING] = words[layout.H_FOLDING] + 1
        words[layout.H_REDO] = 0
        now = time.monotonic_ns()
        for account in self._touched:
            words[ACCOUNTS.at(account) + layout.A_WAKE] = now
            words[ACCOUNTS.at(account) + layout.A_USED_S] = now // 10**9
        self._touched.clear()

    def forget(self) -> None:
        self._shared.file.words[layout.H_REDO] = 0

    def spoil(self) -> None:
        self._shared.file.words[layout.H_STALE] = 1

    # -- details --

    def _follow(self) -> None:
        """Forget places of a file that was replaced."""
        self._shared.follow(self._patience_s)
        if self._shared.file.words is not self._seen:
            self._seen = self._shared.file.words
            self.forget_places()

    def _count(self, values: dict[int, int], entry: Spent, now: int) -> None:
        """Add what a row counts for to its account, and to the part of a rolling window it occurred in."""
        number = self._account_of(entry.account, now)
        words = self._shared.file.words
        start = ACCOUNTS.at(number)
        if number < 0 or words[start + layout.A_STATE] != OPEN:
            return  # it is made from the record, which has this row
        self._touched.add(number)
        part_ns = entry.account.part_ns
        if not part_ns:
            at = start + layout.A_RECORDED
            values[at] = values.get(at, words[at]) + entry.amount
            return
        part = min(entry.at_ns, now) // part_ns  # a clock that is ahead must not push others' amounts out
        ring = RINGS.linked(words[start + layout.A_RING], words[RINGS.used])
        at = ring + 2 * (part % RING_PARTS)
        there = values.get(at, words[at])
        if there == part:
            values[at + 1] = values.get(at + 1, words[at + 1]) + entry.amount
        elif there < part:
            values[at + 1] = entry.amount  # stored first: until the part has its number it does not count
            values[at] = part

    def _account_of(self, account: Account, now: int) -> int:
        """Return the number of an account; it is made where its window is not over."""
        number = self._accounts.get(account.key)
        if number is not None:
            return number
        section = self._enter()
        try:
            found = section.find_account(account.key)
            if found is None:
                budget = find_budget(section, account.budget)
                if budget is None or (account.end_ns and account.end_ns <= now):
                    return _NOWHERE
                start = BUDGETS.at(budget)
                if section[start + layout.B_STATE] != OPEN or section[start + layout.B_EVICTED]:
                    return _NOWHERE
                try:
                    found = find_or_make(section, account)
                except NoRoomError:  # it is made from the record once somebody asks for it
                    section.discard()
                    section[start + layout.B_EVICTED] = 1
                    section.commit()
                    return _NOWHERE
                section.commit()
        finally:
            self._shared.leave()
        self._accounts[account.key] = found
        return found

    def _holding_of(self, entry: Folded) -> int:
        """Return the word of what is folded of a holding; -1 for one of a file that was replaced."""
        key = (entry.holder, entry.account)
        at = self._holdings.get(key)
        if at is not None:
            return at
        if self._holders.get(entry.holder) == _NOWHERE:
            return _NOWHERE
        section = self._enter()
        try:
            at = self._find_holding(section, entry)
        finally:
            self._shared.leave()
        self._holdings[key] = at
        return at

    def _find_holding(self, section: Section, entry: Folded) -> int:
        place = self._holders.get(entry.holder)
        if place is None:
            numbers = list(self._shared.file.column(PARTICIPANTS, layout.P_NUMBER))
            place = numbers.index(entry.holder) if entry.holder in numbers else _NOWHERE
            self._holders[entry.holder] = place
        account = section.find_account(entry.account)
        if place < 0 or account is None:
            return _NOWHERE
        link = section[ACCOUNTS.at(account) + layout.A_HOLDING]
        used = section[HOLDINGS.used]
        for _ in range(used + 1):
            if not link:
                return _NOWHERE
            start = HOLDINGS.linked(link, used)
            if section[start + layout.G_PARTICIPANT] == place + 1:
                return start + layout.G_FOLDED
            link = section[start + layout.G_NEXT]
        raise CountersDamagedError("a chain of holdings has no end")

    def _enter(self) -> Section:
        section = self._shared.enter(self._patience_s)
        if section is None:
            raise CountersError("a process that stands still holds the lock")
        if self._shared.file.words is not self._seen:
            self._shared.leave()
            raise CountersError("the file was replaced")
        return section
