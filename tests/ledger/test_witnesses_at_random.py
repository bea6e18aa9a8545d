"""As many calls as there were, whatever was seen of each, and in whatever order it comes."""

from __future__ import annotations

import os
import random

import pytest
from calls import PICO_PER_TOKEN, TestLedger, batch, sums_of
from physical_calls import physical_calls, shuffled

from farebox.clock import uuid_bytes
from farebox.journal.records import Done
from farebox.ledger import verify
from farebox.ledger.calls import LedgerReader

LONG = bool(os.environ.get("FAREBOX_LONG"))
COUNT, SEEDS = (10_000, 10) if LONG else (400, 6)


def append_all(ledger: TestLedger, records: list[Done], chance: random.Random) -> None:
    """Append records in batches, some of them twice."""
    at = 0
    while at < len(records):
        size = chance.choice([1, 2, 10, 100, 500])
        some = records[at : at + size]
        if chance.random() < 0.2:
            some = some + chance.sample(records[: at + 1], 1)
            ledger.applier.apply("w", [batch(*some)], look_for_duplicates=True)
        else:
            ledger.applier.apply("w", [batch(*some)])
        at += size


@pytest.mark.parametrize("seed", range(SEEDS))
def test_there_are_as_many_rows_as_physical_calls(ledger: TestLedger, seed: int) -> None:
    chance = random.Random(seed)
    calls = physical_calls(chance, COUNT)
    append_all(ledger, shuffled(chance, calls), chance)
    rows = list(LedgerReader(ledger.home).export())
    assert len(rows) == len(calls)
    sums = sums_of(ledger.home)
    assert sums.calls == len(calls)
    assert sums.input_tokens == sum(call.input_tokens for call in calls)
    assert sums.cost_pico == sum((call.input_tokens + 5) * PICO_PER_TOKEN for call in calls)
    seen = {frozenset((uuid_bytes(each.event_id), each.source) for each in row.witnesses) for row in rows}
    assert seen == {call.identities for call in calls}
    assert sorted(row.attribution.get("customer", "") for row in rows) == sorted(
        call.customer for call in calls
    )
    assert verify(ledger.home).problems == []
