"""A home with budgets whose accounts are open, as the ledger leaves them."""

from __future__ import annotations

from pathlib import Path

from farebox.budgets.budget import Budget, Period
from farebox.budgets.counters import (
    Account,
    LedgerCounters,
    Refused,
    Reservation,
    Waiting,
    account_of,
    definition_key,
)
from farebox.home import Home

CENT = 10**10
DOLLAR = 10**12
NOON = 1_790_000_000 * 10**9


def budget(name: str = "all", limit: int = DOLLAR, period: Period | None = None, **more: object) -> Budget:
    """Return a budget for ever, if no period is given."""
    return Budget(name=name, limit_pico=limit, period=period or Period("ever"), **more)  # type: ignore[arg-type]


def prepared(path: Path, *budgets: Budget) -> Home:
    """Return a home in which nothing was spent, and whose ledger has said so."""
    home = Home(path)
    home.prepare()
    ledger = LedgerCounters(home)
    ledger.recover(0)
    ledger.define([definition_key(each) for each in budgets])
    for each in ledger.opening():
        assert ledger.open_budget(each, [], 0)
    ledger.close()
    return home


def account(of: Budget, value: str | None = None, at_ns: int = NOON) -> Account:
    return account_of(of, value, at_ns)


def reserved(outcome: Reservation | Waiting | Refused) -> Reservation:
    assert isinstance(outcome, Reservation), outcome
    return outcome


def waits(outcome: Reservation | Waiting | Refused) -> Waiting:
    assert isinstance(outcome, Waiting), outcome
    return outcome


def refused(outcome: Reservation | Waiting | Refused) -> Refused:
    assert isinstance(outcome, Refused), outcome
    return outcome
