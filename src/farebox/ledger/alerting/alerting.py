"""Evaluate alerts beside the ledger process's own work.

Rows are looked at after they are committed, from the record itself, so that a ledger that was killed goes on
where the sums stand. What is news is committed to `control.db` in one transaction: states, events, messages,
and the row up to which this is so. Sums are written to their file only where everything they say has been
told, so whatever a crash takes away is found again.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import apsw
import msgspec

from farebox.alerts import state_sql
from farebox.alerts.evaluation.transitions import id_key
from farebox.alerts.notification import flush, notify, tell_again
from farebox.clock import now_ns
from farebox.control.outbox.enqueue_sql import writing
from farebox.errors import ControlError, StateDirectoryError
from farebox.ledger.alerting.facts import Facts
from farebox.ledger.alerting.horizon import Horizon
from farebox.ledger.alerting.judge import Judge
from farebox.ledger.alerting.missing import missing_of_the_day
from farebox.ledger.alerting.running import Running
from farebox.ledger.alerting.series import Watched, watched
from farebox.ledger.alerting.states import States
from farebox.ledger.alerting.sums_file import FILE, SumsFile
from farebox.ledger.feed import Feed

if TYPE_CHECKING:
    from farebox.alerts.alert import Alert, Snooze
    from farebox.alerts.evaluation.transitions import Transition
    from farebox.alerts.event import AlertEvent
    from farebox.budgets.budget import Budget
    from farebox.home import Home
    from farebox.ledger.database import Connection

_ROWS_AT_ONCE = 4_000
"""It bounds memory: some hundred bytes for each group of them."""
_OPENING_ROWS = 5_000
_LOOK_EVERY_S = 0.5
_JUDGE_EVERY_S = 0.25
_JUDGE_BEHIND_EVERY_S = 1.0
"""While rows come faster than anybody calls, so that appending them goes on."""
_FACTS_EVERY_S = 1.0
_TICK_EVERY_S = 60.0
_TRY_AGAIN_S = 1.0
_PRUNE_EVERY_S = 3_600.0
_BUSY_MS = 1_000
"""Calls are not appended while `control.db` is waited for: it is tried again instead."""
_SLEPT_NS = 30 * 10**9
_VALUES_REMEMBERED = 500
_DAY_NS = 86_400 * 10**9
log = logging.getLogger("farebox.ledger")


class Rules:
    """The alerts in force, and what they refer to."""

    def __init__(
        self,
        alerts: Sequence[Alert] = (),
        budgets: Sequence[Budget] = (),
        snoozes: Sequence[Snooze] = (),
    ) -> None:
        self.alerts = tuple(alerts)
        self.budgets = tuple(budgets)
        self.snoozes = tuple(snoozes)


class Alerting:
    """For the one process that writes the record of a home."""

    def __init__(
        self,
        home: Home,
        connection: Connection,
        rules: Callable[[], Rules],
        facts: Callable[[frozenset[str]], Facts] = lambda _: Facts(),
        *,
        others_reach_us: bool = False,
        clock: Callable[[], int] = now_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`rules` returns those in force; `facts` what no row says, as far as kinds of alerts need it."""
        self._home = home
        self._connection = connection
        self._rules_in_force = rules
        self._facts_now = facts
        self._others_reach_us = others_reach_us
        self._clock = clock
        self._monotonic = monotonic
        self._feed = Feed(connection, _VALUES_REMEMBERED)
        self._horizon = Horizon()
        self._rules = Rules()
        self._watched: list[Watched] = []
        self._kinds: frozenset[str] = frozenset()
        self._running: Running | None = None
        self._file: SumsFile | None = None
        self._states = States()
        self._judge: Judge
        self._waits = False
        """Whether rows wait to be added."""
        self._evaluated = 0
        """The row that was evaluated before this process began."""
        self._erasure = 0
        self._facts: Facts | None = None
        self._awake_ns = 0
        self._ahead_ns: int | None = None
        self._retry_at = self._judged_at = -math.inf
        self._look_at = self._judge_at = self._facts_at = self._tick_at = self._prune_at = self._drop_at = 0.0
        self._flush_at_ns: int | None = 0
        self._snoozed: frozenset[Snooze] | None = None
        """The snoozes in force when last was told what still fires after one; None before."""
        self.trouble: str | None = None
        """Why alerts are not evaluated; None while they are."""

    def step(self, *, is_idle: bool) -> bool:
        """Evaluate what is new; return whether there is more to do at once. `trouble` says what went wrong.

        `is_idle`: just now there was nothing in the journals that is not in the record.
        """
        now = self._monotonic()
        try:
            more = self._step(now, is_idle)
        except apsw.Error as error:
            self._tell(f"the sums of alerts are made anew: {error}")
            self._begin_anew()
            return False
        except (ControlError, StateDirectoryError, OSError) as error:
            self._tell(str(error))
            self._retry_at = now + _TRY_AGAIN_S
            self._look_at = max(self._look_at, now + _TRY_AGAIN_S)
            return False
        self.trouble = None
        return more

    def due_in_s(self) -> float:
        """Return after which time there is something to do even where no call comes."""
        if self._running is None or not (self._running.touched or self._waits):
            return _LOOK_EVERY_S
        return max(self._judge_at - self._monotonic(), 0.0)

    def close(self) -> None:
        """Tell what is left to tell, and write the sums, where everything they say was told."""
        self._retry_at = self._judged_at = -math.inf
        self.step(is_idle=False)
        if self._running is not None and not self._running.touched:
            try:
                self._write(self._clock())
            except apsw.Error as error:
                log.warning("the sums of alerts are not written: %s", error)
        if self._file is not None:
            self._file.close()
        self._file = self._running = None

    # -- steps --

    def _step(self, now: float, is_idle: bool) -> bool:
        if now >= self._look_at:
            self._look_at = now + _LOOK_EVERY_S
            self._look()
        running = self._running
        if running is None:
            return False
        pause = _JUDGE_EVERY_S if is_idle else _JUDGE_BEHIND_EVERY_S
        self._judge_at = max(self._judged_at + pause, self._retry_at)
        moment = self._clock()
        self._note_sleep(moment, now)
        needed_ns = self._horizon.at(moment, now)
        more = self._add(running, now, needed_ns)
        # Where sums are older than what was told last, they say nothing yet.
        if now >= self._judge_at and running.seq >= self._evaluated:
            self._judge_all(running, now, moment, needed_ns, is_idle=is_idle, is_behind=more)
        return self._open(running, needed_ns) or more

    def _note_sleep(self, moment: int, now: float) -> None:
        """Note when the machine slept: its clock went on, and what counts the time it runs did not."""
        ahead_ns = moment - int(now * 10**9)
        if self._ahead_ns is not None and ahead_ns - self._ahead_ns > _SLEPT_NS:
            self._judge.awake_ns = self._awake_ns = moment
        self._ahead_ns = ahead_ns

    def _look(self) -> None:
        rules = self._rules_in_force()
        erasure = self._feed.last_erasure()
        if self._running is not None and erasure != self._erasure:
            self._begin_anew()
        if self._running is not None and (rules.alerts, rules.budgets) == (
            self._rules.alerts,
            self._rules.budgets,
        ):
            self._rules = rules
            return
        if not rules.alerts and self._running is None:
            return
        self._use(rules, erasure)

    def _use(self, rules: Rules, erasure: int) -> None:
        found = watched(
            rules.alerts,
            {each.name: each for each in rules.budgets},
            others_reach_us=self._others_reach_us,
            id_key=id_key(self._home.secret()),
        )
        moment = self._clock()
        with writing(self._home, _BUSY_MS) as control:
            stored, evaluated = state_sql.load(control, {each.rule.alert.name: each.rule for each in found})
        last_seq = self._feed.last_seq()
        if self._running is None:  # of a record that was restored nothing later is known
            self._evaluated = min(evaluated, last_seq)
        running = self._running or self._begin(last_seq, erasure)
        before = {each.rule.alert.name: each.rule for each in self._watched}
        changed = {
            each.series[0]
            for each in found
            if each.series and before.get(each.rule.alert.name, each.rule) != each.rule
        }
        running.use(found, moment, changed)
        self._states = States(stored)
        self._judge = Judge(found, running, self._states, awake_ns=self._awake_ns)
        self._rules, self._watched = rules, found
        self._kinds = frozenset(each.rule.alert.kind for each in found)
        self._facts = None
        self._facts_at = self._tick_at = 0.0

    def _begin(self, last_seq: int, erasure: int) -> Running:
        """Open the file of sums, or begin a new one at the newest row."""
        file = SumsFile(self._home.path / FILE)
        seq, event_id, known_erasure = file.position()
        # Of an empty record no event tells that it is this one, and none is needed.
        is_of_it = event_id == self._feed.event_id(seq) if seq else bool(file.series())
        is_ours = is_of_it and seq <= last_seq and known_erasure == erasure
        if not is_ours:
            file.close()
            file.remove()
            file = SumsFile(self._home.path / FILE)
        self._file, self._erasure = file, erasure
        self._running = Running(self._connection, self._feed, file)
        if not is_ours:
            self._running.seq = last_seq
            self._running.write(self._clock(), erasure)
        return self._running

    def _begin_anew(self) -> None:
        """Forget the sums: they are made of the record."""
        if self._file is not None:
            self._file.close()
            self._file.remove()
        self._feed = Feed(self._connection, _VALUES_REMEMBERED)
        self._file = self._running = None
        self._rules = Rules()
        self._look_at = 0.0

    def _add(self, running: Running, now: float, needed_ns: int) -> bool:
        """Add the next rows of the record; return whether there are more to be added at once.

        Rows that come between one judgement and the next are added together: alike ones cost little more
        than one.
        """
        last_seq = self._feed.last_seq()
        waiting = last_seq - running.seq
        self._waits = waiting > 0 and now < self._judge_at and waiting < _ROWS_AT_ONCE
        if waiting <= 0 or self._waits:
            return False
        upto = last_seq
        if last_seq - running.seq > 2 * _ROWS_AT_ONCE:
            upto = running.whole(running.seq + _ROWS_AT_ONCE, last_seq)
        running.add(upto, needed_ns)
        return upto < last_seq

    def _open(self, running: Running, needed_ns: int) -> bool:
        if not running.is_opening:
            return False
        trails = running.open(_OPENING_ROWS, needed_ns)
        if trails:
            self._judge.note_crossings(trails, self._clock())
        return not running.wants_write

    def _judge_all(
        self, running: Running, now: float, moment: int, needed_ns: int, *, is_idle: bool, is_behind: bool
    ) -> None:
        is_tick = now >= self._tick_at and is_idle and not is_behind
        facts_changed = False
        if now >= self._facts_at:
            self._facts_at = now + _FACTS_EVERY_S
            facts = self._look_at_facts()
            facts_changed, self._facts = facts != self._facts, facts
        is_due = self._flush_at_ns is not None and not 0 < self._flush_at_ns - moment < _DAY_NS
        is_due |= self._snoozed_at(moment) != self._snoozed
        if not (running.touched or is_tick or facts_changed or is_due or running.wants_write):
            return
        self._judged_at, self._judge_at = now, now + _JUDGE_EVERY_S
        if self._feed.last_erasure() != self._erasure:  # these sums still name what was erased
            self._begin_anew()
            return
        touched, running.touched = running.touched, {}
        later = touched
        try:
            changes, later = self._judge.judge(touched, moment, running.seq)
            if is_tick or facts_changed:
                known = {each.key for each in changes}
                changes += [
                    each
                    for each in self._judge.tick(self._facts, moment, running.seq)
                    if each.key not in known
                ]
            if changes or is_due:
                self._commit(changes, running.seq, moment)
        except BaseException:
            later = touched
            raise
        finally:
            running.touched = {**later, **running.touched}
        if (is_tick or running.wants_write or running.sums.is_crowded) and not running.touched:
            self._write(needed_ns)
        if is_tick and not self._judge.has_more:
            self._tick_at = now + _TICK_EVERY_S

    def _look_at_facts(self) -> Facts:
        facts = self._facts_now(self._kinds)
        if "missing" not in self._kinds:
            return facts
        missing, words = missing_of_the_day(self._connection, self._clock())
        return msgspec.structs.replace(facts, missing=missing, missing_words=words)

    def _commit(self, changes: Sequence[Transition], seq: int, moment: int) -> None:
        snoozed = self._snoozed_at(moment)

        def is_snoozed(event: AlertEvent) -> bool:
            return any(each.covers(event.alert, event.value, moment) for each in snoozed)

        with writing(self._home, _BUSY_MS) as control:
            if changes:
                new = state_sql.write(control, changes, seq, moment)
                told = [event for event in new if event.state != "firing" or not is_snoozed(event)]
                notify(control, told, moment)
            if snoozed != self._snoozed:
                tell_again(control, is_snoozed, moment)
            if self._monotonic() >= self._prune_at:
                self._prune_at = self._monotonic() + _PRUNE_EVERY_S
                state_sql.prune(control, moment)
            self._flush_at_ns = flush(control, moment)
        self._states.apply(changes)
        self._snoozed = snoozed

    def _snoozed_at(self, moment: int) -> frozenset[Snooze]:
        return frozenset(each for each in self._rules.snoozes if each.since_ns <= moment < each.until_ns)

    def _write(self, needed_ns: int) -> None:
        if self._running is None:
            return
        drop = self._monotonic() >= self._drop_at
        if drop:
            self._drop_at = self._monotonic() + _PRUNE_EVERY_S
        self._running.write(needed_ns, self._erasure, drop_outdated=drop)

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.warning("alerts: %s", trouble)
        self.trouble = trouble
