"""What covers a call, what is held for it in each budget, and what it counts for when it has ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farebox import catalog
from farebox.budgets.budget import Budget, BudgetSet, Period, Stop
from farebox.budgets.call_limits import CallLimits
from farebox.budgets.counters import Counters, LedgerCounters, Participant, account_of, definition_key
from farebox.budgets.hold import Hold
from farebox.budgets.refusal import Refusal
from farebox.budgets.worst_case import WorstCase, WorstCases
from farebox.home import Home
from farebox.pricing import load_book
from farebox.pricing.model_limits import load_limits
from farebox.wire.facts import Extraction, Part

DOLLAR = 10**12
AT = time.time_ns()


def budget(name: str, **more: Any) -> Budget:
    return Budget(name=name, limit_pico=more.pop("limit", DOLLAR), period=Period("ever"), **more)


class Setting:
    def __init__(self, path: Path, *budgets: Budget, stops: tuple[Stop, ...] = ()) -> None:
        self.home = Home(path)
        self.home.prepare()
        ledger = LedgerCounters(self.home)
        ledger.recover(0)
        ledger.define([definition_key(each) for each in budgets])
        for definition in ledger.opening():
            assert ledger.open_budget(definition, [], 0)
        ledger.close()
        self.counters = Counters(self.home)
        self.participant: Participant = self.counters.join("proxy-test")
        book, rules = load_book(), catalog.load({}).request_limits
        assert rules is not None
        self.limits = CallLimits(
            BudgetSet(budgets=budgets, stops=stops),
            self.participant,
            WorstCases(book, rules, load_limits()),
            book,
        )

    def ask(self, worst: WorstCase, **attribution: str) -> Any:
        covered = self.limits.covering(
            attribution, {}, provider="openai", request_model="gpt-4o", key_fingerprint=None, at_ns=AT
        )
        return self.limits.reserve(covered, worst, "gpt-4o", AT, attribution, lambda _: None)

    def taken(self, of: Budget) -> int:
        figures = self.counters.figures(account_of(of, None, AT), of.limit_pico)
        return figures.spent + figures.reserved


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    made: list[Setting] = []

    def setting(*budgets: Budget, **more: Any) -> Setting:
        made.append(Setting(tmp_path / f"home{len(made)}", *budgets, **more))
        return made[-1]

    yield setting
    for each in made:
        each.participant.close()
        each.counters.close()


def used(tokens: int, completeness: Any = "final") -> Extraction:
    part = Part(provider="openai", request_model="gpt-4o", response_model="gpt-4o",
                quantities={"input_uncached": 0, "output_text": tokens})  # fmt: skip
    return Extraction(parts=(part,), completeness=completeness)


def test_a_call_is_held_in_all_its_budgets_or_in_none(make: Any) -> None:
    wide, tight = budget("wide"), budget("tight", limit=DOLLAR // 100, wait_s=0)
    setting = make(wide, tight)
    assert isinstance(setting.ask(WorstCase(DOLLAR // 10, DOLLAR // 10)), Refusal)
    assert (setting.taken(wide), setting.taken(tight)) == (0, 0)
    hold = setting.ask(WorstCase(DOLLAR // 1000, DOLLAR // 1000))
    assert isinstance(hold, Hold)
    assert setting.taken(wide) == setting.taken(tight) == DOLLAR // 1000


def test_cost_and_charge_are_held_and_counted_apart(make: Any) -> None:
    cost, price = budget("cost"), budget("price", measure="price")
    setting = make(cost, price)
    hold = setting.ask(WorstCase(10**9, 3 * 10**9))
    assert (setting.taken(cost), setting.taken(price)) == (10**9, 3 * 10**9)
    assert (hold.held.cost_pico, hold.held.charge_pico) == (10**9, 3 * 10**9)
    done = hold.concluded(used(10))
    hold.settle()
    assert (done.cost_pico, setting.taken(cost)) == (10**8, 10**8)
    assert setting.taken(price) == done.charge_pico


def test_usage_that_is_not_known_counts_for_the_most_it_can_be(make: Any) -> None:
    of = budget("all")
    setting = make(of)
    hold = setting.ask(WorstCase(10**10, 10**10))
    assert hold.concluded(Extraction(reason="client_disconnected")).cost_pico == 10**10
    hold.settle()
    assert (setting.taken(of), hold.cost_pico) == (10**10, None)


def test_what_is_not_billable_gives_everything_back(make: Any) -> None:
    of = budget("all")
    setting = make(of)
    hold = setting.ask(WorstCase(10**10, 10**10))
    assert hold.concluded(Extraction(billable=False, not_billable_because="error_response")).cost_pico == 0
    hold.settle()
    assert setting.taken(of) == 0


@pytest.mark.parametrize(("unpriced", "passes"), [("block", False), ("ceiling", True), ("allow", True)])
def test_at_c2_a_model_without_a_price_is_blocked_held_at_a_ceiling_or_let_pass(
    make: Any, unpriced: Any, passes: bool
) -> None:
    of = budget("all", unpriced=unpriced, ceiling_pico=10**9, wait_s=0)
    setting = make(of)
    outcome = setting.ask(WorstCase(5 * 10**9, 5 * 10**9, ("no_price",), is_bound=False, is_priced=False))
    assert isinstance(outcome, Hold) is passes
    if not isinstance(outcome, Hold):
        assert outcome.slug == "budget_unbounded"
        return
    assert setting.taken(of) == (10**9 if unpriced == "ceiling" else 0)
    nobody = Part(provider="openai", request_model="nobody-knows", quantities={"output_text": 10})
    held = outcome.concluded(Extraction(parts=(nobody,), completeness="final"))
    outcome.settle()
    assert setting.taken(of) == held.cost_pico == (10**9 if unpriced == "ceiling" else 0)


def test_a_soft_budget_counts_and_refuses_nobody(make: Any) -> None:
    soft = budget("soft", limit=1, mode="soft")
    setting = make(soft)
    hold = setting.ask(WorstCase(10**10, 10**10))
    assert isinstance(hold, Hold)
    hold.concluded(used(100))
    hold.settle()
    assert setting.taken(soft) == 10**9
    assert setting.limits.left_text(hold.covered) == f"soft=-{(10**9 - 1) / DOLLAR:.12f}"


def test_what_decides_about_a_call_and_may_come_from_its_process_is_known(make: Any) -> None:
    of_tag = make(budget("tag", where={"tag.x": ("1",)}), budget("model", where={"model": ("gpt*",)}))
    assert of_tag.limits.by_process == frozenset()
    of_session = make(budget("s", each="session"), stops=(Stop(dimension="process", value="1", since_ns=1),))
    assert of_session.limits.by_process == {"session", "process"}
