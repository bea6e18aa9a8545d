"""A process that is killed at each store in turn, in everything it does under the lock and without it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from budget_homes import CENT, DOLLAR, NOON, account, budget, prepared, reserved, waits
from mortal_words import Killed, Life

from farebox.budgets.counters import (
    Counters,
    Folded,
    Holding,
    LedgerCounters,
    Participant,
    Spent,
    Waiting,
)
from farebox.budgets.counters.file import shared_file
from farebox.home import Home

WIDE, NARROW = budget("wide"), budget("narrow", 50 * CENT)
IN_FLIGHT = 3 * CENT
"""Reserved and never settled by the process that is killed, before it does what it is killed at."""


def claims_of(participant: Participant) -> list[tuple[Holding, int]]:
    return [(participant.holding(account(each), each.limit_pico), CENT) for each in (WIDE, NARROW)]


class Victim:
    """A process with a call in flight that is to be killed."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.life = Life()
        self.participant = Counters(home, wrap=self.life.wrap).join("proxy-victim")
        self.claims = [
            (self.participant.holding(account(each), each.limit_pico), CENT) for each in (WIDE, NARROW)
        ]
        self.other = Counters(home).join("proxy-other")
        self.others_claims = [
            (self.other.holding(account(each), each.limit_pico), CENT) for each in (WIDE, NARROW)
        ]
        self.in_flight = reserved(
            self.participant.reserve([(holding, IN_FLIGHT) for holding, _ in self.claims])
        )

    def die(self) -> None:
        self.life.is_over = True
        self.participant._place._life.release()


def reserve_out_of_a_lease(victim: Victim) -> Callable[[], object]:
    return lambda: victim.participant.reserve(victim.claims)


def reserve_under_the_lock(victim: Victim) -> Callable[[], object]:
    for holding, _ in victim.claims:
        victim.participant._place.give_back(holding)
    return lambda: victim.participant.reserve(victim.claims)


def reserve_what_others_have_leased(victim: Victim) -> Callable[[], object]:
    reserved(victim.other.reserve(victim.others_claims)).settle([0, 0])
    most = [(victim.claims[0][0], 97 * CENT), (victim.claims[1][0], 47 * CENT)]
    return lambda: victim.participant.reserve(most)


def open_a_new_account(victim: Victim) -> Callable[[], object]:
    claims = [(victim.participant.holding(account(WIDE, "new"), DOLLAR), CENT)]
    return lambda: victim.participant.reserve(claims)


def settle(victim: Victim) -> Callable[[], object]:
    return lambda: victim.in_flight.settle([CENT, CENT])


def queue(victim: Victim) -> Callable[[], object]:
    reserved(victim.other.reserve([(victim.others_claims[1][0], 47 * CENT)]))
    return lambda: victim.participant.reserve(victim.claims, wait_s=60)


def take_a_turn(victim: Victim) -> Callable[[], object]:
    whole = reserved(victim.other.reserve([(victim.others_claims[1][0], 47 * CENT)]))
    waits(victim.participant.reserve(victim.claims, wait_s=60))
    whole.settle([CENT])
    return victim.participant.poll


def join(victim: Victim) -> Callable[[], object]:
    return lambda: Counters(victim.home, wrap=victim.life.wrap).join("proxy-late")


DOINGS = (
    reserve_out_of_a_lease,
    reserve_under_the_lock,
    reserve_what_others_have_leased,
    open_a_new_account,
    settle,
    queue,
    take_a_turn,
    join,
)


@pytest.mark.parametrize("doing", DOINGS, ids=[each.__name__ for each in DOINGS])
def test_others_go_on_and_nothing_is_free_twice_wherever_a_process_is_killed(
    memory_path: Path, doing: Callable[[Victim], Callable[[], object]]
) -> None:
    for stores in itertools.count():
        home = prepared(memory_path / str(stores), WIDE, NARROW)
        victim = Victim(home)
        act = doing(victim)
        victim.life.stores_left = stores
        survived = False
        try:
            act()
            survived = True
        except Killed:
            pass
        victim.die()
        check_what_the_dead_left(home, victim)
        if survived:
            break
    assert stores > 1


def test_a_reservation_would_be_left_half_done_if_nobody_finished_it(
    memory_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_file, "recover", lambda words: None)
    halves = 0
    for stores in itertools.count():
        home = prepared(memory_path / str(stores), WIDE, NARROW)
        victim = Victim(home)
        act = reserve_under_the_lock(victim)
        victim.life.stores_left = stores
        try:
            act()
            break
        except Killed:
            victim.die()
        counters = Counters(home)
        wide, narrow = (counters.figures(account(each), each.limit_pico) for each in (WIDE, NARROW))
        halves += wide.reserved != narrow.reserved
    assert halves


