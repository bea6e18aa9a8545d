"""The ledger's part: what is recorded is counted as recorded, once, and no longer as settled.

For each batch `prepare` writes the new values of all words down, with the row up to which they hold, before
the batch is committed to the record, and `apply` stores them after. Of whoever is killed in between,
`recover` finds out by the record whether they are to be stored. Only the ledger stores these words, so it
takes the lock to make and to free accounts, and not for every batch.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Generator, Iterable
from typing import NamedTuple

from farebox.budgets.counters.account import Account
from farebox.budgets.counters.file import layout
from farebox.budgets.counters.file.file_lock import is_held
from farebox.budgets.counters.file.layout import ACCOUNTS, BUDGETS, HOLDINGS, OPENING, PARTICIPANTS, RINGS
from farebox.budgets.counters.file.mapped_file import DAMAGE, MappedFile, Wrap
from farebox.budgets.counters.file.section import NoRoomError, Section
from farebox.budgets.counters.file.shared_file import SharedFile
from farebox.budgets.counters.file.tables import find_budget, find_or_make_budget
from farebox.budgets.counters.recorded.batch import Batch, Folded, Spent
from farebox.budgets.counters.recorded.opening import close_all, open_accounts
from farebox.budgets.counters.recorded.sweep import free_accounts, free_holding, free_holdings
from farebox.errors import CountersError
from farebox.home import Home

PATIENCE_S = 1.0
"""How long the ledger waits for the lock."""
_ORPHAN_S = 60.0
_BREATHE_EVERY = 20
"""Others may take the lock after so many records."""


class _LockLostError(CountersError):
    """Somebody else took it and keeps it, or the file is another one. What is left to do is done later."""


class ParticipantState(NamedTuple):
    """Somebody who lets calls pass, or did."""

    number: int
    writer: int
    """`writer_key` of its journal's writer id."""
    is_alive: bool


