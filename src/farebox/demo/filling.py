"""Fill a demo home as a running Farebox would: journal, ledger, alerts, an hour at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from farebox.config import load_config
from farebox.control.publish import publish
from farebox.demo import configuration
from farebox.demo.exchanges import Call, Work, done_of, intent_of, result_of
from farebox.demo.traffic import HOUR_NS, Traffic
from farebox.home import write_private
from farebox.journal.direct_writer import DirectWriter
from farebox.journal.records import DONE, INTENT, OUTCOME, SCORE, encode
from farebox.ledger import catch_up
from farebox.ledger.alerting.alerting import Alerting, Rules
from farebox.ledger.alerting.outside_facts import OutsideFacts
from farebox.ledger.append.applier import Applier
from farebox.ledger.charging.following import TermsFollower
from farebox.ledger.charging.published import published_terms
from farebox.ledger.database import Connection, open_writer
from farebox.ledger.follow import Follower
from farebox.ledger.ledger_process import locked, settle_memory
from farebox.pricing import load_book
from farebox.snapshot import read_snapshot

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.home import Home

Told = Callable[[int, int], None]
"""Shows progress: calls that are in the record, calls there will be."""

_STEPS_MAX = 1_000


def fill(home: Home, calls: int, seed: int, until_ns: int, told: Told) -> int:
    """Fill an empty home with the calls of the thirty days before a moment; return how many there are."""
    traffic = Traffic(calls, seed, until_ns)
    write_private(home.config, configuration.text(calls, traffic.since_ns).encode())
    config = load_config(home, home.config)
    publish(home)
    settle_memory()
    with locked(home):
        connection = open_writer(home)
        try:
            made = _Days(home, config, connection, traffic).run(calls, told)
        finally:
            connection.close()
    catch_up(home, config)  # what budgets count is made of the record
    return made


class _Days:
    """The ledger process's work, by a clock that is turned from hour to hour."""

    def __init__(self, home: Home, config: Config, connection: Connection, traffic: Traffic) -> None:
        self._home = home
        self._traffic = traffic
        self._now_ns = traffic.since_ns
        self._waited_s = 0.0
        book = load_book(config.pricing, home.cache, contracts=config.contracts, state=home.path)
        applier = Applier(connection, book, clock=self._clock)
        TermsFollower(connection, applier, published_terms(home, config), self._clock).run()
        self._applier = applier
        self._follower = Follower(home, applier)
        published = read_snapshot(home)
        rules = Rules(published.alerts, published.budgets)
        facts = OutsideFacts(home, lambda: book.digest, self._clock)
        self._alerting = Alerting(
            home, connection, lambda: rules, facts, clock=self._clock, monotonic=self._monotonic
        )
        self._watch()

    def run(self, calls: int, told: Told) -> int:
        """Write and append everything; return how many calls that were."""
        made = 0
        writer = DirectWriter(self._home.journal, source="demo", kind="demo", wakes=False)
        try:
            for end, hour in _hours(self._traffic):
                for work in hour:
                    made += _write(writer, work)
                self._now_ns = end
                while self._follower.step():
                    pass
                self._watch()
                self._applier.checkpoint_if_due()
                told(made, calls)
        finally:
            writer.close()
        while self._follower.step():
            pass
        self._follower.close()
        self._watch()
        self._alerting.close()
        return made

    def _watch(self) -> None:
        """Evaluate alerts until there is nothing left to do."""
        for _ in range(_STEPS_MAX):
            self._waited_s += 1
            if not self._alerting.step(is_idle=True) and self._alerting.due_in_s() > 0:
                return

    def _clock(self) -> int:
        return self._now_ns

    def _monotonic(self) -> float:
        return (self._now_ns - self._traffic.since_ns) / 10**9 + self._waited_s


def _write(writer: DirectWriter, work: Work) -> bool:
    """Write a call, or what came of some; tell whether it was a call."""
    if isinstance(work, Call):
        writer.append(INTENT, encode(intent_of(work)))
        writer.append(DONE, encode(done_of(work)))
        return True
    writer.append(SCORE if work.is_score else OUTCOME, encode(result_of(work)))
    return False


def _hours(traffic: Traffic) -> Iterator[tuple[int, list[Work]]]:
    """Yield what ended in each hour, and the hour's end."""
    end = traffic.since_ns + HOUR_NS
    found: list[Work] = []
    for work in traffic:
        while work.ended_ns >= end:
            yield end, found
            found, end = [], end + HOUR_NS
        found.append(work)
    yield traffic.until_ns, found
