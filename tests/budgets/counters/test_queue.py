"""Calls that wait: first come first served over all processes, and nobody wakes who cannot go on."""

from __future__ import annotations

from pathlib import Path

import pytest
from budget_homes import CENT, DOLLAR, account, budget, prepared, refused, reserved, waits

from farebox.budgets.counters import Counters, Holding, Participant, Refused, Reservation, Waiting
from farebox.home import Home

ALL = budget()


class Process:
    """A participant with one budget, that counts how often it goes for the lock."""

    def __init__(self, home: Home, name: str, limit: int = DOLLAR) -> None:
        counters = Counters(home)
        self.participant: Participant = counters.join(name)
        self.holding: Holding = self.participant.holding(account(ALL), limit)
        self.entered = 0
        enter = counters._shared.enter

        def counted(patience_s: float = 0.0) -> object:
            self.entered += 1
            return enter(patience_s)

        counters._shared.enter = counted  # type: ignore[method-assign,assignment]

    def reserve(self, amount: int, wait_s: float = 600) -> Reservation | Waiting | Refused:
        return self.participant.reserve([(self.holding, amount)], wait_s=wait_s)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return prepared(tmp_path, ALL)


def poll_all(*processes: Process) -> None:
    for process in processes:
        process.participant.poll()


def test_turns_come_in_the_order_of_arrival_over_all_processes(home: Home) -> None:
    first, second, third = (Process(home, f"proxy-{number}") for number in range(3))
    holds = [reserved(first.reserve(25 * CENT)) for _ in range(4)]
    queue = [waits(process.reserve(25 * CENT)) for process in (third, first, second, third)]
    for turn, hold in enumerate(holds):
        hold.settle([0])
        poll_all(first, second, third)
        assert [call.outcome is not None for call in queue] == [place <= turn for place in range(4)]


def test_a_small_call_does_not_pass_a_large_one_that_waits(home: Home) -> None:
    first, second = Process(home, "proxy-1"), Process(home, "proxy-2")
    hold = reserved(first.reserve(60 * CENT))
    large = waits(first.reserve(50 * CENT))
    small = waits(second.reserve(CENT))
    also_small = waits(first.reserve(CENT))
    poll_all(second, first)
    assert small.outcome is None and also_small.outcome is None
    hold.settle([CENT])
    poll_all(second, first)
    assert isinstance(large.outcome, Reservation)
    poll_all(second, first)
    assert isinstance(small.outcome, Reservation) and isinstance(also_small.outcome, Reservation)


def test_a_call_that_waits_for_its_session_keeps_no_other_session_out(tmp_path: Path) -> None:
    sessions = budget("sessions", 2 * CENT, each="session")
    home = prepared(tmp_path, ALL, sessions)
    participant = Counters(home).join("proxy-1")
    everything = participant.holding(account(ALL), DOLLAR)
    one, other = (participant.holding(account(sessions, name), 2 * CENT) for name in ("one", "other"))
    reserved(participant.reserve([(everything, 2 * CENT), (one, 2 * CENT)]))
    waits(participant.reserve([(everything, 2 * CENT), (one, 2 * CENT)], wait_s=60))
    reserved(participant.reserve([(everything, 2 * CENT), (other, 2 * CENT)], wait_s=60))


def test_a_client_that_leaves_gives_its_place_to_the_next(home: Home) -> None:
    first, second = Process(home, "proxy-1"), Process(home, "proxy-2")
    reserved(first.reserve(60 * CENT))
    gone = waits(first.reserve(50 * CENT))
    next_ = waits(second.reserve(40 * CENT))
    second.participant.poll()
    gone.leave()
    second.participant.poll()
    assert isinstance(next_.outcome, Reservation)
    assert gone.outcome is None and not first.participant.has_waiting


def test_a_client_that_leaves_when_its_turn_has_come_holds_nothing(home: Home) -> None:
    process = Process(home, "proxy-1")
    hold = reserved(process.reserve(DOLLAR))
    waiting = waits(process.reserve(CENT))
    hold.settle([0])
    process.participant.poll()
    assert isinstance(waiting.outcome, Reservation)
    waiting.leave()
    assert process.participant.left(process.holding) == DOLLAR


