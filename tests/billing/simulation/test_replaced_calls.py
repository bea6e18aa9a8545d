"""Usage by other prices, or with another model, is the usage of a record that has them, to the pico."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from calls import DAY, NOON, TestLedger, done
from test_rerating import book, rerate

from farebox.analytics.local import LocalAsker
from farebox.analytics.questions import Questions
from farebox.billing.simulation.changed_usage import ChangedUsage
from farebox.billing.simulation.replaced_calls import OtherModel, Replacement, replaced_calls
from farebox.billing.usage import Span, Usage
from farebox.billing.usage.record_usage import RecordUsage
from farebox.charges.usage.cells import Cell
from farebox.home import Home
from farebox.journal.records import Done

CUSTOMERS = ("acme", "globex")
DIMS = ("model", "tag.feature")
PRICES = (
    "gpt-4o: {input_per_1m: 2.5, output_per_1m: 10}\ngpt-4o-mini: {input_per_1m: 0.15, output_per_1m: 0.6}"
)
DEARER = "gpt-4o: {input_per_1m: 3, output_per_1m: 12}\nbrand-new: {input_per_1m: 7, output_per_1m: 11}"
SPAN = {"customers": CUSTOMERS, "from_ns": NOON, "until_ns": NOON + 2 * DAY}


def some_call(rng: random.Random, **instead: Any) -> Done:
    attribution = {"customer": rng.choice([*CUSTOMERS, "nobody"])}
    if rng.random() < 0.6:
        attribution["tag.feature"] = rng.choice(["chat", "summary"])
    said: dict[str, Any] = {
        "model": rng.choice(["gpt-4o", "gpt-4o-mini", "brand-new"]),
        "input_tokens": rng.randrange(1_000),
        "output_tokens": rng.randrange(300),
        "attribution": attribution,
        "attribution_from": {"customer": rng.choice(["key:k1", "header:x-farebox-customer"])},
        "total_us": rng.randrange(10**6),
    }
    replaced = {name: instead[said[name]] for name in ("model",) if said[name] in instead}
    return done(NOON + rng.randrange(2 * DAY), **{**said, **replaced})


def filled(home: Home, **instead: Any) -> TestLedger:
    """Append 150 calls; `instead` are models in the place of others."""
    ledger = TestLedger(home)
    ledger.applier.use(book(PRICES))
    rng = random.Random(14)
    ledger.append(*(some_call(rng, **instead) for _ in range(150)))
    return ledger


@pytest.fixture
def usage(home: Home) -> Iterator[RecordUsage]:
    with Questions(LocalAsker(home)) as questions:
        yield RecordUsage(home, questions)


def changed(home: Home, usage: Usage, replacement: Replacement) -> ChangedUsage:
    seq = usage.as_of().seq
    return ChangedUsage(usage, replaced_calls(home, replacement, NOON, NOON + 2 * DAY, seq, DIMS))


def cells(usage: Usage, as_of: Any, **more: Any) -> list[Cell]:
    return usage.cells(Span(as_of=as_of, **{**SPAN, **more}), DIMS)


@pytest.mark.parametrize("verified", [False, True])
def test_usage_by_other_prices_is_what_rerating_the_record_makes_of_it(
    home: Home, usage: RecordUsage, verified: bool
) -> None:
    ledger = filled(home)
    as_of = usage.as_of()
    simulated = cells(changed(home, usage, Replacement(book(DEARER))), as_of, verified=verified)
    before = cells(usage, as_of, verified=verified)
    assert simulated != before
    rerate(ledger, book(DEARER), *range(1, 151), priced_too=True)
    assert simulated == cells(usage, usage.as_of(), verified=verified)
    assert cells(usage, as_of, verified=verified) == before


def test_usage_by_the_prices_in_force_is_the_record_s(home: Home, usage: RecordUsage) -> None:
    filled(home)
    as_of = usage.as_of()
    assert list(replaced_calls(home, Replacement(book(PRICES)), NOON, NOON + 2 * DAY, as_of.seq, DIMS)) == []


def test_usage_with_another_model_is_that_of_calls_that_had_asked_for_it(
    home: Home, usage: RecordUsage, tmp_path: Any
) -> None:
    filled(home)
    models = (OtherModel("gpt-4o", "gpt-4o-mini"), OtherModel("brand-new", "gpt-4o"))
    simulated = cells(changed(home, usage, Replacement(book(PRICES), models)), usage.as_of())
    other = Home(tmp_path / "other")
    other.path.mkdir(mode=0o700)
    filled(other, **{"gpt-4o": "gpt-4o-mini", "brand-new": "gpt-4o"})
    with Questions(LocalAsker(other)) as questions:
        there = RecordUsage(other, questions)
        assert simulated == cells(there, there.as_of())


def test_what_is_recorded_after_the_row_that_is_asked_about_changes_nothing(
    home: Home, usage: RecordUsage
) -> None:
    ledger = filled(home)
    as_of = usage.as_of()
    simulated = cells(changed(home, usage, Replacement(book(DEARER))), as_of)
    ledger.append(*(some_call(random.Random(15)) for _ in range(20)))
    replaced = replaced_calls(home, Replacement(book(DEARER)), NOON, NOON + 2 * DAY, as_of.seq, DIMS)
    assert cells(ChangedUsage(usage, replaced), as_of) == simulated
