"""What `reserve: likely` holds for a call: the share of its worst case that calls like it really cost.

    claim = shares.claim(claim_of(worst, budget), budget, caller)
    …
    shares.settled(claim, budget, caller, cost_pico)          # once for every claim; None where not known

A histogram for each caller (a budget's `each` value or the customer) and model, bounded, one set for each
process. It forgets slowly, so that a caller who changes is followed. By how much the limit may be passed is
no estimate: it is what the calls in flight can cost beyond what is held for them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from farebox.budgets.budget import Budget
from farebox.budgets.worst_case import Claim
from farebox.money import PicoUsd

STEPS = 64
"""Shares are counted in steps of 1/64; what is held is rounded up to the next."""
SEEN_MIN = 20
"""With fewer calls the worst case is held."""
PERCENT = 99
CALLERS_MAX = 4096
SEEN_MAX = 1024
"""Then every count is halved: the last thousand calls weigh most."""


class LikelyShares:
    """The histograms of one process, and by how much its calls may pass each budget."""

    def __init__(self) -> None:
        self._seen: OrderedDict[Hashable, list[int]] = OrderedDict()
        self._beyond: dict[str, PicoUsd] = {}

    def claim(self, claim: Claim, budget: Budget, caller: Hashable) -> Claim:
        """Return what to hold instead of a worst case; the same claim where the budget holds worst cases."""
        worst = claim.amount_pico
        if budget.reserve != "likely" or claim.is_blocked or not worst:
            return claim
        likely = min(worst, self._likely(caller, worst))
        if likely == worst:
            return claim
        self._beyond[budget.name] = self._beyond.get(budget.name, 0) + worst - likely
        return Claim(likely, may_pass=True, because=claim.because, beyond_pico=worst - likely)

    def settled(self, claim: Claim, budget: Budget, caller: Hashable, cost: PicoUsd | None) -> None:
        """Take note that a call is over, or was not let pass; `cost` is None where it is not known."""
        if claim.beyond_pico:
            self._beyond[budget.name] = self._beyond.get(budget.name, 0) - claim.beyond_pico
        if budget.reserve == "likely" and cost is not None:
            self._count(caller, claim.amount_pico + claim.beyond_pico, cost)

    def may_pass_by(self, budget: Budget) -> PicoUsd:
        """Return by how much this process's calls in flight can pass a budget: exactly what they can cost
        beyond what is held for them. Calls that nothing bounds come on top (`Claim.may_pass`)."""
        return self._beyond.get(budget.name, 0)

    def _count(self, caller: Hashable, worst: PicoUsd, cost: PicoUsd) -> None:
        if worst <= 0:
            return
        counts = self._seen.get(caller)
        if counts is None:
            if len(self._seen) >= CALLERS_MAX:
                self._seen.popitem(last=False)
            counts = self._seen[caller] = [0] * (STEPS + 1)
        else:
            self._seen.move_to_end(caller)
        counts[min(STEPS, -(-max(cost, 0) * STEPS // worst))] += 1
        if sum(counts) >= SEEN_MAX:
            counts[:] = [count // 2 for count in counts]

    def _likely(self, caller: Hashable, worst: PicoUsd) -> PicoUsd:
        """Return what 99 of 100 calls like this one cost at most; the worst case of a caller hardly seen."""
        counts = self._seen.get(caller)
        seen = sum(counts) if counts is not None else 0
        if counts is None or seen < SEEN_MIN:
            return worst
        needed, below = -(-seen * PERCENT // 100), 0
        for step, count in enumerate(counts):
            below += count
            if below >= needed:
                return -(-worst * step // STEPS)
        return worst
