"""How much of an account is left, and who waits for it: a look at the words of all its holdings.

Owners and the ledger store without the lock, so the order of reading counts. What is recorded is read last:
whoever reads in the middle of a change sees an amount twice and never not at all.
"""

from __future__ import annotations

from typing import NamedTuple

from farebox.budgets.counters.file import layout
from farebox.budgets.counters.file.layout import HOLDINGS, OPEN, RING_PARTS, RINGS
from farebox.budgets.counters.file.mapped_file import MappedFile
from farebox.errors import CountersDamagedError
from farebox.money import PicoUsd


class Room(NamedTuple):
    """What is taken of one account at one moment."""

    recorded: PicoUsd
    """What the record says is spent."""
    settled: PicoUsd
    """Spent, and not yet in what is recorded."""
    reserved: PicoUsd
    """Held for calls in flight."""
    leased: PicoUsd
    """Held by processes other than `own` for calls that may come; whoever needs it takes it back."""
    queue: list[tuple[int, int]]
    """Tickets of processes other than `own` that have a call waiting here, with the holding's number."""
    leases: list[int]
    """Holdings of others that have something leased."""
    is_open: bool
    """Whether the figures are whole."""
    is_steady: bool
    """Whether the ledger was not in the middle of a change, which shows amounts twice."""
    beyond: PicoUsd = 0
    """What calls in flight can cost beyond what is held for them."""

    def left(self, limit: PicoUsd) -> PicoUsd:
        """Return what a call may still reserve; leases are taken back for it."""
        return limit - self.recorded - self.settled - self.reserved

    def left_if_all_is_free(self, limit: PicoUsd) -> PicoUsd:
        """Return what a call could reserve if everything in flight turned out to cost nothing."""
        return limit - self.recorded - self.settled


def look(file: MappedFile, account: int, now_ns: int, own: int = -1) -> Room:
    """Return the room in the account whose first word is `account`; `own` is the holding of who asks."""
    words, numbers = file.words, file.numbers
    folding = words[layout.H_FOLDING]
    settled_sum = reserved_sum = leased_sum = beyond_sum = 0
    queue: list[tuple[int, int]] = []
    leases: list[int] = []
    link, steps, used = words[account + layout.A_HOLDING], 0, words[HOLDINGS.used]
    while link:
        start = HOLDINGS.linked(link, used)
        _, _, granted, taken, settled, folded, ticket, after, _, beyond = numbers(start, 10)
        beyond_sum += beyond
        spent = settled if settled > folded else folded
        taken = taken if taken > spent else spent
        settled_sum += spent - folded
        reserved_sum += taken - spent
        if link - 1 != own:
            if granted > taken:
                leased_sum += granted - taken
            if granted:
                leases.append(link - 1)
            if ticket:
                queue.append((ticket, link - 1))
        link = after
        steps += 1
        if steps > used:
            raise CountersDamagedError("a chain of holdings has no end")
    recorded = recorded_in(file, account, now_ns)
    is_open = words[account + layout.A_STATE] == OPEN and not words[layout.H_STALE]
    is_steady = not folding & 1 and words[layout.H_FOLDING] == folding
    return Room(
        recorded, settled_sum, reserved_sum, leased_sum, queue, leases, is_open, is_steady, beyond_sum
    )


def recorded_in(file: MappedFile, account: int, now_ns: int) -> PicoUsd:
    """Return what the record says is spent; of a rolling window, in the parts that it still reaches."""
    part = file.words[account + layout.A_PART_NS]
    if not part:
        return file.words[account + layout.A_RECORDED]
    oldest = (now_ns - file.words[account + layout.A_ROLLING_NS]) // part
    start = RINGS.linked(file.words[account + layout.A_RING], file.words[RINGS.used])
    ring = file.numbers(start, 2 * RING_PARTS)
    return sum(ring[at + 1] for at in range(0, 2 * RING_PARTS, 2) if ring[at] >= oldest)


def somebody_waits(file: MappedFile, account: int) -> bool:
    """Tell whether anybody waits at an account; a look without the lock."""
    link, steps = file.words[account + layout.A_HOLDING], 0
    used = file.words[HOLDINGS.used]
    while 0 < link <= used and steps <= used:
        start = HOLDINGS.at(link - 1)
        if file.words[start + layout.G_TICKET]:
            return True
        link = file.words[start + layout.G_NEXT]
        steps += 1
    return False
