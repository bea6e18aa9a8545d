"""Random calls of several participants, killed at random stores, against a simple model of what they owe."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from budget_homes import account, budget, prepared
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from mortal_words import Killed, Life

from farebox.budgets.budget import Period
from farebox.budgets.counters import (
    Counters,
    Folded,
    Holding,
    LedgerCounters,
    Participant,
    Refused,
    Reservation,
    Spent,
    Waiting,
)
from farebox.home import Home

LONG = bool(os.environ.get("FAREBOX_LONG"))
LIMITS = (1_000, 400, 700)
BUDGETS = (
    budget("all", LIMITS[0]),
    budget("narrow", LIMITS[1]),
    budget("rolling", LIMITS[2], period=Period("rolling", 86_400)),
)
ACCOUNTS = tuple(account(each) for each in BUDGETS)


@dataclass
class Call:
    """A call that was let pass: the intent of it is in the journal."""

    reservation: Reservation
    places: tuple[int, ...]
    held: tuple[int, ...]
    settled: tuple[int, ...] | None = None


@dataclass(eq=False)
class Process:
    """One that lets calls pass, as its journal knows it."""

    participant: Participant
    life: Life
    holdings: list[Holding]
    calls: list[Call] = field(default_factory=list)
    """In flight, or settled and not in the record yet."""
    waiting: list[tuple[Waiting, tuple[int, ...]]] = field(default_factory=list)
    is_dead: bool = False
    uncounted: list[int] = field(default_factory=lambda: [0] * len(LIMITS))
    """What calls cost above what was held, appended after it was killed: it may have counted none."""


class CountersAtRandom(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.home: Home = prepared(self.folder, *BUDGETS)
        self.counters = Counters(self.home)
        self.processes: list[Process] = []
        self.opened: list[Counters | Participant | LedgerCounters] = [self.counters]
        self.recorded = [0] * len(BUDGETS)
        self.excess = [0] * len(BUDGETS)
        """What was settled above its reservation, ever."""
        self.committed = 0
        self.ledger_life = Life()
        self.ledger = LedgerCounters(self.home, wrap=self.ledger_life.wrap)
        self.opened.append(self.ledger)

    def teardown(self) -> None:
        for closable in self.opened:
            closable.close()
        self.processes.clear()
        shutil.rmtree(self.folder)
        gc.collect()  # a mapping keeps a descriptor

    @initialize()
    def begin(self) -> None:
        self.join()
        self.join()

    @property
    def living(self) -> list[Process]:
        return [process for process in self.processes if not process.is_dead]

    @precondition(lambda self: len(self.processes) < 5)
    @rule()
    def join(self) -> None:
        life = Life()
        counters = Counters(self.home, wrap=life.wrap)
        participant = counters.join(f"proxy-{len(self.processes)}")
        self.opened += (participant, counters)
        holdings = [participant.holding(each, limit) for each, limit in zip(ACCOUNTS, LIMITS, strict=True)]
        self.processes.append(Process(participant, life, holdings))

    def let_pass(self, process: Process, reservation: Reservation, places: tuple[int, ...]) -> None:
        process.calls.append(Call(reservation, places, reservation.amounts))

    def alive(self, process: Process, stores_left: int | None) -> bool:
        """Have a process killed after so many stores from now."""
        process.life.stores_left = stores_left
        return stores_left is not None

    def bury(self, process: Process) -> None:
        """What the kernel does: locks end with their holder."""
        process.is_dead = True
        process.life.is_over = True
        process.participant._place._life.release()
        process.waiting.clear()

    @precondition(lambda self: bool(self.living))
    @rule(data=st.data(), may_wait=st.booleans(), killed_after=st.none() | st.integers(0, 40))
    def reserve(self, data: st.DataObject, may_wait: bool, killed_after: int | None) -> None:
        process = data.draw(st.sampled_from(self.living))
        places = tuple(sorted(data.draw(st.sets(st.integers(0, len(BUDGETS) - 1), min_size=1))))
        amount = data.draw(st.sampled_from((0, 1, 7, 30, 100, 300)))
        claims = [(process.holdings[place], amount) for place in places]
        process.life.stores_left = killed_after
        try:
            outcome = process.participant.reserve(claims, wait_s=60 if may_wait else 0)
        except Killed:
            self.bury(process)
            return
        process.life.stores_left = None
        if isinstance(outcome, Reservation):
            self.let_pass(process, outcome, places)
        elif isinstance(outcome, Waiting):
            assert may_wait
            process.waiting.append((outcome, places))
        else:
            assert isinstance(outcome, Refused)
            self.check_refusal(outcome, amount, may_wait)

    def check_refusal(self, refused: Refused, amount: int, may_wait: bool) -> None:
        """Nobody is refused who would fit, nor who may wait and would fit once others have settled."""
        place = ACCOUNTS.index(refused.holding.account)
        spent = self.recorded[place] + sum(self.settled_in(process, place) for process in self.processes)
        if may_wait:
            assert amount > LIMITS[place] - spent - self.unknown_in(place)
        assert refused.left <= LIMITS[place] - spent

    @precondition(lambda self: any(process.calls for process in self.living))
    @rule(data=st.data(), killed_after=st.none() | st.integers(0, 12))
    def settle(self, data: st.DataObject, killed_after: int | None) -> None:
        share = data.draw(st.sampled_from((0, 5, 30, 100, 150)))
        process = data.draw(st.sampled_from([process for process in self.living if process.calls]))
        open_calls = [call for call in process.calls if call.settled is None]
        if not open_calls:
            return
        call = data.draw(st.sampled_from(open_calls))
        amounts = tuple(amount * share // 100 for amount in call.held)
        call.settled = amounts  # DONE is in the journal first
        for place, amount, held in zip(call.places, amounts, call.held, strict=True):
            self.excess[place] += max(amount - held, 0)
        process.life.stores_left = killed_after
        try:
            call.reservation.settle(amounts)
            process.life.stores_left = None
        except Killed:
            self.bury(process)

    @precondition(lambda self: any(process.calls for process in self.living))
    @rule(data=st.data(), killed_after=st.none() | st.integers(0, 40))
    def extend(self, data: st.DataObject, killed_after: int | None) -> None:
        process = data.draw(st.sampled_from([process for process in self.living if process.calls]))
        open_calls = [call for call in process.calls if call.settled is None]
        if not open_calls:
            return
        call = data.draw(st.sampled_from(open_calls))
        process.life.stores_left = killed_after
        try:
            if call.reservation.extend([20] * len(call.places)):
                call.held = call.reservation.amounts
            process.life.stores_left = None
        except Killed:
            self.bury(process)

    @precondition(lambda self: bool(self.living))
    @rule(data=st.data(), killed_after=st.none() | st.integers(0, 60))
    def poll(self, data: st.DataObject, killed_after: int | None) -> None:
        process = data.draw(st.sampled_from(self.living))
        process.life.stores_left = killed_after
        try:
            process.participant.poll()
            process.life.stores_left = None
        except Killed:
            self.bury(process)
            return
        for waiting, places in list(process.waiting):
            if waiting.outcome is not None:
                process.waiting.remove((waiting, places))
                if isinstance(waiting.outcome, Reservation):
                    self.let_pass(process, waiting.outcome, places)
                else:
                    self.check_refusal(waiting.outcome, max(amount for _, amount in waiting.claims), True)

    @precondition(lambda self: any(process.waiting for process in self.living))
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        process = data.draw(st.sampled_from([process for process in self.living if process.waiting]))
        entry = data.draw(st.sampled_from(process.waiting))
        process.waiting.remove(entry)
        entry[0].leave()

    @precondition(lambda self: bool(self.living))
    @rule(data=st.data())
    def kill(self, data: st.DataObject) -> None:
        self.bury(data.draw(st.sampled_from(self.living)))

    @rule(count=st.integers(1, 5), ledger_killed_after=st.none() | st.integers(0, 60), commits=st.booleans())
    def fold(self, count: int, ledger_killed_after: int | None, commits: bool) -> None:
        """Append what is settled to the record; the ledger may be killed at any store, or not commit."""
        ended = [(each, call) for each in self.processes for call in each.calls if call.settled is not None]
        rows = ended[:count]
        now = time.time_ns()
        spent = [
            Spent(ACCOUNTS[place], now, amount)
            for _, call in rows
            for place, amount in zip(call.places, call.settled or (), strict=True)
        ]
        folded = [
            Folded(process.participant.number, ACCOUNTS[place].key, amount)
            for process, call in rows
            for place, amount in zip(call.places, call.settled or (), strict=True)
        ]
        self.ledger_life.stores_left = ledger_killed_after
        try:
            self.ledger.prepare(self.committed + 1, spent, folded)
            if commits:
                self.committed += 1
                self.append(rows)
                self.ledger.apply()
            else:
                self.ledger.forget()
            self.ledger_life.stores_left = None
        except Killed:
            self.start_ledger()

    def append(self, rows: list[tuple[Process, Call]]) -> None:
        for process, call in rows:
            process.calls.remove(call)
            for place, amount, held in zip(call.places, call.settled or (), call.held, strict=True):
                self.recorded[place] += amount
                if process.is_dead:
                    process.uncounted[place] += max(amount - held, 0)

    def start_ledger(self) -> None:
        self.ledger_life = Life()
        self.ledger = LedgerCounters(self.home, wrap=self.ledger_life.wrap)
        self.opened.append(self.ledger)
        self.ledger.recover(self.committed)
        assert not self.ledger.opening(), "a ledger that was killed finds its figures whole"

    @precondition(lambda self: any(process.is_dead for process in self.processes))
    @rule(data=st.data(), ledger_killed_after=st.none() | st.integers(0, 80))
    def remove(self, data: st.DataObject, ledger_killed_after: int | None) -> None:
        """Append what a dead process left, calls that nobody knows the end of at their bound, and let go."""
        process = data.draw(st.sampled_from([process for process in self.processes if process.is_dead]))
        for call in process.calls:
            call.settled = call.settled if call.settled is not None else call.held
        while process.calls:
            self.fold(5, None, True)
        number = process.participant.number
        self.ledger_life.stores_left = ledger_killed_after
        try:
            assert self.ledger.remove(number)
            self.ledger_life.stores_left = None
        except Killed:
            self.start_ledger()
            assert self.ledger.remove(number)
        self.processes.remove(process)

    @rule(ledger_killed_after=st.none() | st.integers(0, 80))
    def sweep(self, ledger_killed_after: int | None) -> None:
        self.ledger_life.stores_left = ledger_killed_after
        try:
            self.ledger.sweep(time.time_ns())
            self.ledger_life.stores_left = None
        except Killed:
            self.start_ledger()

    def settled_in(self, process: Process, place: int) -> int:
        return sum(
            call.settled[call.places.index(place)]
            for call in process.calls
            if call.settled is not None and place in call.places
        )

    def unseen_excess_in(self, process: Process, place: int) -> int:
        """What calls cost above what was held for them, of a process killed before it could count that."""
        return process.uncounted[place] + sum(
            max(call.settled[call.places.index(place)] - call.held[call.places.index(place)], 0)
            for call in process.calls
            if process.is_dead and call.settled is not None and place in call.places
        )

    def unknown_in(self, place: int) -> int:
        """What dead processes hold besides what their journals say: an intent that was never written."""
        return sum(LIMITS[place] for process in self.processes if process.is_dead)

    def reserved_in(self, process: Process, place: int) -> int:
        return sum(
            call.held[call.places.index(place)]
            for call in process.calls
            if call.settled is None and place in call.places
        )

    @invariant()
    def figures_are_exact(self) -> None:
        for place, (each, limit) in enumerate(zip(ACCOUNTS, LIMITS, strict=True)):
            figures = self.counters.figures(each, limit)
            assert figures.is_open
            settled = sum(self.settled_in(process, place) for process in self.processes)
            reserved = sum(self.reserved_in(process, place) for process in self.processes)
            excess = sum(self.unseen_excess_in(process, place) for process in self.processes)
            granted = [w.outcome for p in self.processes for w, _ in p.waiting]
            assert all(outcome is None for outcome in granted)
            assert figures.recorded == self.recorded[place]
            if any(process.is_dead for process in self.processes):
                assert figures.left <= limit - figures.recorded - settled - reserved + excess
            else:
                assert figures.settled == settled
                assert figures.reserved == reserved
            assert self.recorded[place] + settled + reserved <= limit + self.excess[place]
            for process in self.living:
                if process.holdings[place].number >= 0:
                    assert process.participant.left(process.holdings[place]) == figures.left


CountersAtRandom.TestCase.settings = settings(
    max_examples=500 if LONG else 12,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestCountersAtRandom = CountersAtRandom.TestCase
