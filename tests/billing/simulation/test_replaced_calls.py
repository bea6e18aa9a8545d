"""Usage by other prices, or with another model, is the usage of a record that has them, to the pico."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from calls import DAY, NOON, TestLedger, done
from msgspec.structs import replace
from test_rerating import book, rerate

from farebox.analytics.local import LocalAsker
from farebox.analytics.questions import Questions
from farebox.billing.simulation import replaced_calls as module
from farebox.billing.simulation.changed_usage import ChangedUsage
from farebox.billing.simulation.replaced_calls import OtherModel, Replacement, replaced_calls
from farebox.billing.usage import Span, Usage
from farebox.billing.usage.record_usage import RecordUsage
from farebox.charges.usage.cells import Cell
from farebox.home import Home
from farebox.journal.records import Done
from farebox.pricing.book import PriceBook

CUSTOMERS = ("acme", "globex")
DIMS = ("agent", "model", "step", "tag.feature")
CALLS = 300
PRICES = """
gpt-4o: {input_per_1m: 2.5, output_per_1m: 10, cache_read_per_1m: 1.25}
gpt-4o-mini: {input_per_1m: 0.15, output_per_1m: 0.6, markup: 1.3}
"""
OTHER_PRICES = """
gpt-4o: {input_per_1m: 3, output_per_1m: 12, cache_read_per_1m: 0.3333333333}
brand-new: {input_per_1m: 7, output_per_1m: 11}
"""
SAME_SUM = """
gpt-4o: {input_per_1m: 10, output_per_1m: 2.5, cache_read_per_1m: 1.25}
gpt-4o-mini: {input_per_1m: 0.15, output_per_1m: 0.6, markup: 1.3}
"""
CONTRACTS = (
    "ours: {with: provider, for: {customer: acme}, terms: [{models: gpt-4o*, discount_percent: 12.5}]}"
)
SPAN = {"customers": CUSTOMERS, "from_ns": NOON, "until_ns": NOON + 2 * DAY}
EDGES = {name: [NOON, NOON + 2 * DAY] for name in CUSTOMERS}


def some_call(rng: random.Random, **instead: Any) -> Done:
    """Return a call, as most are or an odd one; `instead` are models in the place of others."""
    attribution = {"customer": rng.choice([*CUSTOMERS, "nobody"])}
    if rng.random() < 0.6:
        attribution["tag.feature"] = rng.choice(["chat", "summary"])
    if rng.random() < 0.3:
        attribution |= {"agent": "bot", "step": rng.choice(["plan", "act"])}
    model = rng.choice(["gpt-4o", "gpt-4o-mini", "brand-new"])
    input_tokens = rng.randrange(1_000)
    found = done(
        NOON + rng.randrange(2 * DAY),
        model=instead.get(model, model),
        input_tokens=input_tokens,
        output_tokens=rng.choice([rng.randrange(300), input_tokens]),  # as many: other prices, the same cost
        attribution=attribution,
        attribution_from={"customer": rng.choice(["key:k1", "header:x-farebox-customer"])},
        total_us=rng.randrange(10**6),
        status=rng.choice([200, 200, 500]),
        completeness=rng.choice(["final", "final", "final", "partial", "estimated", "none"]),
        billable=rng.random() < 0.9,
    )
    parts = found.extraction.parts
    for part in parts:
        if rng.random() < 0.5:
            part.quantities["cache_read"] = rng.randrange(500)
        if rng.random() < 0.3:
            part.quantities["output_reasoning"] = rng.randrange(100)
    if parts and rng.random() < 0.2:
        parts = (*parts, replace(parts[0], kind="turn", quantities={"output_text": rng.randrange(50)}))
    if parts and model == "gpt-4o-mini" and rng.random() < 0.3:
        parts = tuple(replace(part, provider_cost_usd=Decimal(rng.randrange(9)) / 7) for part in parts)
    found.extraction = replace(found.extraction, parts=parts)
    return found


def filled(home: Home, prices: str = PRICES, contracts: str | None = None, **instead: Any) -> TestLedger:
    ledger = TestLedger(home)
    ledger.applier.use(book(prices, contracts))
    rng = random.Random(14)
    ledger.append(*(some_call(rng, **instead) for _ in range(CALLS)))
    return ledger


@pytest.fixture
def usage(home: Home) -> Iterator[RecordUsage]:
    with Questions(LocalAsker(home)) as questions:
        yield RecordUsage(home, questions)


def recorded(folder: Path, *prices: str | None, verified: bool = False, **instead: Any) -> list[Cell]:
    """Return the usage of a record of the same calls, rated by other prices or of other models."""
    other = Home(folder / "other")
    other.path.mkdir(mode=0o700)
    filled(other, *prices, **instead)  # type: ignore[arg-type]
    with Questions(LocalAsker(other)) as questions:
        there = RecordUsage(other, questions)
        return cells(there, there.as_of(), verified=verified)


def changed(home: Home, usage: Usage, replacement: Replacement, as_of: Any = None) -> ChangedUsage:
    seq = (as_of or usage.as_of()).seq
    found = replaced_calls(home, replacement, NOON, NOON + 2 * DAY, seq, DIMS, edges=EDGES)
    return ChangedUsage(usage, found)


def cells(usage: Usage, as_of: Any, **more: Any) -> list[Cell]:
    return usage.cells(Span(as_of=as_of, **{**SPAN, **more}), DIMS)


@pytest.mark.parametrize("verified", [False, True])
@pytest.mark.parametrize("prices", [OTHER_PRICES, SAME_SUM])
@pytest.mark.parametrize("contracts", [None, CONTRACTS])
def test_usage_by_other_prices_is_that_of_calls_that_were_rated_by_them(
    home: Home, usage: RecordUsage, tmp_path: Path, verified: bool, prices: str, contracts: str | None
) -> None:
    filled(home)
    as_of = usage.as_of()
    simulated = cells(
        changed(home, usage, Replacement(partial(book, prices, contracts))), as_of, verified=verified
    )
    assert simulated != cells(usage, as_of, verified=verified)
    assert simulated == recorded(tmp_path, prices, contracts, verified=verified)


def test_usage_by_other_prices_is_what_rerating_the_record_makes_of_it(
    home: Home, usage: RecordUsage
) -> None:
    ledger = filled(home)
    as_of = usage.as_of()
    before = cells(usage, as_of)
    simulated = cells(changed(home, usage, Replacement(partial(book, OTHER_PRICES))), as_of)
    rerate(ledger, book(OTHER_PRICES), *range(1, CALLS + 1), priced_too=True)
    assert simulated == cells(usage, usage.as_of())
    assert cells(usage, as_of) == before


@pytest.mark.parametrize("contracts", [None, CONTRACTS])
def test_by_the_prices_that_calls_were_rated_by_nothing_changes(
    home: Home, usage: RecordUsage, contracts: str | None
) -> None:
    filled(home, contracts=contracts)
    same = Replacement(partial(book, PRICES, contracts))
    seq = usage.as_of().seq
    assert replaced_calls(home, same, NOON, NOON + 2 * DAY, seq, DIMS, edges=EDGES) == []


def test_calls_that_were_corrected_are_rated_as_they_count(
    home: Home, usage: RecordUsage, tmp_path: Path
) -> None:
    ledger = filled(home)
    rerate(ledger, book(OTHER_PRICES), *range(1, CALLS, 3), priced_too=True)
    simulated = cells(changed(home, usage, Replacement(partial(book, SAME_SUM))), usage.as_of())
    assert simulated == recorded(tmp_path, SAME_SUM)


@pytest.mark.parametrize("states_the_provider", [False, True])
def test_usage_with_another_model_is_that_of_calls_that_had_asked_for_it(
    home: Home, usage: RecordUsage, tmp_path: Path, states_the_provider: bool
) -> None:
    filled(home)
    provider = "openai" if states_the_provider else None
    models = (OtherModel("gpt-4o", "gpt-4o-mini", provider), OtherModel("brand-new", "gpt-4o", provider))
    replacement = Replacement(partial(book, PRICES), models, others_stay=True)
    simulated = cells(changed(home, usage, replacement), usage.as_of())
    assert simulated == recorded(tmp_path, **{"gpt-4o": "gpt-4o-mini", "brand-new": "gpt-4o"})


def test_other_prices_and_another_model_change_the_calls_of_both(home: Home, usage: RecordUsage) -> None:
    ledger = filled(home)
    models = (OtherModel("gpt-4o-mini", "gpt-4o"),)
    as_of = usage.as_of()

    def by_model(usage: Usage, as_of: Any) -> dict[str, int]:
        found: dict[str, int] = {}
        for cell in cells(usage, as_of):
            model = cell.dims["model"]
            found[model] = found.get(model, 0) + cell.cost_pico
        return found

    only_model = by_model(
        changed(home, usage, Replacement(partial(book, OTHER_PRICES), models, others_stay=True)), as_of
    )
    both = by_model(changed(home, usage, Replacement(partial(book, OTHER_PRICES), models)), as_of)
    had = by_model(usage, as_of)
    rerate(ledger, book(OTHER_PRICES), *range(1, CALLS + 1), priced_too=True)
    rerated = by_model(usage, usage.as_of())
    assert "gpt-4o-mini" not in both
    assert both["brand-new"] == rerated["brand-new"] != had["brand-new"]
    assert only_model["brand-new"] == had["brand-new"]
    assert both["gpt-4o"] - rerated["gpt-4o"] == only_model["gpt-4o"] - had["gpt-4o"] > 0


def test_a_provider_of_the_other_model_takes_the_place_of_the_first(home: Home, usage: RecordUsage) -> None:
    filled(home)
    replacement = Replacement(partial(book), (OtherModel("gpt-4o", "claude-haiku-4-5", "anthropic"),))
    as_of = usage.as_of()
    dims, until_ns = ("provider", "model"), NOON + 2 * DAY
    found = replaced_calls(home, replacement, NOON, until_ns, as_of.seq, dims, edges=EDGES)
    changed_usage = ChangedUsage(usage, found)
    had, has = (
        {
            (cell.dims["provider"], cell.dims["model"]): cell
            for cell in each.cells(span, ("provider", "model"))
        }
        for span in [Span(as_of=as_of, **{**SPAN, "customers": ("acme",)})]
        for each in (usage, changed_usage)
    )
    was, now = had["openai", "gpt-4o"], has["anthropic", "claude-haiku-4-5"]
    assert ("openai", "gpt-4o") not in has
    assert (now.calls, now.errors, now.total_us) == (was.calls, was.errors, was.total_us)
    assert (now.tokens, now.reasoning_tokens) == (was.tokens, was.reasoning_tokens)
    assert now.cost_pico not in (0, was.cost_pico)


def test_what_is_recorded_after_the_row_that_is_asked_about_changes_nothing(
    home: Home, usage: RecordUsage
) -> None:
    ledger = filled(home)
    as_of = usage.as_of()
    replacement = Replacement(partial(book, OTHER_PRICES))
    simulated = cells(changed(home, usage, replacement), as_of)
    ledger.append(*(some_call(random.Random(15)) for _ in range(20)))
    rerate(ledger, book(SAME_SUM), *range(1, CALLS, 2), priced_too=True)
    assert cells(changed(home, usage, replacement, as_of), as_of) == simulated


def other_book_elsewhere(process: int) -> PriceBook:
    assert os.getpid() != process
    return book(OTHER_PRICES)


def test_pieces_of_a_large_record_are_rated_by_other_processes_to_the_same_end(
    home: Home, usage: RecordUsage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = filled(home)
    rerate(ledger, book(SAME_SUM), *range(1, CALLS, 2), priced_too=True)
    as_of = usage.as_of()
    whole = cells(changed(home, usage, Replacement(partial(book, OTHER_PRICES))), as_of)
    monkeypatch.setattr(module, "ROWS_AT_A_TIME", 97)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    elsewhere = Replacement(partial(other_book_elsewhere, os.getpid()))
    assert cells(changed(home, usage, elsewhere), as_of) == whole


def test_many_calls_are_few_differences_of_the_customers_that_are_asked_about(
    home: Home, usage: RecordUsage
) -> None:
    filled(home)
    seq, until_ns = usage.as_of().seq, NOON + 2 * DAY
    replacement = Replacement(partial(book, OTHER_PRICES))
    found = replaced_calls(home, replacement, NOON, until_ns, seq, (), edges={"acme": EDGES["acme"]})
    assert {each.cell.customer for each in found} == {"acme"}
    assert len(found) == 2, "what is proven, and what is only stated"
    daily = replaced_calls(home, replacement, NOON, until_ns, seq, (), edges=EDGES, slot_ns=DAY)
    assert {each.at_ns // DAY for each in daily} == {NOON // DAY + day for day in range(3)}


def test_without_a_record_nothing_changes(home: Home) -> None:
    replacement = Replacement(partial(book, OTHER_PRICES))
    assert replaced_calls(home, replacement, NOON, NOON + DAY, 0, DIMS, edges=EDGES) == []
