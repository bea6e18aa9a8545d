"""Keep the counters of budgets at what the record says, beside the ledger process's own work.

Rows are counted after they are committed, from the record itself, so that a ledger that was killed goes on
where the counters stand. A new budget is made from the record piece by piece while calls go on being
appended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from farebox.budgets.budget import Budget
from farebox.budgets.counters import CountersError, LedgerCounters, definition_key
from farebox.budgets.counters.account import writer_key
from farebox.budgets.counters.recorded.batch import Folded, Spent
from farebox.budgets.periods import windows
from farebox.clock import now_ns
from farebox.journal.folders import stored_ends
from farebox.ledger.feed import Feed
from farebox.ledger.spending.budget_sums import BudgetSums, Sums
from farebox.ledger.spending.counted_rows import CountedRows

if TYPE_CHECKING:
    from farebox.home import Home
    from farebox.ledger.database import Connection
    from farebox.ledger.follow import Follower

_ROWS_AT_ONCE = 2_000
_REMEMBERED = 20_000
_LOOK_EVERY_S = 0.5
_SWEEP_EVERY_S = 60.0
_CLOCK_MAY_DIFFER_NS = 3_600 * 10**9
"""A call may be recorded by another clock than the one that says when it began."""
_FIRST_ROW = "SELECT first_seq FROM block WHERE recorded_at >= ? ORDER BY first_seq LIMIT 1"


class RecordedSpending:
    """For the one process that writes the record of a home."""

    def __init__(
        self,
        home: Home,
        connection: Connection,
        follower: Follower,
        budgets: Callable[[], tuple[Budget, ...]],
        *,
        others_reach_us: bool,
    ) -> None:
        """`budgets` returns those in force; `others_reach_us`: a proxy of this home serves other machines."""
        self._home = home
        self._connection = connection
        self._follower = follower
        self._budgets_in_force = budgets
        self._others_reach_us = others_reach_us
        self._feed = Feed(connection)
        self._rows = CountedRows(connection)
        self._budgets: tuple[Budget, ...] = ()
        self._sums = BudgetSums((), others_reach_us=others_reach_us)
        self._counters: LedgerCounters | None = None
        self._opening: _Opening | None = None
        self._is_defined = True
        self._charged: dict[int, bool] = {}
        self._look_at = self._sweep_at = 0.0
        self.trouble: str | None = None
        """Why budgets are not counted; None while they are."""

    def step(self, *, is_idle: bool) -> bool:
        """Count what is new; return whether there is more to do at once. `trouble` says what went wrong.

        `is_idle`: just now there was nothing in the journals that is not in the record.
        """
        try:
            return self._step(is_idle)
        except (CountersError, OSError) as error:
            self.trouble = str(error)
            return False

    def open_all(self) -> None:
        """Go on until every budget's figures are made, for a command that ends then.

        What is in the journals is in the record already.
        """
        self._look_at = 0.0
        while self.step(is_idle=True):
            pass

    def close(self) -> None:
        if self._counters is not None:
            self._counters.close()
            self._counters = None

    # -- steps --

    def _step(self, is_idle: bool) -> bool:
        now = time.monotonic()
        is_time = now >= self._look_at
        if is_time:
            self._look_at = now + _LOOK_EVERY_S
            self._use(self._budgets_in_force())
        counters = self._counters
        if counters is None:
            return False
        if self._count(counters):
            if is_time:
                self._look_at = now  # the rest of it is for when everything is counted
            return True
        if is_time:
            self._look_for_opening(counters)
            self._let_go_of_the_dead(counters)
            counters.make_room()
            if now >= self._sweep_at:
                self._sweep_at = now + _SWEEP_EVERY_S
                counters.sweep(now_ns())
        self.trouble = None
        return self._open(counters, is_idle)

    def _use(self, budgets: tuple[Budget, ...]) -> None:
        if budgets != self._budgets or (budgets and self._counters is None):
            if self._counters is None:
                if not budgets:
                    return
                self._counters = LedgerCounters(self._home)
                self._counters.recover(self._feed.last_seq())
            self._budgets, self._is_defined, self._opening = budgets, False, None
            self._charged.clear()
            self._sums = BudgetSums(budgets, others_reach_us=self._others_reach_us)
        if self._counters is not None and not self._is_defined:
            self._is_defined = self._counters.define([definition_key(each) for each in budgets])

    def _count(self, counters: LedgerCounters) -> bool:
        """Count the next rows of the record; return whether there were any."""
        if not counters.seq and counters.opening() >= {definition_key(each) for each in self._budgets}:
            # A new file: everything is made from the record. Only what was settled in it is to be folded.
            row = self._row_before(counters.made_ns)
            if row:
                counters.prepare(row, (), ())
                counters.apply()
        batch = self._feed.after(counters.seq, _ROWS_AT_ONCE)
        if not batch.rows:
            return False
        rows = list(self._rows.of(batch, with_held=True))
        sums: Sums = {}
        self._sums.add(sums, batch, rows, now_ns())
        folded = [
            Folded(held.holder, account, held.charge_pico if self._is_charged(account) else held.cost_pico)
            for row in rows
            if (held := row.held) is not None
            for account in held.accounts
        ]
        if not counters.prepare(batch.last_seq, _spent(sums), folded):
            return False
        counters.apply()
        return True

    def _is_charged(self, account: int) -> bool:
        """Tell whether an account counts what customers are charged."""
        known = self._charged.get(account)
        if known is None:
            if len(self._charged) >= _REMEMBERED or self._counters is None:
                self._charged.clear()
            definition = None if self._counters is None else self._counters.definition_of(account)
            known = any(
                each.measure == "price" and definition_key(each) == definition for each in self._budgets
            )
            self._charged[account] = known
        return known

    def _look_for_opening(self, counters: LedgerCounters) -> None:
        wanted = counters.opening()
        if not wanted:
            self._opening = None
        elif self._opening is None or not wanted <= self._opening.definitions:
            budgets = [each for each in self._budgets if definition_key(each) in wanted]
            start = min((windows(each, now_ns())[0].start_ns for each in budgets), default=0)
            self._opening = _Opening(
                {definition_key(each) for each in budgets},
                BudgetSums(budgets, others_reach_us=self._others_reach_us),
                self._row_before(start),
                stored_ends(self._home.journal),
            )

    def _row_before(self, start_ns: int) -> int:
        """Return a row behind which all are that occurred from a moment on."""
        if start_ns <= 0:
            return 0
        row = self._connection.execute(_FIRST_ROW, (start_ns - _CLOCK_MAY_DIFFER_NS,)).fetchone()
        return row[0] - 1 if row else self._feed.last_seq()

    def _open(self, counters: LedgerCounters, is_idle: bool) -> bool:
        """Read the next rows for budgets that are being made; return whether there are more."""
        opening = self._opening
        if opening is None:
            return False
        if opening.seq < counters.seq:
            batch = self._feed.after(opening.seq, min(_ROWS_AT_ONCE, counters.seq - opening.seq))
            opening.sums.add(opening.found, batch, self._rows.of(batch, with_held=False), now_ns())
            opening.seq = batch.last_seq or counters.seq
            return True
        if not is_idle and self._follower.is_behind(opening.ends):
            return False
        for definition in sorted(opening.definitions):
            found = {
                spent: amount for spent, amount in opening.found.items() if spent.account.budget == definition
            }
            if not counters.open_budget(definition, _spent(found), counters.seq):
                return False
            opening.definitions.discard(definition)
        self._opening = None
        return False

    def _let_go_of_the_dead(self, counters: LedgerCounters) -> None:
        """Remove participants that are dead and whose journals are in the record, whole."""
        dead = [each for each in counters.participants() if not each.is_alive]
        if not dead or counters.seq != self._feed.last_seq():
            return
        journals = {writer_key(path.name) for path in self._home.journal.iterdir()}
        for participant in dead:
            if participant.writer not in journals:
                counters.remove(participant.number)


class _Opening:
    """Budgets whose figures are being made from the record, and how far that is."""

    def __init__(
        self, definitions: set[int], sums: BudgetSums, seq: int, ends: dict[str, tuple[int, int]]
    ) -> None:
        self.definitions = definitions
        self.sums = sums
        self.seq = seq
        self.ends = ends
        """What the journals held when it began: all of it has to be in the record first."""
        self.found: Sums = {}


def _spent(sums: Sums) -> Iterable[Spent]:
    return [
        Spent(spending.account, spending.part * spending.account.part_ns or spending.account.start_ns, amount)
        for spending, amount in sums.items()
    ]
