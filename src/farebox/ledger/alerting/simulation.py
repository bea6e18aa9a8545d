"""What alerts would have said of the calls that are in the record.

The same evaluation, with the record's own time for a clock: the latest moment that a call occurred at, minute
by minute. What was passed before the simulated span is known and not told. What no row says (wallets, prices,
programs that are not metered) cannot be simulated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import apsw

from farebox.budgets.periods import HOUR_NS
from farebox.ledger.alerting.judge import Judge
from farebox.ledger.alerting.row_groups import MINUTE_NS, Group
from farebox.ledger.alerting.running import Running
from farebox.ledger.alerting.series import Watched, watched
from farebox.ledger.alerting.states import States
from farebox.ledger.alerting.sums_file import SumsFile
from farebox.ledger.database import Connection, ledger_error, open_reader
from farebox.ledger.feed import Feed
from farebox.snapshot import read_snapshot

if TYPE_CHECKING:
    from farebox.alerts.alert import Alert, Kind
    from farebox.alerts.evaluation.transitions import Transition
    from farebox.alerts.event import AlertEvent
    from farebox.home import Home

_ROWS_AT_ONCE = 10_000
_UNBOUNDED = 1 << 30
Progress = Callable[[int, int], None]
"""Hears how many rows are read, and of how many; it may raise to end it."""

CANNOT_BE_SIMULATED: dict[Kind, str] = {
    "wallet": "the record holds calls, not what wallets held",
    "prices": "the record does not say when prices changed or were looked up",
    "missing": "what is missing from the record is counted as it is found",
    "unmetered": "calls past the meter leave nothing in the record",
}
"""Kinds of alerts that no row of the record says anything of, each with the reason."""


def simulate(
    home: Home,
    alerts: Sequence[Alert],
    since_ns: int,
    until_ns: int,
    progress: Progress = lambda done, of: None,
) -> list[AlertEvent]:
    """Return what alerts would have said in `[since_ns, until_ns)`, in the order of time.

    Raises:
        LedgerError: The record cannot be read.
    """
    connection = open_reader(home)
    if connection is None:
        return []
    budgets = {each.name: each for each in read_snapshot(home).budgets}
    rules = watched([each for each in alerts if each.kind not in CANNOT_BE_SIMULATED], budgets)
    try:
        with connection:  # one state of the record, however long it takes
            return _Simulation(connection, rules, since_ns, until_ns).run(progress)
    except apsw.Error as error:
        raise ledger_error(home, error) from error
    finally:
        connection.close()


class _Simulation:
    def __init__(
        self, connection: Connection, rules: Sequence[Watched], since_ns: int, until_ns: int
    ) -> None:
        self._feed = Feed(connection)
        self._running = Running(connection, self._feed, SumsFile(None))
        self._states = States()
        # The sums are made up to the newest row before the span; the rest is added minute by minute.
        self._last = self._running.seq = self._feed.last_seq()
        self._running.seq = self._running.row_before(since_ns)
        self._running.use(rules, since_ns)
        self._judge = Judge(rules, self._running, self._states, _UNBOUNDED, _UNBOUNDED)
        self._since_ns, self._now_ns, self._until_ns = since_ns, since_ns, until_ns
        self._written_ns = since_ns
        self._found: list[AlertEvent] = []

    def run(self, progress: Progress) -> list[AlertEvent]:
        running = self._running
        while running.is_opening:
            running.open(_ROWS_AT_ONCE, self._now_ns)
            if running.wants_write:
                running.write(self._now_ns)
            progress(0, self._last)
        self._judge_touched(is_told=False)
        while running.seq < self._last and self._now_ns < self._until_ns:
            upto = running.whole(min(running.seq + _ROWS_AT_ONCE, self._last), self._last)
            groups = sorted(running.read(upto), key=lambda each: each.minute_ns)
            for minute_ns, of_minute in groupby(groups, key=lambda each: each.minute_ns):
                if minute_ns >= self._until_ns:
                    break
                self._pass_time(minute_ns)
                self._take(list(of_minute))
            running.seq = upto
            progress(upto, self._last)
        self._pass_time(self._until_ns)
        return self._found

    def _take(self, groups: list[Group]) -> None:
        self._now_ns = max(self._now_ns, *(each.last_ns for each in groups))
        self._running.take(groups, self._now_ns)
        # A call can have begun before the span and be recorded in it.
        self._judge_touched(is_told=groups[-1].last_ns >= self._since_ns)

    def _pass_time(self, until_ns: int) -> None:
        """Let minute after minute pass: what that alone decides."""
        while self._now_ns + MINUTE_NS <= until_ns:
            self._now_ns += MINUTE_NS
            self._note(self._judge.tick(None, self._now_ns, self._running.seq), is_told=True)
            if self._now_ns - self._written_ns >= HOUR_NS:
                self._running.write(self._now_ns, drop_outdated=True)
                self._written_ns = self._now_ns

    def _judge_touched(self, *, is_told: bool) -> None:
        touched, self._running.touched = self._running.touched, {}
        changes, _ = self._judge.judge(touched, self._now_ns, self._running.seq)
        self._note(changes, is_told=is_told)

    def _note(self, changes: Sequence[Transition], *, is_told: bool) -> None:
        self._states.apply(changes)
        if is_told:
            self._found += [each.event for each in changes if each.event is not None and not each.is_quiet]
