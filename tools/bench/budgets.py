"""What a budget costs a call: processor time to reserve and to settle, where leases are held."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from farebox.budgets.budget import LIMIT_MAX, Budget, Period
from farebox.budgets.counters import (
    Counters,
    Holding,
    LedgerCounters,
    Participant,
    Reservation,
    account_of,
    definition_key,
)
from farebox.home import Home
from farebox.snapshot import Snapshot, encode

WORST_CASE, ACTUAL = 2 * 10**9, 3 * 10**8
CALLS, ROUNDS = 2_000, 15


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Return microseconds a call of the quietest round, with 1 and with 50 budgets."""
    found: dict[str, Any] = {}
    for count in (1, 50):
        with tempfile.TemporaryDirectory() as folder:
            found[f"{count} budget{'s' if count > 1 else ''}"] = (
                f"{_measure(Path(folder), count, rounds):.2f} µs"
            )
    return found


def home_with(folder: Path, count: int) -> list[Budget]:
    """Prepare a home with so many published budgets, of which the ledger has said that nothing is spent."""
    budgets = [
        Budget(name=f"b{number}", limit_pico=LIMIT_MAX, period=Period("day")) for number in range(count)
    ]
    home = Home(folder)
    home.prepare()
    ledger = LedgerCounters(home)
    ledger.recover(0)
    ledger.define([definition_key(budget) for budget in budgets])
    for definition in ledger.opening():
        ledger.open_budget(definition, [], 0)
    ledger.close()
    home.snapshot.parent.mkdir(mode=0o700, exist_ok=True)
    home.snapshot.write_bytes(encode(Snapshot(budgets=tuple(budgets))))
    home.snapshot.chmod(0o600)
    return budgets


def _measure(folder: Path, count: int, rounds: int) -> float:
    budgets = home_with(folder, count)
    participant = Counters(Home(folder)).join("bench")
    now = time.time_ns()
    holdings = [participant.holding(account_of(budget, None, now), LIMIT_MAX) for budget in budgets]
    amounts = [ACTUAL] * count
    times: list[float] = []
    for _ in range(rounds):
        before = time.thread_time_ns()
        for _ in range(CALLS):
            _call(participant, holdings, amounts)
        times.append((time.thread_time_ns() - before) / CALLS / 1000)
    participant.close()
    return min(times)


def _call(participant: Participant, holdings: list[Holding], amounts: list[int]) -> None:
    outcome = participant.reserve([(holding, WORST_CASE) for holding in holdings])
    assert isinstance(outcome, Reservation)
    outcome.settle(amounts)


if __name__ == "__main__":
    print(measure())
