"""What a budget would have blocked of the calls that are in the record.

Calls are taken in the order they began. Each passes where what passed before it in its window and what it
cost fit the limit together; else it is blocked and costs nothing. Calls before the simulated span count as
spent in the windows that reach into it. The record is read in pieces, so that whoever asks can show how far
it is, and end it.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import apsw

from farebox.budgets.budget import Budget, BudgetSet
from farebox.budgets.matching import Matcher, attributes, without_stated_customer
from farebox.budgets.periods import SECOND_NS, Windows, rolling_part_ns, window
from farebox.home import Home
from farebox.ledger.database import Connection, ledger_error, open_reader
from farebox.ledger.feed import CLASS_COLUMNS, Attribution, Batch, Feed
from farebox.ledger.spending.counted_rows import CountedRow, CountedRows
from farebox.money import PicoUsd

PIECE_ROWS = 10_000
_CLOCKS_DIFFER_NS = 3600 * SECOND_NS
"""A call of another machine can have begun so long after it was recorded, by that machine's clock."""
_CALLERS_REMEMBERED = 50_000
_PROVIDER, _MODEL, _REQUEST_MODEL, _KEY, _COST_STATE = (
    CLASS_COLUMNS.index(name)
    for name in ("provider", "model", "request_model", "key_fingerprint", "cost_state")
)
_WHOM = ("customer", "user", "agent", "app")
"""Who a blocked call is said to be of, besides the value of `each`."""


class Caller(NamedTuple):
    """Whose call it is, as far as it matters here."""

    value: str | None
    """Of `each`."""
    whom: tuple[tuple[str, str], ...]
    """Dimension and value: `(("customer", "acme"), ("app", "bot.py"))`."""
    blocked_anyway: bool
    """It has no price, and the budget blocks such calls."""
    unpriced: bool


class BlockedWindow(NamedTuple):
    """One window in which calls would have been blocked."""

    value: str | None
    start_ns: int
    """When the window begins; of a rolling one and of one for ever, when the first call was blocked."""
    first_ns: int
    last_ns: int
    calls: int
    saved_pico: PicoUsd
    passed_pico: PicoUsd
    """What would have been spent in it all the same, up to the last call that was blocked."""


class Outcome(NamedTuple):
    """What a budget would have done."""

    calls: int
    """That the budget is for."""
    spent_pico: PicoUsd
    """What they cost."""
    blocked: int
    saved_pico: PicoUsd
    unpriced: int
    """Calls among them whose cost is not known: they count for what is known, or the most it can be."""
    windows: list[BlockedWindow]
    """In the order of time."""
    whom: list[tuple[tuple[tuple[str, str], ...], int, PicoUsd]]
    """Of whom calls would have been blocked, how many, and what they cost: most first."""


NOTHING = Outcome(0, 0, 0, 0, 0, [], [])


def simulate(
    home: Home,
    budget: Budget,
    since_ns: int,
    until_ns: int,
    *,
    stated_customers: bool = True,
    told: Callable[[Simulation], None] = lambda _: None,
) -> Outcome:
    """Return what a budget would have blocked from `since_ns` on; `told` hears how far it is, and may raise.

    Raises:
        LedgerError: The record cannot be read.
    """
    connection = open_reader(home)
    if connection is None:
        return NOTHING
    try:
        found = Simulation(connection, budget, since_ns, until_ns, stated_customers=stated_customers)
        return found.run(told)
    except apsw.Error as error:
        raise ledger_error(home, error) from error
    finally:
        connection.close()