def test_what_has_become_hopeless_is_refused_without_waiting_longer(home: Home) -> None:
    first, second = Process(home, "proxy-1"), Process(home, "proxy-2")
    hold = reserved(first.reserve(60 * CENT))
    ahead = waits(second.reserve(45 * CENT))
    behind = waits(second.reserve(90 * CENT))
    hold.settle([50 * CENT])
    second.participant.poll()
    assert isinstance(ahead.outcome, Reservation)
    assert isinstance(behind.outcome, Refused) and behind.outcome.reason == "limit"
    assert refused(first.reserve(51 * CENT)).left == 5 * CENT


def test_a_call_waits_no_longer_than_it_may(home: Home) -> None:
    process = Process(home, "proxy-1")
    reserved(process.reserve(DOLLAR))
    waiting = waits(process.reserve(CENT, wait_s=0.001))
    waiting.deadline_ns = 0
    process.participant.poll()
    assert isinstance(waiting.outcome, Refused) and waiting.outcome.reason == "waited"
    assert waiting.outcome.left == 0


def test_a_dead_process_keeps_nobody_waiting(home: Home) -> None:
    dead, living = Process(home, "proxy-1"), Process(home, "proxy-2")
    hold = reserved(living.reserve(60 * CENT))
    waits(dead.reserve(50 * CENT))
    behind = waits(living.reserve(45 * CENT))
    dead.participant._place._life.release()  # as the kernel does
    hold.settle([CENT])
    assert isinstance(behind.wait(), Reservation)


def test_only_whose_turn_it_is_goes_for_the_lock(home: Home) -> None:
    owner = Process(home, "proxy-0")
    hold = reserved(owner.reserve(DOLLAR))
    others = [Process(home, f"proxy-{number}") for number in range(1, 6)]
    calls = [waits(process.reserve(50 * CENT)) for process in others]
    poll_all(*others)
    now = max(process.holding.tried_ns for process in others)
    for process in others:
        process.entered = 0
        process.holding.tried_ns = now + 60 * 10**9  # the look that comes without a reason, later
        process.participant._admission._looked_ns = now + 60 * 10**9
    for _ in range(10):
        poll_all(*others)
    assert [process.entered for process in others] == [0] * 5, "nothing has changed"
    hold.settle([50 * CENT])
    for _ in range(10):
        poll_all(*reversed(others))
    assert isinstance(calls[0].outcome, Reservation)
    assert others[0].entered >= 1
    assert [process.entered for process in others[2:]] == [0] * 3


def test_many_that_wait_are_tried_one_after_the_other(home: Home) -> None:
    process = Process(home, "proxy-1")
    hold = reserved(process.reserve(DOLLAR))
    calls = [waits(process.reserve(10 * CENT)) for _ in range(300)]
    hold.settle([0])
    for _ in range(40):
        process.participant.poll()
    admitted = [isinstance(call.outcome, Reservation) for call in calls]
    assert admitted == [True] * 10 + [False] * 290


def test_calls_that_have_an_outcome_are_told(home: Home) -> None:
    process = Process(home, "proxy-1")
    hold = reserved(process.reserve(DOLLAR))
    told: list[object] = []
    waits(process.participant.reserve([(process.holding, CENT)], wait_s=60, on_turn=told.append))
    process.participant.poll()
    assert told == []
    hold.settle([0])
    process.participant.poll()
    assert len(told) == 1 and isinstance(told[0], Reservation)


def test_a_wake_up_that_changed_nothing_is_not_heard_again(home: Home) -> None:
    first, second = Process(home, "proxy-1"), Process(home, "proxy-2")
    holds = [reserved(second.reserve(10 * CENT)) for _ in range(10)]
    waits(first.reserve(50 * CENT))
    first.participant.poll()
    for hold in holds[:3]:
        hold.settle([0])
        first.entered = 0
        first.holding.tried_ns += 60 * 10**9
        for _ in range(10):
            first.participant.poll()
            first.holding.tried_ns += 60 * 10**9
        assert first.entered == 1


def test_those_that_wait_are_refused_when_their_process_takes_part_no_longer(home: Home) -> None:
    process = Process(home, "proxy-1")
    reserved(process.reserve(DOLLAR))
    waiting = waits(process.reserve(CENT))
    process.participant.close()
    assert refused(waiting.wait()).reason == "unusable"
