"""As many calls as there were, whatever was seen of each, and in whatever order it comes."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from calls import NOON, PICO_PER_TOKEN, SECOND, TestLedger, batch, sums_of
from physical_calls import physical_calls, shuffled, witness

from farebox.clock import now_ns, uuid7, uuid_bytes
from farebox.journal.records import Done
from farebox.ledger import verify
from farebox.ledger.append.applier import Applied, Applier
from farebox.ledger.call_row import CallRow, WitnessRow
from farebox.ledger.calls import LedgerReader
from farebox.ledger.witnesses import group, joining, matching, sighting
from farebox.ledger.witnesses.sighting import Facts

LONG = bool(os.environ.get("FAREBOX_LONG"))
COUNT, SEEDS = (10_000, 10) if LONG else (400, 6)


class Forgetful:
    """An applier that drops what can be made again, before every other batch."""

    def __init__(self, applier: Applier, chance: random.Random) -> None:
        self._applier = applier
        self._chance = chance

    def apply(self, *what: Any, **how: Any) -> Applied:
        if self._chance.random() < (0.05 if LONG else 0.5):
            applier: Any = self._applier
            joined = applier._joining
            with applier._connection:
                joined.forget_old(now_ns() + SECOND)
                assert joined._since is None or joined._sightings.first == 0
        return self._applier.apply(*what, **how)


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


@pytest.mark.parametrize("forgetful", [False, True])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_there_are_as_many_rows_as_physical_calls(
    ledger: TestLedger, monkeypatch: pytest.MonkeyPatch, seed: int, forgetful: bool
) -> None:
    """`forgetful`: what witnesses are compared with is dropped again and again, and made again each time."""
    chance = random.Random(seed)
    calls = physical_calls(chance, COUNT)
    if forgetful:
        monkeypatch.setattr(joining, "_AFTER_COVERING_NS", 0)
        monkeypatch.setattr(ledger, "applier", Forgetful(ledger.applier, chance))
    append_all(ledger, shuffled(chance, calls), chance)
    rows = list(LedgerReader(ledger.home).export())
    assert len(rows) == len(calls)
    sums = sums_of(ledger.home)
    assert sums.calls == len(calls)
    assert sums.input_tokens == sum(call.input_tokens for call in calls)
    assert sums.cost_pico == sum((call.input_tokens + 5) * PICO_PER_TOKEN for call in calls)
    seen = {
        frozenset((uuid_bytes(each.event_id), each.source) for each in row.witnesses or [row]) for row in rows
    }
    assert seen == {call.identities for call in calls}
    assert sorted(row.attribution.get("customer", "") for row in rows) == sorted(
        call.customer for call in calls
    )
    assert verify(ledger.home).problems == []


def rows_of(ledger: TestLedger, seed: int) -> tuple[int, int]:
    chance = random.Random(seed)
    calls = physical_calls(chance, 200)
    append_all(ledger, shuffled(chance, calls), chance)
    return sums_of(ledger.home).calls, len(calls)


@pytest.mark.parametrize("name", ["look_alike", "certainty"])
def test_without_a_rule_calls_would_be_counted_twice(
    ledger: TestLedger, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(matching, name, lambda one, other: 0)
    counted, calls = rows_of(ledger, 1)
    assert counted > calls


@pytest.mark.parametrize("name", ["are_apart", "are_elsewhere"])
def test_without_what_tells_calls_apart_some_would_be_lost(
    ledger: TestLedger, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def only_kinds(one: Facts, other: Facts) -> bool:
        return one.kind == other.kind

    monkeypatch.setattr(sighting, "are_elsewhere", only_kinds)
    monkeypatch.setattr(matching, "are_elsewhere", only_kinds)
    if name == "are_apart":
        monkeypatch.setattr(group, "are_apart", only_kinds)
    counted, calls = rows_of(ledger, 1)
    assert counted < calls


@pytest.mark.parametrize("kinds", [("proxy", "sdk"), ("proxy", "sdk", "otlp")])
@pytest.mark.parametrize("order", ["by chance", "by kind"])
@pytest.mark.parametrize("seconds", [1, 10])
def test_of_many_calls_that_nothing_tells_apart_each_gets_one_witness_of_a_kind(
    ledger: TestLedger, kinds: tuple[str, ...], order: str, seconds: int
) -> None:
    chance = random.Random(seconds)
    count = 3_000 if LONG else 200
    began = [NOON + chance.randrange(seconds * SECOND) for _ in range(count)]
    seen = [
        witness(kind, at + chance.randrange(SECOND), event_id=uuid7(at)) for at in began for kind in kinds
    ]
    chance.shuffle(seen)
    if order == "by kind":
        seen.sort(key=lambda each: each.witness)
    append_all(ledger, seen, chance)
    found = list(LedgerReader(ledger.home).export())
    assert len(found) == sums_of(ledger.home).calls == count
    assert all([each.kind for each in sorted_witnesses(row)] == sorted(kinds) for row in found)
    assert verify(ledger.home).problems == []


def sorted_witnesses(row: CallRow) -> list[WitnessRow]:
    return sorted(row.witnesses, key=lambda each: each.kind)
