"""The counters of budgets show what the record says, whoever is killed in between."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from calls import NOON, PICO_PER_TOKEN, OnePriceBook, done, intent_of

from farebox.budgets.budget import Budget, Period
from farebox.budgets.counters import UNLIMITED, Counters, Figures, Reservation, account_of
from farebox.clock import now_ns
from farebox.home import Home
from farebox.journal import records
from farebox.journal.direct_writer import DirectWriter
from farebox.journal.records import Done, Held
from farebox.ledger.append.applier import Applier
from farebox.ledger.database import open_writer
from farebox.ledger.follow import Follower
from farebox.ledger.spending.recorded_spending import RecordedSpending

LIMIT = 10**12
CALL = 15 * PICO_PER_TOKEN
DAILY = Budget(name="acme", where={"customer": ("acme",)}, limit_pico=LIMIT, period=Period("day"))
EVER = Budget(name="all", limit_pico=LIMIT, period=Period("ever"))
CHARGED = Budget(name="charged", limit_pico=LIMIT, measure="price", period=Period("ever"))
SESSIONS = Budget(name="sessions", each="session", limit_pico=LIMIT, period=Period("session"))
ROLLING = Budget(name="rolling", limit_pico=LIMIT, period=Period("rolling", 3600))


class Keeper:
    """The ledger process of a home, step by step."""

    def __init__(self, home: Home, *budgets: Budget, exposed: bool = False) -> None:
        self.home = home
        self.budgets = budgets
        self.connection = open_writer(home)
        self.follower = Follower(home, Applier(self.connection, OnePriceBook()))
        self.spending = RecordedSpending(
            home, self.connection, self.follower, lambda: self.budgets, others_reach_us=exposed
        )

    def run(self) -> None:
        while self.follower.step():
            pass
        self.spending.open_all()

    def killed(self) -> None:
        """Go without a word, as a process that is killed."""
        self.follower.close()
        self.spending.close()
        self.connection.close()

    def figures(self, budget: Budget, value: str | None = None, at_ns: int | None = None) -> Figures:
        counters = Counters(self.home)
        try:
            return counters.figures(account_of(budget, value, at_ns or now_ns()), budget.limit_pico)
        finally:
            counters.close()


@pytest.fixture
def home(tmp_path: Any) -> Home:
    made = Home(tmp_path / "home")
    made.prepare()
    return made


@pytest.fixture
def writer(home: Home) -> Iterator[DirectWriter]:
    made = DirectWriter(home.journal, source="proxy:test")
    yield made
    made.close()


def call(**more: Any) -> Done:
    return done(more.pop("at", now_ns()), **more)


def write(writer: DirectWriter, *calls: Done) -> None:
    for each in calls:
        writer.append(records.DONE, records.encode(each))


def test_a_new_budget_begins_with_what_the_record_says(home: Home, writer: DirectWriter) -> None:
    write(writer, call(attribution={"customer": "acme"}), call(attribution={"customer": "other"}), call())
    write(writer, call(at=NOON, attribution={"customer": "acme"}))
    keeper = Keeper(home, DAILY, EVER)
    keeper.run()
    assert keeper.figures(DAILY).recorded == CALL, "only today's"
    assert keeper.figures(EVER).recorded == 4 * CALL
    assert keeper.figures(DAILY).is_open and keeper.figures(EVER).is_open


def test_every_call_is_counted_as_it_is_appended(home: Home, writer: DirectWriter) -> None:
    keeper = Keeper(home, DAILY, EVER, CHARGED, SESSIONS, ROLLING)
    keeper.run()
    for number in range(1, 4):
        write(writer, call(attribution={"customer": "acme", "session": f"s{number}"}))
        keeper.run()
        assert keeper.figures(DAILY).recorded == number * CALL
        assert keeper.figures(CHARGED).recorded == number * CALL * 2
        assert keeper.figures(SESSIONS, f"s{number}").recorded == CALL
        assert keeper.figures(ROLLING).recorded == number * CALL


def test_a_budget_that_is_set_later_counts_from_the_record_and_goes_on(
    home: Home, writer: DirectWriter
) -> None:
    keeper = Keeper(home)
    write(writer, call(), call())
    keeper.run()
    assert not (home.path / "budgets").exists(), "without budgets there is nothing of them"
    keeper.budgets = (EVER,)
    keeper.run()
    assert keeper.figures(EVER).recorded == 2 * CALL
    write(writer, call())
    keeper.run()
    assert keeper.figures(EVER).recorded == 3 * CALL


def reserve(counters: Counters, participant: Any, amount: int, budget: Budget = EVER) -> Reservation:
    holding = participant.holding(account_of(budget, None, now_ns()), budget.limit_pico)
    outcome = participant.reserve([(holding, amount)])
    assert isinstance(outcome, Reservation), outcome
    return outcome


def held(participant: Any, reservation: Reservation, cost: int) -> Held:
    return Held(cost, cost, participant.number, reservation.accounts)


def test_what_a_proxy_settled_is_counted_once(home: Home, writer: DirectWriter) -> None:
    keeper = Keeper(home, EVER)
    keeper.run()
    counters = Counters(home)
    participant = counters.join(writer.writer_id)
    for number in range(1, 5):
        reservation = reserve(counters, participant, 3 * CALL)
        write(writer, call(held=held(participant, reservation, CALL)))
        reservation.settle([CALL])
        assert keeper.figures(EVER).spent == number * CALL
        if number % 2:
            keeper.run()
            figures = keeper.figures(EVER)
            assert (figures.recorded, figures.settled, figures.reserved) == (number * CALL, 0, 0)
    keeper.run()
    assert keeper.figures(EVER)[1:4] == (4 * CALL, 0, 0)
    participant.close()
    counters.close()


def test_what_was_settled_before_the_ledger_looked_for_the_first_time_is_counted_once(
    home: Home, writer: DirectWriter
) -> None:
    counters = Counters(home)
    participant = counters.join(writer.writer_id)
    soft = participant.holding(account_of(EVER, None, now_ns()), UNLIMITED)
    reservation = participant.reserve([(soft, 3 * CALL)])
    assert isinstance(reservation, Reservation)
    write(writer, call(held=held(participant, reservation, CALL)))
    reservation.settle([CALL])
    keeper = Keeper(home, EVER)
    keeper.run()
    assert keeper.figures(EVER)[1:4] == (CALL, 0, 0)
    participant.close()
    counters.close()


def test_a_ledger_that_is_killed_between_commit_and_count_goes_on_where_it_was(
    home: Home, writer: DirectWriter
) -> None:
    keeper = Keeper(home, EVER)
    keeper.run()
    counters = Counters(home)
    participant = counters.join(writer.writer_id)
    reservation = reserve(counters, participant, 3 * CALL)
    write(writer, call(held=held(participant, reservation, CALL)))
    reservation.settle([CALL])
    assert keeper.follower.step() == 1
    assert keeper.figures(EVER)[1:4] == (0, CALL, 0), "committed, not counted yet"
    keeper.killed()
    again = Keeper(home, EVER)
    again.run()
    assert again.figures(EVER)[1:4] == (CALL, 0, 0)
    participant.close()
    counters.close()


def test_a_call_whose_writer_died_keeps_its_worst_case_and_nothing_else(home: Home) -> None:
    keeper = Keeper(home, EVER)
    keeper.run()
    child = os.fork()
    if not child:
        try:
            writer = DirectWriter(home.journal, source="proxy:dead")
            counters = Counters(home)
            participant = counters.join(writer.writer_id)
            first = reserve(counters, participant, 5 * CALL)
            write(writer, call(held=held(participant, first, CALL)))
            first.settle([CALL])
            second = reserve(counters, participant, 3 * CALL)
            intent = intent_of(call())
            intent = msgspec.structs.replace(intent, held=held(participant, second, 3 * CALL))
            writer.append(records.INTENT, records.encode(intent))
            reserve(counters, participant, 7 * CALL)  # killed before its INTENT: nothing was sent
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert keeper.figures(EVER).left == LIMIT - 11 * CALL, "nothing of it in thin air"
    keeper.run()
    figures = keeper.figures(EVER)
    assert (figures.recorded, figures.settled, figures.reserved) == (4 * CALL, 0, 0)


def test_a_file_that_was_removed_is_made_from_the_record(home: Home, writer: DirectWriter) -> None:
    keeper = Keeper(home, EVER, SESSIONS)
    keeper.run()
    write(writer, *[call(attribution={"session": f"s{number % 3}"}) for number in range(9)])
    keeper.run()
    keeper.killed()
    (home.path / "budgets" / "counters").unlink()
    again = Keeper(home, EVER, SESSIONS)
    again.run()
    assert again.figures(EVER).recorded == 9 * CALL
    assert [again.figures(SESSIONS, f"s{number}").recorded for number in range(3)] == [3 * CALL] * 3


def test_a_stated_customer_uses_up_nothing_where_others_reach_the_proxy(
    home: Home, writer: DirectWriter
) -> None:
    keeper = Keeper(home, DAILY, EVER, exposed=True)
    keeper.run()
    stated = {
        "attribution": {"customer": "acme"},
        "attribution_from": {"customer": "header:x-farebox-customer"},
    }
    verified = {"attribution": {"customer": "acme"}, "attribution_from": {"customer": "token:t1"}}
    write(writer, call(**stated), call(**verified))
    keeper.run()
    assert keeper.figures(DAILY).recorded == CALL
    assert keeper.figures(EVER).recorded == 2 * CALL


def test_a_correction_moves_what_is_counted(home: Home, writer: DirectWriter) -> None:
    keeper = Keeper(home, EVER)
    keeper.run()
    counters = Counters(home)
    participant = counters.join(writer.writer_id)
    reservation = reserve(counters, participant, 9 * CALL)
    cut = call(model="unheard-of", held=held(participant, reservation, 9 * CALL))
    write(writer, cut)
    reservation.settle([9 * CALL])
    keeper.run()
    assert keeper.figures(EVER)[1:4] == (9 * CALL, 0, 0), "it has no price: what was held counts"

    class Priced(OnePriceBook):
        digest = "new"

        def rate(self, part: Any, **more: Any) -> Any:
            return super().rate(msgspec.structs.replace(part, request_model="gpt-4o"), **more)

    keeper.follower._applier.use(Priced())
    rerate = records.Rerate(at_ns=now_ns(), seqs=[1], snapshot="new")
    writer.append(records.RERATE, records.encode(rerate))
    keeper.run()
    assert keeper.figures(EVER)[1:4] == (CALL, 0, 0)
    participant.close()
    counters.close()
