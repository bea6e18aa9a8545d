"""Several real processes that share one limit, and are killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from budget_homes import CENT, DOLLAR, account, budget, prepared
from spending_ledger import SpendingLedger

from farebox.budgets.counters import Counters
from farebox.home import Home

SEEDS = range(50 if os.environ.get("FAREBOX_LONG") else 2)
PROCESSES = ("proxy-1", "proxy-2", "proxy-3", "proxy-4", "sdk-1", "sdk-2")
CALLS, WORST = 500, 2 * CENT


def spender(home: Home, writer: str, calls: int, seed: int) -> subprocess.Popen[str]:
    arguments = (home.path, writer, calls, 500 // len(PROCESSES), seed, DOLLAR, WORST, 120)
    here = Path(__file__).parent
    return subprocess.Popen(
        [sys.executable, str(here / "spender.py"), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(here)},
    )


def check_the_end(home: Home, ledger: SpendingLedger) -> None:
    """Nothing is in flight: the limit was not passed, it was used, and what is shown is what was spent."""
    ledger.follow()
    assert not ledger.counters.participants()
    figures = Counters(home).figures(account(budget()), DOLLAR)
    assert figures[1:4] == (ledger.total, 0, 0)
    assert 90 * CENT <= ledger.total <= DOLLAR


@pytest.mark.parametrize("seed", SEEDS)
def test_six_processes_use_a_limit_up_and_never_pass_it(tmp_path: Path, seed: int) -> None:
    home = prepared(tmp_path, budget())
    ledger = SpendingLedger(home, DOLLAR)
    running = [
        spender(home, writer, CALLS // len(PROCESSES) + 1, seed * 100 + number)
        for number, writer in enumerate(PROCESSES)
    ]
    while any(process.poll() is None for process in running):
        ledger.follow()
        assert Counters(home).figures(account(budget()), DOLLAR).left >= 0
        time.sleep(0.01)
    for process in running:
        stdout, _ = process.communicate()
        assert process.returncode == 0
        assert set(json.loads(stdout)["refusals"]) <= {"limit"}, "nobody waited in vain"
    check_the_end(home, ledger)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_limit_holds_while_each_process_is_killed_in_turn_twice(tmp_path: Path, seed: int) -> None:
    random_ = random.Random(seed)
    home = prepared(tmp_path, budget())
    ledger = SpendingLedger(home, DOLLAR)
    running: dict[str, subprocess.Popen[str]] = {
        writer: spender(home, writer, CALLS // len(PROCESSES), seed * 100 + number)
        for number, writer in enumerate(PROCESSES)
    }
    all_ = list(running.values())
    for around in range(2):
        for writer in PROCESSES:
            until = time.monotonic() + random_.uniform(0.05, 0.4)
            while time.monotonic() < until:
                ledger.follow()
                time.sleep(0.005)
            os.kill(running[writer].pid, signal.SIGKILL)
            running[writer].wait()
            running[writer] = spender(
                home, f"{writer}-{around}", CALLS // len(PROCESSES), random_.randrange(10**6)
            )
            all_.append(running[writer])
            assert Counters(home).figures(account(budget()), DOLLAR).left >= 0
    while any(process.poll() is None for process in all_):
        ledger.follow()
        time.sleep(0.01)
    for process in all_:
        process.communicate()
    check_the_end(home, ledger)
