"""`kill -9` of the ledger and of a writer at random moments: every exchange is one row, exactly."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ledger_writers import Spawned

from farebox.home import Home
from farebox.ledger import verify
from farebox.ledger.calls import LedgerReader

ROUNDS = int(os.environ.get("FAREBOX_FAULT_ROUNDS", "4"))
pytestmark = pytest.mark.timeout(300 + 10 * ROUNDS)
STREAMS = 50


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.prepare()
    return made


def acknowledged(printed: str) -> dict[str, int]:
    """Return id and input tokens of every exchange whose line is whole."""
    lines = [line.split() for line in printed.split("\n")[:-1] if line]
    return {event_id: int(tokens) for event_id, tokens in lines}


def start_ledger(home: Home) -> Spawned:
    """Start a ledger process and wait until it works."""
    process = Spawned("ledger", str(home.path))
    wait_until(lambda: (home.run / "ledger.json").exists() and LedgerReader(home).health().running)
    return process


def settle(home: Home) -> None:
    """Let a ledger process run until nothing is pending, then stop it in peace."""
    (home.run / "ledger.json").unlink(missing_ok=True)
    process = start_ledger(home)
    wait_until(lambda: not any(home.journal.iterdir()))
    assert process.terminate() == 0
    assert LedgerReader(home).health().in_flight == 0


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(30_000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never happened")


def compare(home: Home, seen: dict[str, int]) -> None:
    rows = list(LedgerReader(home).export())
    ids = [row.event_id.replace("-", "") for row in rows]
    assert len(ids) == len(set(ids)), "an exchange has two rows"
    by_id = dict(zip(ids, rows, strict=True))
    missing = seen.keys() - by_id.keys()
    assert not missing, f"{len(missing)} acknowledged exchanges have no row"
    for event_id, tokens in seen.items():
        assert (by_id[event_id].outcome, by_id[event_id].input_tokens) == ("completed", tokens)
    begun = [row for row in rows if row.event_id.replace("-", "") not in seen]
    # Killed between the end's record and its line, an exchange is complete though unacknowledged.
    assert all(row.outcome in ("unknown", "completed") for row in begun)
    report = verify(home)
    assert report.ok, report.problems


def test_killing_the_ledger_under_load_neither_loses_nor_repeats_a_row(home: Home) -> None:
    rng = random.Random(11)
    seen: dict[str, int] = {}
    for _ in range(ROUNDS):
        ledger = Spawned("ledger", str(home.path))
        writer = Spawned("write", str(home.path), str(STREAMS))
        writer.wait_for_output()
        time.sleep(rng.random() * 0.5)
        ledger.kill()
        seen |= acknowledged(writer.kill())
    settle(home)
    assert seen
    compare(home, seen)


def test_killing_a_writer_leaves_a_row_for_everything_it_had_begun(home: Home) -> None:
    rng = random.Random(12)
    seen: dict[str, int] = {}
    for _ in range(ROUNDS):
        writer = Spawned("write", str(home.path), str(STREAMS))
        writer.wait_for_output()
        time.sleep(rng.random() * 0.2)
        seen |= acknowledged(writer.kill())
    settle(home)
    compare(home, seen)
    unknown = sum(row.outcome == "unknown" for row in LedgerReader(home).export())
    assert ROUNDS * (STREAMS - 2) <= unknown <= ROUNDS * STREAMS


def test_acknowledging_before_the_record_is_caught(home: Home) -> None:
    """The negative control: with `ack-early` some acknowledged exchange must be missing its end."""
    rng = random.Random(13)
    for _ in range(200):
        writer = Spawned("write", str(home.path), "1", "ack-early")
        writer.wait_for_output()
        time.sleep(rng.random() * 0.05)
        seen = acknowledged(writer.kill())
        settle(home)
        try:
            compare(home, seen)
        except AssertionError:
            return
    pytest.fail("acknowledging early went unnoticed")


def test_a_second_ledger_exits_with_75_at_once_and_a_stale_lock_is_no_lock(home: Home) -> None:
    first = start_ledger(home)
    second = Spawned("ledger", str(home.path))
    assert second.wait() == 75
    first.kill()
    assert not LedgerReader(home).health().running
    (home.run / "ledger.json").unlink()
    third = start_ledger(home)
    assert third.terminate() == 0
    assert not (home.run / "ledger.json").exists()