class LedgerCounters:
    """For the one ledger process of a home, and one thread of it."""

    def __init__(self, home: Home, *, wrap: Wrap | None = None) -> None:
        """Open or make the file.

        Raises:
            CountersNewerError: A newer Farebox wrote it.
            CountersError: It cannot be opened or made, or a process that stands still has its lock.
        """
        self._shared = SharedFile(home.budgets, wrap)
        self._definitions: frozenset[int] = frozenset()
        self._batch = Batch(self._shared, PATIENCE_S)
        self._has_lock = False
        self._breaths = 0

    @property
    def seq(self) -> int:
        """The row of the record up to which everything is counted; 0 of a new file."""
        return self._followed().words[layout.H_SEQ]

    @property
    def made_ns(self) -> int:
        """When the file was made: what was settled in it ended after that."""
        return self._followed().words[layout.H_MADE_NS]

    def definition_of(self, account: int) -> int | None:
        """Return the `definition_key` of the budget that the account with this key is of."""
        words = Section(self._shared.file.words)
        number = words.find_account(account)
        return None if number is None else words[ACCOUNTS.at(number) + layout.A_BUDGET]

    # -- for each batch --

    def recover(self, committed_seq: int) -> None:
        """At the start: finish the batch that the last ledger had prepared, if it is in the record.

        Rows behind `seq` are to be counted next. A record that ends before `seq` is another one (a backup
        that was restored): then all figures are to be made anew.
        """
        self._batch.recover(committed_seq)

    def prepare(self, seq: int, spent: Iterable[Spent], folded: Iterable[Folded]) -> bool:
        """Write down what holds once everything is counted up to row `seq` of the record. Never raises.

        False where that has to be tried again: a new account has to be made, and the lock is held by a
        process that stands still. More than can be written down makes all figures stale: calls wait until
        they are made from the record.
        """
        return self._batch.prepare(seq, spent, folded)

    def apply(self) -> None:
        """Store what was prepared: the record has it."""
        self._batch.apply()

    def forget(self) -> None:
        """Drop what was prepared: the batch did not come into the record."""
        self._batch.forget()

    def spoil(self) -> None:
        """Have all figures made from the record anew; until then hard calls wait."""
        self._batch.spoil()

    # -- what is to be made from the record --

    def define(self, definitions: Collection[int]) -> bool:
        """Say which budgets there are, by `definition_key`; False where the lock is not to be had.

        New ones are opening. Accounts of others are freed once nothing is in flight in them.
        """
        self._definitions = frozenset(definitions)
        with self._section() as section:
            if section is None:
                return False
            for number in range(section[BUDGETS.used]):
                key = section[BUDGETS.at(number) + layout.B_KEY]
                if key and key not in self._definitions:
                    section.release(BUDGETS, number)
            try:
                for key in sorted(self._definitions):
                    find_or_make_budget(section, key)
            except NoRoomError:
                section.discard()
                return False
            section.commit()
            return True
        return False

    def opening(self) -> set[int]:
        """Return the definitions of which accounts have to be made from the record, with `open_budget`."""
        file = self._followed()
        if file.words[layout.H_STALE]:
            with self._section() as section:
                if section is None:
                    return set()
                close_all(section, self._breathe)
        states = zip(file.column(BUDGETS, layout.B_KEY), file.column(BUDGETS, layout.B_STATE), strict=False)
        known = {key: state for key, state in states if key}
        if not self._definitions <= known.keys():  # the file is a new one
            self.define(self._definitions)
            return set(self._definitions)
        accounts = zip(
            file.column(ACCOUNTS, layout.A_BUDGET), file.column(ACCOUNTS, layout.A_STATE), strict=False
        )
        found = {budget for budget, state in accounts if state == OPENING and budget in known}
        return found | {key for key, state in known.items() if state == OPENING}

    def everybody_is_here(self) -> bool:
        """Tell whether all participants that run have what they hold in this file.

        False for a second after a file was replaced. Nothing is opened before.
        """
        here = set(self._shared.file.column(PARTICIPANTS, layout.P_NUMBER))
        return self._shared.living() <= here

    def open_budget(self, definition: int, spent: Iterable[Spent], seq: int) -> bool:
        """Set what is recorded in a budget's accounts: `spent` is all of it that counts now, as of row `seq`.

        Accounts that are not in it have nothing recorded. Only after everything that lay in the journals
        when `opening` named the budget is in the record. False where it has to be tried again: the lock is
        not to be had, not everybody is here, or `seq` is not the row of the last batch.
        """
        if not self.everybody_is_here():
            return False
        by_account: dict[Account, list[Spent]] = {}
        for entry in spent:
            by_account.setdefault(entry.account, []).append(entry)
        self._shared.make_room(ACCOUNTS, len(by_account) + 1, PATIENCE_S)
        if any(account.part_ns for account in by_account):
            self._shared.make_room(RINGS, len(by_account) + 1, PATIENCE_S)
        with self._section() as section:
            if section is None or section[layout.H_REDO] or section[layout.H_STALE]:
                return False
            budget = find_budget(section, definition)
            if budget is not None:
                section[layout.H_SEQ] = seq
                try:
                    open_accounts(section, budget, by_account, self._breathe)
                except NoRoomError:
                    section.discard()
                    return False
            return True
        return False

    # -- participants and what is no longer needed --

    def participants(self) -> list[ParticipantState]:
        """Return everybody in the file, the dead included."""
        file = self._followed()
        numbers = file.column(PARTICIPANTS, layout.P_NUMBER)
        writers = file.column(PARTICIPANTS, layout.P_WRITER)
        return [
            ParticipantState(number, writer, self._is_alive(number))
            for number, writer in zip(numbers, writers, strict=False)
            if number
        ]

    def remove(self, number: int) -> bool:
        """Let go of everything a dead participant held: its journal is in the record, whole.

        False where it is alive after all, or the lock is not to be had.
        """
        if self._is_alive(number):
            return False
        with self._section() as section:
            if section is None:
                return False
            file = self._shared.file
            numbers = list(file.column(PARTICIPANTS, layout.P_NUMBER))
            if number in numbers:
                place = numbers.index(number)
                owners = file.column(HOLDINGS, layout.G_PARTICIPANT)
                accounts = file.column(HOLDINGS, layout.G_ACCOUNT)
                for holding, (owner, account) in enumerate(zip(owners, accounts, strict=False)):
                    if owner == place + 1 and account:
                        free_holding(section, holding)
                        section[ACCOUNTS.at(account - 1) + layout.A_WAKE] = time.monotonic_ns()
                        section.commit()
                        self._breathe()
                section.release(PARTICIPANTS, place)
                section.commit()
            self._batch.forget_places()
            self._shared.life_lock(number).unlink(missing_ok=True)
            return True
        return False

    def make_room(self) -> None:
        """Have blocks on the disk before others need them, who would have to wait for it."""
        for table in (ACCOUNTS, HOLDINGS, RINGS):
            self._shared.make_room(table, table.step // 2, PATIENCE_S)

    def sweep(self, now_ns: int) -> None:
        """Free what nobody needs any more. Once a minute is enough; not between `prepare` and `apply`."""
        with self._section() as section:
            if section is None or section[layout.H_REDO]:
                return
            free_holdings(section, self._shared.file, self._breathe)
            free_accounts(section, self._shared.file, now_ns, self._breathe)
            self._batch.forget_places()
        self._remove_life_locks()

    def close(self) -> None:
        self._shared.close()

    # -- details --

    @contextlib.contextmanager
    def _section(self) -> Generator[Section | None]:
        """Take the lock for a while. What turns out to be damaged is replaced, and the rest left undone."""
        try:
            section = self._shared.enter(PATIENCE_S)
        except (CountersError, OSError):
            section = None
        if section is None:
            yield None
            return
        self._has_lock = True
        try:
            yield section
        except _LockLostError:
            pass
        except DAMAGE:
            with contextlib.suppress(CountersError):
                self._shared.replace()
            self._batch.forget_places()
        finally:
            if self._has_lock:
                self._shared.leave()
                self._has_lock = False

    def _breathe(self) -> None:
        """Let others have the lock for a moment, in the middle of something long that may stop there."""
        self._breaths += 1
        if self._breaths % _BREATHE_EVERY:
            return
        words = self._shared.file.words
        self._shared.leave()
        self._has_lock = False
        time.sleep(0)
        if self._shared.enter(PATIENCE_S) is None:
            raise _LockLostError
        self._has_lock = True
        if self._shared.file.words is not words:
            raise _LockLostError

    def _followed(self) -> MappedFile:
        with contextlib.suppress(CountersError, OSError):
            self._shared.follow(PATIENCE_S)
        return self._shared.file

    def _is_alive(self, number: int) -> bool:
        try:
            return is_held(self._shared.life_lock(number))
        except OSError:
            return True

    def _remove_life_locks(self) -> None:
        """Remove what is left of participants that were killed while they had no place in the file."""
        here = set(self._shared.file.column(PARTICIPANTS, layout.P_NUMBER))
        for path in self._shared.folder.glob("*.alive"):
            with contextlib.suppress(OSError, ValueError):
                is_old = time.time() - path.stat().st_mtime > _ORPHAN_S
                if is_old and int(path.stem, 16) not in here and not is_held(path):
                    path.unlink()
