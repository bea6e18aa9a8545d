"""A critical section that is done as a whole or not at all, at whatever store its process is killed.

What it changes is written down behind the header first, then counted, then stored, then the count is taken
back. Whoever takes the lock next and finds a count stores it all again: the values are absolute.
"""

from __future__ import annotations

from farebox.budgets.counters.file import layout
from farebox.budgets.counters.file.layout import BUCKET, BUCKETS, PENDING, PENDING_ENTRIES, Table
from farebox.budgets.counters.file.mapped_file import Words
from farebox.errors import CountersDamagedError


class NoRoomError(Exception):
    """A table is full and there is no room for more on the disk."""


class Section:
    """Changes that are stored together, by the holder of the lock."""

    __slots__ = ("_changes", "_words")

    def __init__(self, words: Words) -> None:
        self._words = words
        self._changes: dict[int, int] = {}

    def __getitem__(self, at: int, /) -> int:
        changes = self._changes
        return changes[at] if at in changes else self._words[at]

    def __setitem__(self, at: int, value: int, /) -> None:
        self._changes[at] = value

    def __len__(self) -> int:
        """How many words are changed and not stored yet."""
        return len(self._changes)

    def commit(self) -> None:
        """Store everything that was changed so far."""
        changes, self._changes = self._changes, {}
        if not changes:
            return
        if len(changes) > PENDING_ENTRIES:
            raise CountersDamagedError(f"{len(changes)} changes at once")
        words, at = self._words, PENDING
        for place, value in changes.items():
            words[at] = place
            words[at + 1] = value
            at += 2
        words[layout.H_PENDING] = len(changes)
        for place, value in changes.items():
            words[place] = value
        words[layout.H_PENDING] = 0

    def discard(self) -> None:
        """Forget what was changed and not stored."""
        self._changes.clear()

    def allocate(self, table: Table) -> int:
        """Return the number of a free record, all zeros.

        Raises:
            NoRoomError: There is none.
        """
        free = self[table.free]
        if free:
            number = free - 1
            self[table.free] = self[table.linked(free, self[table.used]) + table.record - 1]
        else:
            number = self[table.used]
            if not 0 <= number < self[table.allocated] <= table.most:
                raise NoRoomError(f"{number} records in use")
            self[table.used] = number + 1
        start = table.at(number)
        for at in range(start, start + table.record):
            if self[at]:
                self[at] = 0
        return number

    def release(self, table: Table, number: int) -> None:
        """Let a record be used anew."""
        start = table.at(number)
        for at in range(start, start + table.record - 1):
            if self[at]:
                self[at] = 0
        self[start + table.record - 1] = self[table.free]
        self[table.free] = number + 1

    def find_account(self, key: int) -> int | None:
        """Return the number of the account with that key."""
        link, steps, used = self[BUCKET + key % BUCKETS], 0, self[layout.ACCOUNTS.used]
        while link:
            start = layout.ACCOUNTS.linked(link, used)
            if self[start + layout.A_KEY] == key:
                return link - 1
            link = self[start + layout.A_NEXT]
            steps += 1
            if steps > used:
                raise CountersDamagedError("a chain of accounts has no end")
        return None

    def chain_account(self, number: int) -> None:
        """Let an account be found by its key."""
        start = layout.ACCOUNTS.at(number)
        head = BUCKET + self[start + layout.A_KEY] % BUCKETS
        self[start + layout.A_NEXT] = self[head]
        self[head] = number + 1

    def unchain_account(self, number: int) -> None:
        """Let an account not be found any more."""
        start = layout.ACCOUNTS.at(number)
        at = BUCKET + self[start + layout.A_KEY] % BUCKETS
        self._unlink(at, number, layout.ACCOUNTS, layout.A_NEXT)

    def unchain_holding(self, number: int) -> None:
        """Take a holding from its account's chain."""
        start = layout.HOLDINGS.at(number)
        account = layout.ACCOUNTS.linked(self[start + layout.G_ACCOUNT], self[layout.ACCOUNTS.used])
        self._unlink(account + layout.A_HOLDING, number, layout.HOLDINGS, layout.G_NEXT)

    def _unlink(self, at: int, number: int, table: Table, next_word: int) -> None:
        used = self[table.used]
        for _ in range(used + 1):
            link = self[at]
            if not link:
                return
            after = table.linked(link, used) + next_word
            if link == number + 1:
                self[at] = self[after]
                return
            at = after
        raise CountersDamagedError("a chain has no end")


def recover(words: Words) -> None:
    """Store again what the last holder of the lock had written down and may not have stored whole."""
    count = words[layout.H_PENDING]
    if not count:
        return
    if not 0 < count <= PENDING_ENTRIES:
        raise CountersDamagedError(f"{count} changes were left behind")
    entries = range(PENDING, PENDING + 2 * count, 2)
    if any(not 0 < words[at] < layout.FILE_WORDS for at in entries):
        raise CountersDamagedError("a change was left behind that is in no table")
    for at in entries:
        words[words[at]] = words[at + 1]
    words[layout.H_PENDING] = 0