def check_what_the_dead_left(home: Home, victim: Victim) -> None:
    """Others see at least what was in flight as held, use what is left, and all of it once it is known."""
    counters, ledger = Counters(home), LedgerCounters(home)
    assert ledger.define([account(WIDE).budget, account(NARROW).budget])  # finishes what was written down
    for each in (WIDE, NARROW):
        figures = counters.figures(account(each), each.limit_pico)
        assert figures.spent + figures.reserved >= (CENT if victim.in_flight.is_settled else IN_FLIGHT)
        left = victim.other.left(victim.others_claims[0 if each is WIDE else 1][0])
        assert left == figures.left >= 0
        if left:
            holding = victim.other.holding(account(each), each.limit_pico)
            outcome = victim.other.reserve([(holding, left)], wait_s=60)
            if isinstance(outcome, Waiting):  # behind a ticket of the dead
                outcome = outcome.wait()
            reserved(outcome).settle([0])
    victim.other.close()
    for state in ledger.participants():
        assert ledger.remove(state.number) or state.is_alive
    for each in (WIDE, NARROW):
        assert counters.figures(account(each), each.limit_pico)[1:4] == (0, 0, 0)


def test_a_ledger_killed_at_any_store_counts_each_row_once(memory_path: Path) -> None:
    for commits in (True, False):
        for stores in itertools.count():
            home = prepared(memory_path / f"{commits}{stores}", WIDE)
            counters = Counters(home)
            participant = counters.join("proxy-1")
            holding = participant.holding(account(WIDE), DOLLAR)
            reserved(participant.reserve([(holding, 2 * CENT)])).settle([CENT])
            life = Life()
            ledger = LedgerCounters(home, wrap=life.wrap)
            life.stores_left = stores
            is_committed = survived = False
            try:
                ledger.prepare(
                    1,
                    [Spent(account(WIDE), NOON, CENT), Spent(account(WIDE, "new"), NOON, CENT)],
                    [Folded(participant.number, account(WIDE).key, CENT)],
                )
                is_committed = commits
                if commits:
                    ledger.apply()
                else:
                    ledger.forget()
                survived = True
            except Killed:
                pass
            assert counters.figures(account(WIDE), DOLLAR).left <= DOLLAR - CENT
            successor = LedgerCounters(home)
            successor.recover(1 if is_committed else 0)
            assert not successor.opening()
            figures = counters.figures(account(WIDE), DOLLAR)
            assert figures[1:4] == ((CENT, 0, 0) if is_committed else (0, CENT, 0)), stores
            new = counters.figures(account(WIDE, "new"), DOLLAR)
            assert new.recorded == (CENT if is_committed else 0)
            participant.close()
            if survived:
                break
        assert stores > 4


@pytest.mark.parametrize("doing", ("open", "remove", "sweep", "define", "close"))
def test_a_ledger_killed_while_it_makes_or_frees_accounts_leaves_them_usable(
    memory_path: Path, doing: str
) -> None:
    for stores in itertools.count():
        home = prepared(memory_path / str(stores), WIDE)
        gone = Counters(home).join("proxy-gone")
        reserved(gone.reserve([(gone.holding(account(WIDE), DOLLAR), CENT)])).settle([0])
        gone.close()
        life = Life()
        ledger = LedgerCounters(home, wrap=life.wrap)
        if doing == "close":
            ledger.spoil()
        life.stores_left = stores
        survived = False
        try:
            _do(ledger, doing, gone)
            survived = True
        except Killed:
            pass
        life.is_over = True
        successor = LedgerCounters(home)
        successor.recover(0)
        successor.define([account(WIDE).budget])
        for definition in successor.opening():
            assert successor.open_budget(
                definition, [Spent(account(WIDE), NOON, 7)] if doing == "close" else [], 0
            )
        assert successor.opening() == set()
        participant = Counters(home).join("proxy-1")
        holding = participant.holding(account(WIDE), DOLLAR)
        spent = Counters(home).figures(account(WIDE), DOLLAR).spent
        assert spent in (0, 7)
        reserved(participant.reserve([(holding, DOLLAR - spent)]))
        if survived:
            break
    assert stores > 1


def _do(ledger: LedgerCounters, doing: str, gone: Participant) -> None:
    if doing == "open":
        ledger.define([account(WIDE).budget, account(NARROW).budget])
        ledger.open_budget(account(NARROW).budget, [Spent(account(NARROW), NOON, 7)], 0)
    elif doing == "remove":
        assert ledger.remove(gone.number)
    elif doing == "sweep":
        assert ledger.remove(gone.number)
        ledger.define([])
        ledger.sweep(NOON)
    elif doing == "define":
        ledger.define([account(NARROW).budget])
    else:
        ledger.opening()
