"""Two processes at once, one whole step of the other between any two accesses of the first."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from budget_homes import CENT, DOLLAR, NOON, account, budget, prepared, reserved

from farebox.budgets.counters import (
    Counters,
    Folded,
    Holding,
    LedgerCounters,
    Participant,
    Reservation,
    Spent,
    Waiting,
)
from farebox.budgets.counters.file import layout
from farebox.budgets.counters.file.mapped_file import Words
from farebox.budgets.counters.file.section import Section
from farebox.budgets.counters.participants.place import Place
from farebox.home import Home

ALL = budget()


class Interrupted:
    """Words of a process in whose n-th access, before it, something else happens."""

    def __init__(self) -> None:
        self.accesses_left = -1
        self.meanwhile: Callable[[], None] | None = None

    def wrap(self, words: Words) -> Words:
        return _Words(words, self)

    def access(self) -> None:
        if self.meanwhile is not None:
            if not self.accesses_left:
                meanwhile, self.meanwhile = self.meanwhile, None
                meanwhile()
            self.accesses_left -= 1


class _Words:
    def __init__(self, words: Words, interrupted: Interrupted) -> None:
        self._words = words
        self._interrupted = interrupted

    def __getitem__(self, at: int, /) -> int:
        self._interrupted.access()
        return self._words[at]

    def __setitem__(self, at: int, value: int, /) -> None:
        self._interrupted.access()
        self._words[at] = value


class Pair:
    """A process that is interrupted, and the one that does something meanwhile."""

    def __init__(self, home: Home) -> None:
        self.interrupted = Interrupted()
        self.first: Participant = Counters(home, wrap=self.interrupted.wrap).join("proxy-1")
        self.second: Participant = Counters(home).join("proxy-2")
        self.one: Holding = self.first.holding(account(ALL), DOLLAR)
        self.other: Holding = self.second.holding(account(ALL), DOLLAR)
        self.held: list[Reservation] = [reserved(self.first.reserve([(self.one, CENT)]))]
        self.settled = 0

    def keep(self, outcome: object) -> None:
        if isinstance(outcome, Reservation):
            self.held.append(outcome)

    def take_everything(self) -> None:
        self.keep(self.second.reserve([(self.other, self.second.left(self.other))]))

    def take_some(self) -> None:
        self.keep(self.second.reserve([(self.other, 30 * CENT)]))

    def reserve_leased(self) -> Callable[[], None]:
        return lambda: self.keep(self.first.reserve([(self.one, CENT)]))

    def reserve_locked(self) -> Callable[[], None]:
        self.first._place.give_back(self.one)
        return lambda: self.keep(self.first.reserve([(self.one, 80 * CENT)]))

    def settle(self) -> Callable[[], None]:
        def act() -> None:
            self.held.remove(first)
            self.settled += CENT // 2
            first.settle([CENT // 2])

        first = self.held[0]
        return act

    def extend(self) -> Callable[[], None]:
        return lambda: bool(self.held[0].extend([CENT]))


FIRST = (Pair.reserve_leased, Pair.reserve_locked, Pair.settle, Pair.extend)
SECOND = (Pair.take_everything, Pair.take_some)


def interleave(
    folder: Path, first: Callable[[Pair], Callable[[], None]], second: Callable[[Pair], None]
) -> Iterator[tuple[int, int]]:
    """Try every place; return what is left each time, as it is and as the file has it."""
    for accesses in itertools.count():
        home = prepared(folder / f"{first.__name__}-{second.__name__}-{accesses}", ALL)
        pair = Pair(home)
        act = first(pair)
        pair.interrupted.accesses_left = accesses
        pair.interrupted.meanwhile = partial(second, pair)
        act()
        was_interrupted = pair.interrupted.meanwhile is None
        pair.interrupted.meanwhile = None
        left = DOLLAR - sum(each.amounts[0] for each in pair.held) - pair.settled
        yield left, Counters(home).figures(account(ALL), DOLLAR).left
        if not was_interrupted:
            assert accesses >= 2
            return


@pytest.mark.parametrize("second", SECOND, ids=[each.__name__ for each in SECOND])
@pytest.mark.parametrize("first", FIRST, ids=[each.__name__ for each in FIRST])
def test_no_limit_is_passed_wherever_another_process_comes_in_between(
    memory_path: Path, first: Callable[[Pair], Callable[[], None]], second: Callable[[Pair], None]
) -> None:
    for left, shown in interleave(memory_path, first, second):
        assert left == shown >= 0


def test_a_limit_would_be_passed_if_nobody_looked_whether_a_lease_was_taken_back(
    memory_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    join = Place._join

    def joined_deaf(place: Place, section: Section) -> None:
        join(place, section)
        place.at_revoked = layout.H_SCRATCH
        place.revoked = 0

    monkeypatch.setattr(Place, "_join", joined_deaf)
    assert any(left < 0 for left, _ in interleave(memory_path, Pair.reserve_leased, Pair.take_everything))


def test_what_is_shown_is_never_too_much_while_the_ledger_is_in_the_middle_of_a_batch(
    memory_path: Path,
) -> None:
    for accesses in itertools.count():
        home = prepared(memory_path / str(accesses), ALL)
        interrupted = Interrupted()
        ledger = LedgerCounters(home, wrap=interrupted.wrap)
        counters = Counters(home)
        participant = counters.join("proxy-1")
        holding = participant.holding(account(ALL), DOLLAR)
        reserved(participant.reserve([(holding, CENT)])).settle([CENT])
        blocker = reserved(participant.reserve([(holding, 90 * CENT)]))
        seen: list[object] = []

        def meanwhile(
            participant: Participant = participant, holding: Holding = holding, seen: list[object] = seen
        ) -> None:
            assert participant.left(holding) <= 9 * CENT
            seen.append(participant.reserve([(holding, 99 * CENT)], wait_s=60))

        interrupted.accesses_left, interrupted.meanwhile = accesses, meanwhile
        ledger.prepare(
            1, [Spent(account(ALL), NOON, CENT)], [Folded(participant.number, account(ALL).key, CENT)]
        )
        ledger.apply()
        if not seen:
            break
        blocker.settle([0])
        (outcome,) = seen
        assert isinstance(outcome, Waiting), "nobody is refused for an amount that is seen twice"
        assert isinstance(outcome.wait(), Reservation)
        participant.close()
    assert accesses > 10
