"""What an account shows: the same figures that decide whether a call passes."""

from __future__ import annotations

from typing import NamedTuple

from farebox.budgets.counters.account import Account
from farebox.budgets.counters.file import layout
from farebox.budgets.counters.file.layout import ACCOUNTS, OPEN
from farebox.budgets.counters.file.mapped_file import DAMAGE, MappedFile
from farebox.budgets.counters.file.room import look
from farebox.budgets.counters.file.section import Section
from farebox.budgets.counters.file.tables import find_budget
from farebox.money import PicoUsd

_TRIES = 10


class Figures(NamedTuple):
    """One account at one moment."""

    limit: PicoUsd
    recorded: PicoUsd
    """Spent, and in the record."""
    settled: PicoUsd
    """Spent, and not yet in the record."""
    reserved: PicoUsd
    """Held for calls in flight."""
    waiting: int
    """How many processes have calls that wait for room."""
    is_open: bool
    """Whether the figures are whole; else they are being made from the record, and hard calls wait."""

    beyond: PicoUsd = 0
    """By how much calls in flight can pass the limit at most: what they can cost and is not reserved."""

    @property
    def spent(self) -> PicoUsd:
        return self.recorded + self.settled

    @property
    def left(self) -> PicoUsd:
        """What the next call may reserve; less than 0 where the limit was passed."""
        return self.limit - self.spent - self.reserved


def figures_of(file: MappedFile, account: Account, limit: PicoUsd, now_ns: int) -> Figures:
    """Return an account's figures without the lock, read until they were the same twice."""
    try:
        return _read(file, account, limit, now_ns)
    except DAMAGE:
        return Figures(limit, 0, 0, 0, 0, False)


def _read(file: MappedFile, account: Account, limit: PicoUsd, now_ns: int) -> Figures:
    words = Section(file.words)
    number = words.find_account(account.key)
    if number is None:
        budget = find_budget(words, account.budget)
        start = layout.BUDGETS.at(budget) if budget is not None else 0
        is_open = bool(
            budget is not None
            and words[start + layout.B_STATE] == OPEN
            and not words[start + layout.B_EVICTED]
            and not words[layout.H_STALE]
        )
        return Figures(limit, 0, 0, 0, 0, is_open)
    room = look(file, ACCOUNTS.at(number), now_ns)
    for _ in range(_TRIES):
        seen, room = room, look(file, ACCOUNTS.at(number), now_ns)
        if room.is_steady and room == seen:
            break
    return Figures(
        limit, room.recorded, room.settled, room.reserved, len(room.queue), room.is_open, room.beyond
    )
