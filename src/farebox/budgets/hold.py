"""What is held for one call: made before it is sent, settled once its end is on record.

What a call counts for is one amount for all budgets of a measure, and the one that the ledger finds: its cost
where that is known; else the most that it can be.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

from farebox.budgets.refusal import Refusal, over_limit
from farebox.journal.records import Held
from farebox.money import PicoUsd, usd_text
from farebox.wire.facts import Extraction, Part, Quantity

if TYPE_CHECKING:
    from farebox.budgets.budget import Budget
    from farebox.budgets.call_limits import CallLimits, Covered
    from farebox.budgets.counters import Holding, Reservation
    from farebox.budgets.worst_case import Claim

Shared = tuple["Claim", "Budget", Hashable, "Holding"]
"""What a budget that holds what is likely held for a call, for whom and where."""
KNOWN = frozenset(("priced", "free", "included", "provider_reported"))
"""States of calls whose cost is known; the ledger counts by the same."""


class Hold:
    """One call's."""

    # What is the same for most calls.
    cost_pico: PicoUsd | None = None
    """What the call cost, once that is known."""
    _amounts: Sequence[PicoUsd] = ()

    def __init__(
        self,
        limits: CallLimits,
        covered: Covered,
        reservation: Reservation,
        held: Held,
        at_ns: int,
        attribution: Mapping[str, str],
        shared: list[Shared],
        may_pass: Sequence[int] = (),
    ) -> None:
        """`may_pass`: of which limits of `covered`, by their place, the call can cost more than is held."""
        self.may_pass = may_pass
        self._limits = limits
        self.covered = covered
        self.reservation = reservation
        self.held = held
        """What INTENT says: the most that the call can cost."""
        self._at_ns = at_ns
        self._attribution = attribution
        self._shared = shared
        """Claims of budgets that hold what is likely."""

    def concluded(self, extraction: Extraction) -> Held:
        """Return what DONE says: what counts from now on. Takes effect with `settle`."""
        try:
            cost, charge, known = self._limits.rated(extraction, self._at_ns, self._attribution)
        except Exception:  # a defect in a price must not touch the call
            cost, charge, known = 0, 0, False
        held = self.held
        if known:
            self.cost_pico = cost
        else:
            cost, charge = max(cost, held.cost_pico), max(charge, held.charge_pico)
        measures = self.covered.measures
        if measures is None:
            self._amounts = [cost] * len(held.accounts)
        else:
            self._amounts = [cost if is_cost else charge for is_cost in measures]
        return Held(cost, charge, self._limits.number, held.accounts)

    def settle(self) -> None:
        """Count what `concluded` said and give the rest back; after DONE is in the journal."""
        self.reservation.settle(self._amounts)
        if self._shared:
            self._limits.over(self._shared, self.cost_pico)

    def lines(self) -> str:
        """Return what a response's head says of it: what is left, and the cost once that is known."""
        left = f"x-farebox-budget-left: {self._limits.left_text(self.covered)}\r\n"
        if self.cost_pico is None:
            return left
        return f"{left}x-farebox-cost: {usd_text(self.cost_pico)}\r\n"

    @property
    def is_watched(self) -> bool:
        """Whether the call can cost more than is held for it in a limit that refuses calls."""
        return any(self.covered.limits[index].is_hard for index in self.may_pass)

    @property
    def is_cut(self) -> bool:
        """Whether a limit that it can pass ends a stream, and does not let it finish."""
        limits = self.covered.limits
        return any(limits[index].is_hard and limits[index].budget.stream == "cut" for index in self.may_pass)

    def covers(self, cost: PicoUsd) -> bool:
        """Return whether so much is held wherever the call can cost more than is held."""
        claims = self.reservation.claims
        return all(claims[index][1] >= cost for index in self.may_pass)

    def grow(self, cost: PicoUsd) -> bool:
        """Hold so much for a call that goes on; False where there is no room at once."""
        more = [0] * len(self.covered.limits)
        for index in self.may_pass:
            more[index] = max(0, cost - self.reservation.claims[index][1])
        if not self.reservation.extend(more):
            return False
        self.note(cost)
        return True

    def note(self, cost: PicoUsd) -> None:
        """Take note that the call has cost about so much: it counts for no less where nobody says more."""
        held = self.held
        self.held = Held(max(held.cost_pico, cost), max(held.charge_pico, cost), held.holder, held.accounts)

    def estimated(
        self, provider: str, model: str | None, input_tokens: int, output_tokens: int
    ) -> PicoUsd | None:
        """Return about what the call costs with so many tokens; None where no price is known."""
        quantities: dict[str, Quantity] = {"input_uncached": input_tokens, "output_text": output_tokens}
        part = Part(provider=provider, request_model=model, quantities=quantities)
        cost, _, known = self._limits.rated(
            Extraction(parts=(part,), completeness="final"), self._at_ns, self._attribution, learns=False
        )
        return cost if known else None

    def no_room(self) -> Refusal:
        """Return why a stream of this call ends."""
        limits = self.covered.limits
        cuts = [limits[index] for index in self.may_pass if limits[index].is_hard]
        limit = min(cuts, key=self._limits.left)
        left = self._limits.left(limit)
        return over_limit(limit.budget, limit.value, left=left, asked=0, end_ns=limit.end_ns, is_stream=True)

    def give_back(self) -> None:
        """Settle at nothing: the call was never sent, and nothing of it is on record."""
        self._amounts = [0] * len(self.covered.limits)
        self.settle()
