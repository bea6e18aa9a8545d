"""What can go wrong around the file: processes that stand still or fork, full disks, damage, other files."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from budget_homes import CENT, DOLLAR, NOON, account, budget, prepared, refused, reserved, waits
from tests.mounts import fill, small_disk

from farebox.budgets.counters import Counters, LedgerCounters, Reservation, Spent
from farebox.budgets.counters.file import layout
from farebox.errors import CountersError, CountersNewerError
from farebox.home import Home

ALL = budget()
KEY = account(ALL).budget

STANDS_STILL = """
import os, signal, sys
from pathlib import Path
from budget_homes import account, budget, CENT, DOLLAR
from farebox.budgets.counters import Counters
from farebox.home import Home

participant = Counters(Home(Path(sys.argv[1]))).join("proxy-still")
holding = participant.holding(account(budget()), DOLLAR)
reservation = participant.reserve([(holding, CENT)])
assert holding.granted > CENT
if sys.argv[2] == "lock":
    assert participant._shared.enter() is not None
print(participant.number, flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
if sys.argv[2] == "lock":
    participant._shared.leave()
outcome = participant.reserve([(holding, CENT // 2)])
print(type(outcome).__name__, flush=True)
reservation.settle([CENT // 2])
"""


@contextlib.contextmanager
def standing_still(home: Home, what: str) -> Iterator[subprocess.Popen[str]]:
    """Have a process that has a cent in flight and is stopped, with a lease or within the lock."""
    here = Path(__file__).parent
    process = subprocess.Popen(
        [sys.executable, "-c", STANDS_STILL, str(home.path), what],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(here)},
    )
    assert process.stdout is not None and process.stdout.readline()
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    with process:
        yield process
        process.kill()


def test_a_process_that_stands_still_keeps_only_what_it_has_in_flight(tmp_path: Path) -> None:
    home = prepared(tmp_path, ALL)
    with standing_still(home, "lease") as still:
        participant = Counters(home).join("proxy-1")
        holding = participant.holding(account(ALL), DOLLAR)
        whole = reserved(participant.reserve([(holding, 99 * CENT)]))
        assert refused(participant.reserve([(holding, 1)])).left == 0
        os.kill(still.pid, signal.SIGCONT)
        assert still.communicate()[0] == "Refused\n", "it finds its lease gone before it uses it"
        whole.settle([99 * CENT])
        assert Counters(home).figures(account(ALL), DOLLAR).left == CENT // 2


def test_a_process_that_stands_still_with_the_lock_makes_others_wait_and_pass_no_limit(
    tmp_path: Path,
) -> None:
    home = prepared(tmp_path, ALL)
    leased = Counters(home).join("proxy-1")
    with_lease = leased.holding(account(ALL), DOLLAR)
    reserved(leased.reserve([(with_lease, CENT)])).settle([0])
    other = Counters(home).join("proxy-2")
    with standing_still(home, "lock") as still:
        reserved(leased.reserve([(with_lease, CENT)])).settle([0])  # needs no lock
        holding = other.holding(account(ALL), DOLLAR)
        before = time.thread_time()
        waiting = waits(other.reserve([(holding, CENT)], wait_s=600))
        brief = waits(other.reserve([(holding, CENT)]))
        assert time.thread_time() - before < 0.1
        other.poll()
        assert waiting.outcome is None
        brief.deadline_ns = 0
        assert refused(brief.wait()).reason == "unusable"
        os.kill(still.pid, signal.SIGCONT)
        assert isinstance(waiting.wait(), Reservation)


def test_a_ledger_that_cannot_have_the_lock_counts_later(tmp_path: Path) -> None:
    home = prepared(tmp_path, ALL)
    ledger = LedgerCounters(home)
    rows = [Spent(account(ALL), NOON, CENT), Spent(account(ALL, "new"), NOON, CENT)]
    with standing_still(home, "lock"):
        assert not ledger.prepare(1, rows, []), "there is an account to be made"
        assert ledger.seq == 0
    assert ledger.prepare(1, rows, [])
    ledger.apply()
    assert (ledger.seq, ledger.opening()) == (1, set())
    for each in rows:
        assert Counters(home).figures(each.account, DOLLAR)[:2] == (DOLLAR, CENT)


def test_a_fork_holds_nothing_of_its_parent(tmp_path: Path) -> None:
    home = prepared(tmp_path, ALL)
    counters = Counters(home)
    participant = counters.join("proxy-1")
    holding = participant.holding(account(ALL), DOLLAR)
    reservation = reserved(participant.reserve([(holding, CENT)]))
    release, released = os.pipe()
    ready, is_ready = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            reservation.settle([CENT])
            is_refused = refused(participant.reserve([(holding, CENT)])).reason == "unusable"
            own = Counters(home).join("proxy-child")
            mine = own.holding(account(ALL), DOLLAR)
            reserved(own.reserve([(mine, CENT)])).settle([CENT])
            code = 0 if is_refused and not participant.is_ours else 1
            os.close(released)
            os.write(is_ready, b"1")
            os.read(release, 1)
        finally:
            os._exit(code)
    os.close(release)
    assert os.read(ready, 1)
    ledger = LedgerCounters(home)
    reservation.settle([2 * CENT])
    participant.close()
    states = {state.number: state.is_alive for state in ledger.participants()}
    assert states[participant.number] is False, "a child does not keep its parent alive"
    os.close(released)
    assert os.waitpid(child, 0)[1] == 0
    assert counters.figures(account(ALL), DOLLAR).settled == 3 * CENT


FORKS_WITHIN_THE_LOCK = """
import os, signal, sys, time
from pathlib import Path
from farebox.budgets.counters import Counters
from farebox.home import Home

counters = Counters(Home(Path(sys.argv[1])))
participant = counters.join("proxy-1")
assert counters._shared.enter() is not None
if not os.fork():
    print(os.getpid(), flush=True)
    os.kill(os.getppid(), signal.SIGKILL)
time.sleep(600)
"""


def test_a_child_of_a_process_killed_within_the_lock_does_not_hold_it(tmp_path: Path) -> None:
    home = prepared(tmp_path, ALL)
    read, written = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", FORKS_WITHIN_THE_LOCK, str(home.path)], stdout=written
    ) as parent:
        os.close(written)
        child = int(os.read(read, 100))
    os.close(read)
    try:
        assert parent.returncode == -signal.SIGKILL
        (dead,) = LedgerCounters(home).participants()
        assert not dead.is_alive
        participant = Counters(home).join("proxy-2")
        holding = participant.holding(account(ALL), DOLLAR)
        reserved(participant.reserve([(holding, DOLLAR)]))
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_full_disk_is_an_error_at_the_start_and_no_signal_later(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        home = Home(disk / "home")
        home.prepare()
        hog = fill(disk)
        with pytest.raises(CountersError, match="No space left"):
            Counters(home)
        hog.unlink()
        prepared(disk / "home", ALL)
        participant = Counters(home).join("proxy-1")
        fill(disk)
        refusals = 0
        for number in range(layout.ACCOUNTS.step + 20):
            claims = [(participant.holding(account(ALL, f"session-{number}"), DOLLAR), CENT)]
            outcome = participant.reserve(claims)
            if isinstance(outcome, Reservation):
                outcome.settle([CENT])
            else:
                assert refused(outcome).reason == "unusable"
                refusals += 1
        assert refusals == 20
        holding = participant.holding(account(ALL, "session-0"), DOLLAR)
        reserved(participant.reserve([(holding, CENT)])).settle([CENT])


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    home = prepared(tmp_path, ALL)
    Counters(home)._shared.file.words[layout.H_VERSION] = layout.VERSION + 1
    before = (home.path / "budgets" / "counters").read_bytes()[:4096]
    with pytest.raises(CountersNewerError, match="newer Farebox"):
        Counters(home)
    assert (home.path / "budgets" / "counters").read_bytes()[:4096] == before


@pytest.mark.parametrize("word", (layout.H_BOOT, layout.H_MAGIC, layout.H_EPOCH, layout.ACCOUNTS.used))
def test_a_file_of_another_boot_or_none_of_ours_is_made_anew_from_the_record(
    tmp_path: Path, word: int
) -> None:
    home = prepared(tmp_path, ALL)
    ledger = LedgerCounters(home)
    ledger.define([KEY])
    ledger.prepare(1, [Spent(account(ALL), NOON, CENT)], [])
    ledger.apply()
    ledger.close()
    Counters(home)._shared.file.words[word] = -7
    participant = Counters(home).join("proxy-1")
    holding = participant.holding(account(ALL), DOLLAR)
    assert refused(participant.reserve([(holding, CENT)])).reason == "opening"
    successor = LedgerCounters(home)
    successor.recover(1)
    successor.define([KEY])
    assert successor.opening() == {KEY}
    assert successor.open_budget(KEY, [Spent(account(ALL), NOON, 40 * CENT)], 1)
    reserved(participant.reserve([(holding, 60 * CENT)]))


@pytest.mark.parametrize("how", ("removed", "replaced", "cut short"))
def test_what_is_in_flight_is_held_in_the_next_file_too(tmp_path: Path, how: str) -> None:
    home = prepared(tmp_path, ALL)
    participant = Counters(home).join("proxy-1")
    holding = participant.holding(account(ALL), DOLLAR)
    in_flight = reserved(participant.reserve([(holding, 30 * CENT)]))
    former = participant.number
    path = home.path / "budgets" / "counters"
    if how == "replaced":
        Counters(home)._shared.replace()
    else:
        path.rename(path.with_name("away"))
        if how == "cut short":
            path.write_bytes(bytes(5000))
    ledger = LedgerCounters(home)
    ledger.define([KEY])
    ledger.recover(0)
    assert ledger.opening() == {KEY}
    assert not ledger.open_budget(KEY, [], 0), "somebody is not here yet"
    participant._admission._looked_ns = 0
    participant.poll()
    assert participant.number != former
    assert ledger.open_budget(KEY, [], 0)
    figures = Counters(home).figures(account(ALL), DOLLAR)
    assert figures[1:4] == (0, 0, 30 * CENT)
    assert refused(participant.reserve([(holding, 71 * CENT)])).left == 70 * CENT
    in_flight.settle([10 * CENT])
    assert Counters(home).figures(account(ALL), DOLLAR)[1:4] == (0, 10 * CENT, 0)


@pytest.mark.parametrize("seed", range(200 if os.environ.get("FAREBOX_LONG") else 15))
def test_random_damage_is_replaced_or_harmless_and_ends_nobody(memory_path: Path, seed: int) -> None:
    random_ = random.Random(seed)
    home = prepared(memory_path, ALL)
    participant = Counters(home).join("proxy-1")
    holdings = [participant.holding(account(ALL, str(number)), DOLLAR) for number in range(5)]
    for holding in holdings:
        reserved(participant.reserve([(holding, CENT)])).settle([CENT])
    words = Counters(home)._shared.file.words
    tables = [layout.H_TABLES, *(table.start for table in layout.TABLES), layout.BUCKET]
    for _ in range(20):
        words[random_.choice(tables) + random_.randrange(100)] = random_.choice(
            (-1, 0, 1, 1 << 40, random_.getrandbits(63))
        )
    for holding in holdings:
        participant._place.give_back(holding)
        participant.reserve([(holding, CENT)], wait_s=60)
    participant.poll()
    Counters(home)
    ledger = LedgerCounters(home)
    ledger.recover(0)
    ledger.define([KEY])
    ledger.sweep(NOON)
    ledger.opening()
    participant.close()
