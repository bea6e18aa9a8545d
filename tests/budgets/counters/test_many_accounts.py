"""Thousands of accounts: the file grows under everybody's feet, and what is over is used anew."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from budget_homes import CENT, DOLLAR, account, budget, prepared, refused, reserved

from farebox.budgets.budget import Period
from farebox.budgets.counters import Counters, Folded, LedgerCounters, Participant, Spent
from farebox.budgets.counters.file import layout
from farebox.budgets.counters.recorded import sweep
from farebox.home import Home

SESSIONS = budget("sessions", 2 * CENT, each="session")
HOUR_NS = 3600 * 10**9


def spend(participant: Participant, ledger: LedgerCounters, seq: int, names: list[str]) -> None:
    """Spend a cent in each session, and have it in the record."""
    for name in names:
        holding = participant.holding(account(SESSIONS, name), 2 * CENT)
        reserved(participant.reserve([(holding, 2 * CENT)])).settle([CENT])
    accounts = [account(SESSIONS, name) for name in names]
    ledger.prepare(
        seq,
        [Spent(each, time.time_ns(), CENT) for each in accounts],
        [Folded(participant.number, each.key, CENT) for each in accounts],
    )
    ledger.apply()


def live_accounts(home: Home) -> int:
    file = Counters(home)._shared.file
    return sum(key != 0 for key in file.column(layout.ACCOUNTS, layout.A_KEY))


def test_ten_thousand_sessions_have_a_limit_each(memory_path: Path) -> None:
    home = prepared(memory_path, SESSIONS)
    counters = Counters(home)  # mapped while the file is small
    participant, ledger = Counters(home).join("proxy-1"), LedgerCounters(home)
    names = [f"session-{number}" for number in range(10_000)]
    for seq in range(10):
        spend(participant, ledger, seq + 1, names[seq * 1000 : seq * 1000 + 1000])
    assert live_accounts(home) == 10_000
    for name in names[::97]:
        assert counters.figures(account(SESSIONS, name), 2 * CENT)[1:5] == (CENT, 0, 0, 0)
        holding = participant.holding(account(SESSIONS, name), 2 * CENT)
        assert refused(participant.reserve([(holding, CENT + 1)])).left == CENT
    spent = (home.path / "budgets" / "counters").stat()
    assert spent.st_blocks * 512 < 6 << 20


def test_a_process_that_mapped_a_small_file_uses_what_was_added_to_it(memory_path: Path) -> None:
    home = prepared(memory_path, SESSIONS)
    early, late = Counters(home).join("proxy-1"), Counters(home).join("proxy-2")
    for number in range(3 * layout.ACCOUNTS.step):
        holding = late.holding(account(SESSIONS, str(number)), 2 * CENT)
        reserved(late.reserve([(holding, 2 * CENT)]))
        holding = early.holding(account(SESSIONS, str(number)), 2 * CENT)
        assert refused(early.reserve([(holding, 1)])).left == 0


def test_the_ledger_makes_room_before_somebody_needs_it(memory_path: Path) -> None:
    home = prepared(memory_path, SESSIONS)
    participant, ledger = Counters(home).join("proxy-1"), LedgerCounters(home)
    words = participant._place.words
    for number in range(3 * layout.ACCOUNTS.step):
        if not number % 200:
            ledger.make_room()
            allocated = [words[table.allocated] for table in layout.TABLES]
        holding = participant.holding(account(SESSIONS, str(number)), 2 * CENT)
        reserved(participant.reserve([(holding, CENT)]))
        assert [words[table.allocated] for table in layout.TABLES] == allocated


def test_accounts_of_windows_that_are_over_are_used_anew(memory_path: Path) -> None:
    hourly = budget("hourly", DOLLAR, Period("hour"), each="user")
    home = prepared(memory_path, hourly)
    participant, ledger = Counters(home).join("proxy-1"), LedgerCounters(home)
    start = time.time_ns()
    for hour in range(4):
        at_ns = start + hour * HOUR_NS
        for user in range(600):
            holding = participant.holding(account(hourly, str(user), at_ns), DOLLAR)
            reserved(participant.reserve([(holding, CENT)])).settle([0])
        for _ in range(20):  # two looks, a minute apart, tell that a holding is no longer used
            participant._place._tidied_ns = participant._admission._looked_ns = 0
            participant.poll()
        ledger.sweep(at_ns + 2 * HOUR_NS)
    assert live_accounts(home) <= 600
    assert Counters(home)._shared.file.words[layout.ACCOUNTS.used] <= 1200
    file = Counters(home)._shared.file
    assert sum(owner != 0 for owner in file.column(layout.HOLDINGS, layout.G_ACCOUNT)) <= 600


def test_a_session_that_comes_back_after_it_was_let_go_is_made_from_the_record(
    memory_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "LIVE_MAX", 50)
    home = prepared(memory_path, SESSIONS)
    participant, ledger = Counters(home).join("proxy-1"), LedgerCounters(home)
    names = [f"session-{number}" for number in range(60)]
    spend(participant, ledger, 1, names)
    number = participant.number
    participant.close()
    assert ledger.remove(number)
    ledger.sweep(time.time_ns())
    assert live_accounts(home) <= 25
    successor = Counters(home).join("proxy-2")
    gone = next(
        name for name in names if not Counters(home).figures(account(SESSIONS, name), 2 * CENT).is_open
    )
    holding = successor.holding(account(SESSIONS, gone), 2 * CENT)
    assert refused(successor.reserve([(holding, CENT)])).reason == "opening"
    assert ledger.opening() == {account(SESSIONS).budget}
    rows = [Spent(account(SESSIONS, name), time.time_ns(), CENT) for name in names]
    assert ledger.open_budget(account(SESSIONS).budget, rows, 1)
    assert ledger.opening() == set()
    assert refused(successor.reserve([(holding, CENT + 1)])).left == CENT


def test_accounts_of_a_budget_that_is_gone_are_freed(memory_path: Path) -> None:
    home = prepared(memory_path, SESSIONS)
    participant, ledger = Counters(home).join("proxy-1"), LedgerCounters(home)
    spend(participant, ledger, 1, ["one"])
    number = participant.number
    participant.close()
    assert ledger.remove(number)
    assert ledger.define([])
    ledger.sweep(time.time_ns())
    assert live_accounts(home) == 0


def test_a_budget_that_changes_what_it_counts_begins_with_what_the_record_says(memory_path: Path) -> None:
    narrow = budget("all", where={"customer": ("acme",)})
    wide = budget("all", where={"customer": ("acme", "beta")})
    raised = budget("all", 2 * DOLLAR, where={"customer": ("acme",)})
    home = prepared(memory_path, narrow)
    ledger = LedgerCounters(home)
    assert account(raised) == account(narrow) and account(wide) != account(narrow)
    ledger.define([account(wide).budget])
    assert ledger.opening() == {account(wide).budget}