class Simulation:
    """One budget against one span of the record. For one thread."""

    def __init__(
        self,
        connection: Connection,
        budget: Budget,
        since_ns: int,
        until_ns: int,
        *,
        stated_customers: bool = True,
    ) -> None:
        """`stated_customers`: whether a customer counts that only the request itself states."""
        self._connection = connection
        self._budget = budget
        self._since_ns, self._until_ns = since_ns, until_ns
        self._from_ns = window(budget, since_ns).start_ns
        self._stated_customers = stated_customers
        self._matcher = Matcher(BudgetSet(budgets=(budget,)))
        self._rows = CountedRows(connection)
        self._feed = Feed(connection)
        self._callers: dict[tuple[int, int], int | None] = {}
        self._known_callers: dict[Caller, int] = {}
        self._numbered: list[Caller] = []
        self._begun, self._seqs, self._amounts, self._whose = (array("q") for _ in range(4))
        (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM call").fetchone()
        self.last_seq: int = last
        """The newest row that it covers."""
        self.seq = self._first_seq() - 1
        """The row up to which it has read."""
        self.first_seq = self.seq

    @property
    def is_read(self) -> bool:
        """Whether there is nothing more to read."""
        return self.seq >= self.last_seq

    def step(self) -> None:
        """Read the next piece of the record."""
        with self._connection:
            batch = self._feed.after(self.seq, min(PIECE_ROWS, self.last_seq - self.seq))
            upto = batch.last_seq or self.last_seq
            taken_back = self._taken_back(self.seq, upto)
            for row in self._rows.of(batch, with_held=False):
                if row.seq not in taken_back and self._from_ns <= row.occurred_at_ns < self._until_ns:
                    self._take(row, batch)
        self.seq = upto

    def run(self, told: Callable[[Simulation], None] = lambda _: None) -> Outcome:
        """Read all of it, telling after each piece how far it is, and return what would have been."""
        while not self.is_read:
            self.step()
            told(self)
        return self.outcome()

    def outcome(self) -> Outcome:
        """Return what would have been blocked, once all is read."""
        order = sorted(range(len(self._begun)), key=lambda at: (self._begun[at], self._seqs[at]))
        rule = _rule(self._budget)
        blocked = _Blocked()
        calls = spent = unpriced = 0
        for at in order:
            begun, amount, caller = self._begun[at], self._amounts[at], self._numbered[self._whose[at]]
            simulated = begun >= self._since_ns
            fits = rule.fits(caller.value, begun, amount) and not caller.blocked_anyway
            if fits or not simulated:
                rule.spend(caller.value, begun, amount)
            if not simulated:
                continue
            calls, spent, unpriced = calls + 1, spent + amount, unpriced + caller.unpriced
            if not fits:
                blocked.add(caller, begun, amount, rule)
        return Outcome(
            calls, spent, blocked.calls, blocked.saved_pico, unpriced, blocked.windows(), blocked.whom()
        )

    def _take(self, row: CountedRow, batch: Batch) -> None:
        key = row.call_class, row.attribution
        number = self._callers.get(key, -1)
        if number == -1:
            if len(self._callers) >= _CALLERS_REMEMBERED:
                self._callers.clear()
            number = self._callers[key] = self._caller(
                batch.classes[row.call_class], batch.attributions[row.attribution]
            )
        if number is None:
            return
        self._begun.append(row.occurred_at_ns)
        self._seqs.append(row.seq)
        self._amounts.append(row.charge_pico if self._budget.measure == "price" else row.cost_pico)
        self._whose.append(number)

    def _caller(self, said: Sequence[Any], whose: Attribution) -> int | None:
        """Return the number of who makes such calls, None where the budget is not for them."""
        call = attributes(
            whose.fields,
            whose.proven,
            provider=said[_PROVIDER],
            request_model=said[_REQUEST_MODEL],
            response_model=said[_MODEL],
            key_fingerprint=said[_KEY],
        )
        if not self._stated_customers:
            call = without_stated_customer(call, whose.proven)
        matches = self._matcher.judge(call).budgets
        if not matches:
            return None
        unpriced = said[_COST_STATE] in ("unpriced", "unknown")
        caller = Caller(
            matches[0].value, _whom(call), unpriced and self._budget.unpriced == "block", unpriced
        )
        number = self._known_callers.setdefault(caller, len(self._numbered))
        if number == len(self._numbered):
            self._numbered.append(caller)
        return number

    def _taken_back(self, after: int, upto: int) -> set[int]:
        """Return the rows of a piece that do not count: reversals, and what they take back at any time."""
        reversals = self._connection.execute(
            "SELECT seq FROM call WHERE seq > ? AND seq <= ? AND reverses IS NOT NULL", (after, upto)
        )
        reversed_rows = self._connection.execute(
            "SELECT reverses FROM call WHERE reverses > ? AND reverses <= ? AND seq <= ?",
            (after, upto, self.last_seq),
        )
        return {row[0] for row in (*reversals, *reversed_rows)}

    def _first_seq(self) -> int:
        """Return a row before which no call can have begun in the span: rows are recorded afterwards."""
        low, high = 1, self.last_seq + 1
        earliest = self._from_ns - _CLOCKS_DIFFER_NS
        while low < high:
            middle = (low + high) // 2
            found = self._connection.execute(
                "SELECT recorded_at FROM block WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1",
                (middle,),
            ).fetchone()
            if found is None or found[0] >= earliest:
                high = middle
            else:
                low = middle + 1
        return low


class _Windowed:
    """What passed in each window of a clock, by value of `each`."""

    def __init__(self, budget: Budget) -> None:
        self._limit = budget.limit_pico
        self._windows = Windows(budget)
        self._spent: dict[str | None, tuple[int, PicoUsd]] = {}

    def fits(self, value: str | None, at_ns: int, amount: PicoUsd) -> bool:
        return self.spent(value, at_ns) + amount <= self._limit

    def spend(self, value: str | None, at_ns: int, amount: PicoUsd) -> None:
        self._spent[value] = self.start(at_ns), self.spent(value, at_ns) + amount

    def spent(self, value: str | None, at_ns: int) -> PicoUsd:
        start, spent = self._spent.get(value, (-1, 0))
        return spent if start == self.start(at_ns) else 0

    def start(self, at_ns: int) -> int:
        return self._windows.at(at_ns)[0].start_ns


class _Rolling:
    """What passed in the parts of a rolling window, by value of `each`."""

    def __init__(self, budget: Budget) -> None:
        self._limit = budget.limit_pico
        self._part_ns = rolling_part_ns(budget.period.rolling_s)
        self._back_ns = budget.period.rolling_s * SECOND_NS
        self._parts: dict[str | None, deque[list[int]]] = {}
        """Number of the part and what passed in it, oldest first."""
        self._sums: Counter[str | None] = Counter()

    def fits(self, value: str | None, at_ns: int, amount: PicoUsd) -> bool:
        return self.spent(value, at_ns) + amount <= self._limit

    def spend(self, value: str | None, at_ns: int, amount: PicoUsd) -> None:
        parts = self._parts.setdefault(value, deque())
        number = at_ns // self._part_ns
        if parts and parts[-1][0] == number:
            parts[-1][1] += amount
        else:
            parts.append([number, amount])
        self._sums[value] += amount

    def spent(self, value: str | None, at_ns: int) -> PicoUsd:
        parts = self._parts.get(value)
        oldest = (at_ns - self._back_ns) // self._part_ns
        while parts and parts[0][0] < oldest:
            self._sums[value] -= parts.popleft()[1]
        return self._sums[value]

    def start(self, at_ns: int) -> int:
        """Return the day: a rolling window has no beginning of its own to sort by."""
        return at_ns // (86_400 * SECOND_NS) * 86_400 * SECOND_NS


_Rule = _Windowed | _Rolling


def _rule(budget: Budget) -> _Rule:
    return _Rolling(budget) if budget.period.kind == "rolling" else _Windowed(budget)


class _Blocked:
    """Blocked calls, added up."""

    def __init__(self) -> None:
        self.calls = 0
        self.saved_pico = 0
        self._windows: dict[tuple[str | None, int], BlockedWindow] = {}
        self._whom: dict[tuple[tuple[str, str], ...], tuple[int, PicoUsd]] = {}

    def add(self, caller: Caller, at_ns: int, amount: PicoUsd, rule: _Rule) -> None:
        self.calls += 1
        self.saved_pico += amount
        start = rule.start(at_ns)
        key = caller.value, start
        before = self._windows.get(key) or BlockedWindow(caller.value, start, at_ns, at_ns, 0, 0, 0)
        self._windows[key] = before._replace(
            last_ns=at_ns,
            calls=before.calls + 1,
            saved_pico=before.saved_pico + amount,
            passed_pico=rule.spent(caller.value, at_ns),
        )
        calls, cost = self._whom.get(caller.whom, (0, 0))
        self._whom[caller.whom] = calls + 1, cost + amount

    def windows(self) -> list[BlockedWindow]:
        return sorted(self._windows.values(), key=lambda each: (each.first_ns, each.value or ""))

    def whom(self) -> list[tuple[tuple[tuple[str, str], ...], int, PicoUsd]]:
        found = [(whom, calls, cost) for whom, (calls, cost) in self._whom.items()]
        return sorted(found, key=lambda each: (-each[2], -each[1], each[0]))


def _whom(call: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name in _WHOM if (value := call.get(name)))
