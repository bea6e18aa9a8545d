"""A home with alerts, its ledger, and a clock that tests turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from calls import NOON, SECOND, TestLedger, done

from farebox.alerts.alert import Alert, Snooze
from farebox.alerts.event import AlertEvent
from farebox.budgets.budget import Budget
from farebox.control.outbox.enqueue_sql import writing
from farebox.control.publish import change
from farebox.home import Home
from farebox.journal.records import Done
from farebox.ledger.alerting.alerting import Alerting, Rules
from farebox.ledger.alerting.facts import Facts
from farebox.ledger.alerting.forgetting import forget_in_alerts


class Said(NamedTuple):
    """An event, as far as most tests look at it."""

    alert: str
    value: str | None
    threshold: int | None
    state: str


class AlertHome:
    """Everything of one home, step by step."""

    __test__ = False

    def __init__(
        self, home: Home, *alerts: Alert, now_ns: int = NOON, budgets: Sequence[Budget] = ()
    ) -> None:
        self.home = home
        self.now_ns = now_ns
        self.ledger = TestLedger(
            home,
            clock=lambda: self.now_ns,
            before_erasing=lambda values: forget_in_alerts(home, values),
        )
        self.alerts = alerts
        self.budgets = tuple(budgets)
        self.snoozes: tuple[Snooze, ...] = ()
        self.facts = Facts()
        self.monotonic = 0.0
        self.exposed = False
        self._seen: set[str] = set()
        with change(home):
            pass
        self.alerting = self._made()

    def _made(self) -> Alerting:
        return Alerting(
            self.home,
            self.ledger.connection,
            lambda: Rules(self.alerts, self.budgets, self.snoozes),
            lambda kinds: self.facts,
            others_reach_us=self.exposed,
            clock=lambda: self.now_ns,
            monotonic=lambda: self.monotonic,
        )

    def restart(self, *, killed: bool = False) -> None:
        """Begin anew, as a ledger process does; killed, it writes nothing first."""
        if not killed:
            self.alerting.close()
        self.alerting = self._made()

    def run(self) -> None:
        """Go on until there is nothing to do."""
        for _ in range(10_000):
            self.monotonic += 1
            more = self.alerting.step(is_idle=True)
            assert self.alerting.trouble is None, self.alerting.trouble
            running = self.alerting._running
            if not more and (running is None or not (running.touched or running.wants_write)):
                return
        raise AssertionError("it never ends")

    def at(self, now_ns: int) -> None:
        """Turn the clock, as if so much time had passed, and let the minute's work be done."""
        self.monotonic += max((now_ns - self.now_ns) / SECOND, 0) + 120
        self.now_ns = now_ns
        self.run()

    def jump(self, now_ns: int) -> None:
        """Set the clock, though no time has passed."""
        self.now_ns = now_ns
        self.monotonic += 120
        self.run()

    def append(self, *calls: Done) -> list[Said]:
        """Append calls and return what is new."""
        self.ledger.append(*calls)
        self.run()
        return self.news()

    def call(self, **more: Any) -> Done:
        return done(more.pop("at", self.now_ns), **more)

    def news(self) -> list[Said]:
        """Return what was said since this was asked last."""
        return [Said(each.alert, each.value, each.threshold, each.state) for each in self.events()]

    def events(self) -> list[AlertEvent]:
        """Return the events since this was asked last."""
        new = [each for each in self.history() if each.id not in self._seen]
        self._seen.update(each.id for each in new)
        return new

    def history(self) -> list[AlertEvent]:
        with writing(self.home) as control:
            rows = list(control.execute("SELECT body FROM alert_event ORDER BY rowid"))
        return [msgspec.json.decode(body, type=AlertEvent) for (body,) in rows]


def firing(alert: str, value: str | None = None, threshold: int | None = None) -> Said:
    return Said(alert, value, threshold, "firing")


def recovered(alert: str, value: str | None = None, threshold: int | None = None) -> Said:
    return Said(alert, value, threshold, "recovered")


MakeHome = Callable[..., AlertHome]
