"""Sums that are kept up with the newest rows equal what the replica says of the same rows."""

from __future__ import annotations

import random
from typing import Any

import pytest
from ledgers import DAY, MINUTE, SECOND, START, Record, traffic

from farebox.analytics.live_sums import LiveSums
from farebox.analytics.questions import Questions, Selection
from farebox.ledger.feed import Feed

NOW = START + 2 * DAY
WHERE: list[dict[str, Any]] = [
    {},
    {"provider": ["openai"], "user": ["ann", ""]},
    {"status": ["4xx", "0"], "streamed": ["true"]},
    {"tag.feature": ["search, and more"], "source": ["proxy:test"]},
    {"step": ["plan", ""], "key": ["k1"]},
    {"model": ["gpt-4o"]},
    {"cost_state": ["unpriced"], "customer": ["o'neill"]},
]


def chosen_after(live: LiveSums, record: Record, limit: int) -> list[int]:
    calls: list[int] = []
    while (batch := Feed(record.connection).after(live.seq, limit)).rows:
        calls += live.add(batch).calls
    return calls


@pytest.mark.parametrize("where", WHERE)
def test_live_sums_equal_the_replica_after_any_rows_and_corrections(
    record: Record, questions: Questions, where: dict[str, list[str]]
) -> None:
    rng = random.Random(4)
    record.append(traffic(rng, 400, days=2))
    chosen = Selection(where=where, families="model" in where)
    live = LiveSums(chosen)
    live.begin(*questions.answers(*live.base_questions(START, NOW)))
    begun = live.seq
    firsts = list(range(1, 401))
    for _ in range(3):
        firsts += record.append(traffic(rng, 200, days=2))
        late = [{**call, "occurred_at": NOW - rng.randrange(90 * SECOND)} for call in traffic(rng, 60)]
        firsts += record.append(late)
        for first in rng.sample(firsts, 60):
            record.correct(first, cost_pico=rng.randrange(10**12), cost_state="priced", customer="moved")
    listed = chosen_after(live, record, rng.randrange(50, 400))

    def total(since: int, until: int) -> Any:
        asked = Selection(since_ns=since, until_ns=until, where=where, families=chosen.families)
        return questions.totals(asked)[0]

    assert live.since_minute(START, NOW + DAY) == total(START, NOW + DAY)
    assert live.since_minute(NOW - 60 * MINUTE, NOW) == total(NOW - 60 * MINUTE, NOW)
    assert live.since_second(NOW - 60 * SECOND, NOW) == total(NOW - 60 * SECOND, NOW)
    assert live.minute(NOW - MINUTE) == total(NOW - MINUTE, NOW)
    if not where:
        assert listed == questions.calls(chosen, 10_000, after_seq=begun)
    live.forget(NOW - MINUTE, NOW)
    assert live.since_minute(START, NOW) == total(NOW - MINUTE, NOW)


def test_live_sums_begin_as_the_record_was_at_an_earlier_row(record: Record, questions: Questions) -> None:
    rng = random.Random(9)
    record.append(traffic(rng, 100, days=1))
    record.append(traffic(rng, 50, days=1))
    record.correct(3, cost_pico=77, cost_state="priced")
    live = LiveSums(Selection(), as_of_seq=100)
    live.begin(*questions.answers(*live.base_questions(START, NOW)))
    assert live.since_minute(START, NOW).calls == 100
    assert chosen_after(live, record, 1_000) == list(range(101, 151))
    assert live.since_minute(START, NOW) == questions.totals(Selection())[0]
