from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from ledgers import DAY, START, Record, measured, traffic

from farebox.analytics import worker as workers
from farebox.analytics.local import LocalAsker
from farebox.analytics.questions import Questions, Selection
from farebox.analytics.worker import Worker
from farebox.errors import UsageError

KILLS = int(os.environ.get("FAREBOX_KILLS", "12"))


@pytest.fixture
def worker(record: Record) -> Iterator[Worker]:
    made = Worker(record.home)
    yield made
    made.close()


def test_a_worker_answers_and_covers_what_came_since(record: Record, worker: Worker) -> None:
    questions = Questions(worker)
    record.append([{"occurred_at": START, "cost_pico": 2**63 - 1}] * 3)
    assert questions.totals(Selection())[0].cost_pico == 3 * (2**63 - 1)
    record.append([{"occurred_at": START, "cost_pico": 5}])
    assert questions.totals(Selection())[0].calls == 4
    assert questions.last_seq() == 4


def test_a_question_that_cannot_be_asked_leaves_the_worker_as_it_is(record: Record, worker: Worker) -> None:
    record.append([{"occurred_at": START}])
    questions = Questions(worker)
    assert questions.last_seq() == 1
    before = worker.pid
    with pytest.raises(UsageError, match="there is no dimension 'nonsense'"):
        questions.breakdown(Selection(), ["nonsense"])
    assert worker.pid == before


def test_a_worker_that_was_killed_is_replaced_within_the_question(record: Record, worker: Worker) -> None:
    record.append([{"occurred_at": START}])
    questions = Questions(worker)
    questions.last_seq()
    first = worker.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert questions.totals(Selection())[0].calls == 1
    assert worker.pid != first


def test_a_worker_leaves_when_nobody_asks_and_lets_go_of_the_file(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.0)
    reading, writing = os.pipe()
    assert workers.serve(record.home, reading, writing) == 0
    questions = Questions(LocalAsker(record.home, owner=True))
    assert questions.last_seq() == 0
    questions.close()
    os.close(reading)
    os.close(writing)


def test_a_worker_that_is_killed_while_it_copies_loses_and_doubles_nothing(record: Record) -> None:
    rng = random.Random(5)
    some = traffic(rng, 3_000)
    firsts: list[int] = []
    for _ in range(KILLS):
        firsts += record.append(some)
        for first in rng.sample(firsts, 20):
            record.correct(first, cost_pico=rng.randrange(10**12), cost_state="priced")
        worker = Worker(record.home)
        asking = threading.Thread(target=lambda worker=worker: _ask(worker))
        asking.start()
        while worker.pid is None:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.6)
        if (pid := worker.pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        asking.join()
        worker.close()
    questions = Questions(LocalAsker(record.home, owner=True))
    expected = measured(list(record.now.values()))
    assert questions.totals(Selection())[0] == expected
    half = Selection(until_ns=START + 2 * DAY)
    early = [call for call in record.now.values() if call["occurred_at"] < START + 2 * DAY]
    assert questions.totals(half)[0] == measured(early)
    questions.close()


def _ask(worker: Worker) -> None:
    Questions(worker).totals(Selection())
