"""Coding agents: calls that may cost a dollar and cost a few cents, up to the last dollar of a limit."""

from __future__ import annotations

import heapq
import os
import random
from pathlib import Path

import pytest
from budget_homes import account, budget, prepared

from farebox.budgets.counters import Counters, Holding, Participant, Refused, Reservation, Waiting
from farebox.money import pico_from_usd

SEEDS = range(20 if os.environ.get("FAREBOX_LONG") else 3)
SESSIONS = 12
CONTEXT_WINDOW, PROMPT, CACHED, MAX_TOKENS = 200_000, 150_000, 142_500, 32_000


class Agents:
    """Sessions that each make one call after the other, in simulated time."""

    def __init__(self, participant: Participant, holding: Holding, seed: int, input_usd: int) -> None:
        self._participant = participant
        self._holding = holding
        self._random = random.Random(seed)
        self._input = pico_from_usd(input_usd) // 10**6
        self._output = 5 * self._input
        self._worst = CONTEXT_WINDOW * self._input * 5 // 4 + MAX_TOKENS * self._output
        self._in_flight: list[tuple[float, int, Reservation]] = []
        self._waiting: list[tuple[float, Waiting]] = []
        self._now = 0.0
        self.spent = 0
        self.longest_wait_s = 0.0

    def run(self) -> Refused:
        """Go on until the first call is refused, and what is in flight has ended; return the refusal."""
        for _ in range(SESSIONS):
            self._ask()
        refusal: Refused | None = None
        while self._in_flight:
            self._now, _, reservation = heapq.heappop(self._in_flight)
            cost = self._cost()
            self.spent += cost
            reservation.settle([cost])
            if refusal is None:
                refusal = self._ask()
            self._participant.poll()
            refusal = self._see() or refusal
        assert refusal is not None
        return refusal

    def _ask(self) -> Refused | None:
        outcome = self._participant.reserve([(self._holding, self._worst)], wait_s=120)
        if isinstance(outcome, Waiting):
            self._waiting.append((self._now, outcome))
            return None
        return self._begin(outcome)

    def _see(self) -> Refused | None:
        refusal: Refused | None = None
        for since, waiting in list(self._waiting):
            if waiting.outcome is not None:
                self._waiting.remove((since, waiting))
                self.longest_wait_s = max(self.longest_wait_s, self._now - since)
                refusal = self._begin(waiting.outcome) or refusal
        return refusal

    def _begin(self, outcome: Reservation | Refused) -> Refused | None:
        if isinstance(outcome, Refused):
            return outcome
        ends = self._now + self._random.uniform(2, 8)
        heapq.heappush(self._in_flight, (ends, id(outcome), outcome))
        return None

    def _cost(self) -> int:
        output = min(int(self._random.lognormvariate(6.7, 1.0)), MAX_TOKENS)
        return CACHED * self._input // 10 + (PROMPT - CACHED) * self._input + output * self._output


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("limit_usd", "input_usd", "at_least_usd"), ((25, 3, 22), (125, 15, 110)))
def test_agents_with_large_max_tokens_use_a_limit_up(
    tmp_path: Path, seed: int, limit_usd: int, input_usd: int, at_least_usd: int
) -> None:
    limit = budget(limit=pico_from_usd(limit_usd))
    participant = Counters(prepared(tmp_path, limit)).join("proxy-1")
    agents = Agents(participant, participant.holding(account(limit), limit.limit_pico), seed, input_usd)
    assert agents.run().reason == "limit"
    assert pico_from_usd(at_least_usd) <= agents.spent <= limit.limit_pico
    assert agents.longest_wait_s < 120
    print(f"spent {agents.spent / 10**12:.2f} of {limit_usd}, longest wait {agents.longest_wait_s:.1f} s")
