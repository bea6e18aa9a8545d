"""`reserve: likely` where calls pass: what calls like this one cost is held, and the rest is announced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from budgeted_proxy import CHAT, DOLLAR, JSON, answering, budget, budgeted, chat
from proxy_harness import Reply, Request

from farebox.budgets.budget import Budget
from farebox.budgets.likely_share import SEEN_MIN


def held(path: Path, of: Budget, calls: int) -> list[tuple[int, int, int]]:
    """Return for each call what was reserved while it ran, its worst case and what was announced."""
    seen: list[tuple[int, int, int]] = []
    running: list[Any] = []

    def respond(request: Request) -> Reply:
        run = running[0]
        gate = run.proxy.proxy.state.gate
        worst = run.proxy.journal.intents[-1].held.cost_pico
        shares = gate._limits.shares
        assert run.figures(of).beyond == shares.may_pass_by(of), "shown to every process"
        seen.append((run.figures(of).reserved, worst, shares.may_pass_by(of)))
        return answering(output_tokens=10)(request)

    with budgeted(path, of, respond=respond) as run, run.proxy.connect() as client:
        running.append(run)
        for number in range(calls):
            assert client.post(CHAT, chat(max_tokens=1000), JSON).status == 200
            run.proxy.settled(number + 1)
        figures = run.figures(of)
        assert (figures.reserved, figures.settled, figures.beyond) == (0, calls * 125_000_000, 0)
        assert run.proxy.proxy.state.gate._limits.shares.may_pass_by(of) == 0
    return seen


def test_once_calls_have_been_seen_what_they_cost_is_held_and_the_rest_announced(tmp_path: Path) -> None:
    seen = held(tmp_path, budget(reserve="likely"), SEEN_MIN + 2)
    for reserved, worst, beyond in seen[:SEEN_MIN]:
        assert (reserved, beyond) == (worst, 0), "hardly seen: the worst case"
    for reserved, worst, beyond in seen[SEEN_MIN:]:
        assert 125_000_000 <= reserved < worst // 10
        assert beyond == worst - reserved > 0


def test_a_budget_that_does_not_ask_for_it_holds_worst_cases(tmp_path: Path) -> None:
    seen = held(tmp_path, budget(limit=DOLLAR), SEEN_MIN + 2)
    assert all(reserved == worst and beyond == 0 for reserved, worst, beyond in seen)
