"""Reserve, settle and extend, by one process and by several."""

from __future__ import annotations

import time
from pathlib import Path

from budget_homes import CENT, DOLLAR, NOON, account, budget, prepared, refused, reserved, waits

from farebox.budgets.budget import Period
from farebox.budgets.counters import UNLIMITED, Counters, Folded, LedgerCounters, Reservation, Spent


def test_what_is_reserved_and_not_used_comes_back(tmp_path: Path) -> None:
    limit = budget()
    counters = Counters(prepared(tmp_path, limit))
    participant = counters.join("proxy-1")
    holding = participant.holding(account(limit), DOLLAR)
    reservation = reserved(participant.reserve([(holding, 2 * CENT)]))
    assert counters.figures(account(limit), DOLLAR)[1:4] == (0, 0, 2 * CENT)
    reservation.settle([CENT // 2])
    assert counters.figures(account(limit), DOLLAR)[1:4] == (0, CENT // 2, 0)
    assert participant.left(holding) == counters.figures(account(limit), DOLLAR).left == DOLLAR - CENT // 2


def test_a_second_settlement_changes_nothing(tmp_path: Path) -> None:
    limit = budget()
    counters = Counters(prepared(tmp_path, limit))
    participant = counters.join("proxy-1")
    reservation = reserved(participant.reserve([(participant.holding(account(limit), DOLLAR), CENT)]))
    reservation.settle([CENT])
    reservation.settle([CENT])
    assert counters.figures(account(limit), DOLLAR).spent == CENT


def test_the_last_pico_can_be_reserved_and_no_more(tmp_path: Path) -> None:
    limit = budget()
    participant = Counters(prepared(tmp_path, limit)).join("proxy-1")
    holding = participant.holding(account(limit), DOLLAR)
    reserved(participant.reserve([(holding, DOLLAR - 1)])).settle([DOLLAR - 1])
    assert refused(participant.reserve([(holding, 2)], wait_s=60)).reason == "limit"
    reserved(participant.reserve([(holding, 1)])).settle([1])
    assert refused(participant.reserve([(holding, 1)])).left == 0


def test_several_budgets_are_reserved_all_or_none(tmp_path: Path) -> None:
    wide, narrow = budget("wide"), budget("narrow", 3 * CENT)
    counters = Counters(prepared(tmp_path, wide, narrow))
    participant = counters.join("proxy-1")
    claims = [
        (participant.holding(account(wide), DOLLAR), 2 * CENT),
        (participant.holding(account(narrow), 3 * CENT), 2 * CENT),
    ]
    reserved(participant.reserve(claims))
    assert refused(participant.reserve(claims)).holding.account == account(narrow)
    assert counters.figures(account(wide), DOLLAR).reserved == 2 * CENT
    assert counters.figures(account(narrow), 3 * CENT).reserved == 2 * CENT


def test_a_settlement_above_its_reservation_is_counted(tmp_path: Path) -> None:
    limit = budget()
    counters = Counters(prepared(tmp_path, limit))
    participant = counters.join("proxy-1")
    holding = participant.holding(account(limit), DOLLAR)
    reserved(participant.reserve([(holding, CENT)])).settle([2 * DOLLAR])
    assert counters.figures(account(limit), DOLLAR).left == -DOLLAR
    assert refused(participant.reserve([(holding, 1)], wait_s=60)).left == -DOLLAR


def test_more_than_a_word_can_hold_is_settled_without_an_error(tmp_path: Path) -> None:
    limit = budget()
    counters = Counters(prepared(tmp_path, limit))
    participant = counters.join("proxy-1")
    holding = participant.holding(account(limit), DOLLAR)
    reserved(participant.reserve([(holding, CENT)])).settle([10**30])
    assert counters.figures(account(limit), DOLLAR).left < 0


def test_a_stream_is_extended_while_there_is_room(tmp_path: Path) -> None:
    limit = budget()
    counters = Counters(prepared(tmp_path, limit))
    participant = counters.join("proxy-1")
    holding = participant.holding(account(limit), DOLLAR)
    reservation = reserved(participant.reserve([(holding, 60 * CENT)]))
    assert reservation.extend([40 * CENT])
    assert not reservation.extend([1])
    assert reservation.amounts == (DOLLAR,)
    reservation.settle([5 * CENT])
    assert counters.figures(account(limit), DOLLAR).left == 95 * CENT


def test_an_unused_lease_keeps_nobody_out(tmp_path: Path) -> None:
    limit = budget()
    home = prepared(tmp_path, limit)
    idle, busy = Counters(home).join("proxy-1"), Counters(home).join("sdk-1")
    leased = idle.holding(account(limit), DOLLAR)
    reserved(idle.reserve([(leased, CENT)]))
    assert leased.granted > CENT
    holding = busy.holding(account(limit), DOLLAR)
    reserved(busy.reserve([(holding, 99 * CENT)]))
    assert refused(idle.reserve([(leased, 1)])).left == 0


def test_a_soft_budget_counts_and_refuses_nothing(tmp_path: Path) -> None:
    limit = budget()
    counters = Counters(prepared(tmp_path, limit))
    participant = counters.join("proxy-1")
    holding = participant.holding(account(limit), UNLIMITED)
    for _ in range(3):
        reserved(participant.reserve([(holding, DOLLAR)])).settle([DOLLAR])
    assert counters.figures(account(limit), DOLLAR).spent == 3 * DOLLAR


def test_a_lower_limit_holds_at_once(tmp_path: Path) -> None:
    limit = budget()
    participant = Counters(prepared(tmp_path, limit)).join("proxy-1")
    holding = participant.holding(account(limit), DOLLAR)
    reserved(participant.reserve([(holding, CENT)]))
    assert participant.holding(account(limit), CENT) is holding
    assert refused(participant.reserve([(holding, 1)])).left == 0


def test_nothing_passes_before_the_record_was_read(tmp_path: Path) -> None:
    limit = budget()
    home = prepared(tmp_path)
    participant = Counters(home).join("proxy-1")
    holding = participant.holding(account(limit), DOLLAR)
    assert refused(participant.reserve([(holding, 1)])).reason == "opening"
    waiting = waits(participant.reserve([(holding, CENT)], wait_s=60))
    ledger = LedgerCounters(home)
    ledger.define([account(limit).budget])
    assert ledger.opening() == {account(limit).budget}
    assert ledger.open_budget(account(limit).budget, [Spent(account(limit), NOON, 99 * CENT)], 7)
    assert isinstance(waiting.wait(), Reservation)
    assert refused(participant.reserve([(holding, 1)])).left == 0


def test_the_oldest_part_of_a_rolling_window_counts_whole(tmp_path: Path) -> None:
    limit = budget(period=Period("rolling", 3600))
    home = prepared(tmp_path, limit)
    counters, ledger = Counters(home), LedgerCounters(home)
    minute = 60 * 10**9
    now = time.time_ns() // minute * minute
    for ago in (0, 59, 60, 61):
        ledger.prepare(ago, [Spent(account(limit), now - ago * minute, ago + 1)], [])
        ledger.apply()
    assert counters.figures(account(limit), DOLLAR, now).recorded == 1 + 60 + 61
    assert counters.figures(account(limit), DOLLAR, now + minute).recorded == 1 + 60
    assert counters.figures(account(limit), DOLLAR, now + 60 * minute).recorded == 1
    assert counters.figures(account(limit), DOLLAR, now + 61 * minute).recorded == 0


def test_what_the_record_has_is_no_longer_counted_as_settled(tmp_path: Path) -> None:
    limit = budget()
    home = prepared(tmp_path, limit)
    counters, ledger = Counters(home), LedgerCounters(home)
    participant = counters.join("proxy-1")
    holding = participant.holding(account(limit), DOLLAR)
    reserved(participant.reserve([(holding, CENT)])).settle([CENT // 2])
    ledger.prepare(
        1,
        [Spent(account(limit), NOON, CENT // 2)],
        [Folded(participant.number, account(limit).key, CENT // 2)],
    )
    assert counters.figures(account(limit), DOLLAR)[1:3] == (0, CENT // 2)
    ledger.apply()
    assert counters.figures(account(limit), DOLLAR)[1:3] == (CENT // 2, 0)
