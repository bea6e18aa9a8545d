"""What is held for one call: made before it is sent, settled once its end is on record.

What a call counts for is one amount for all budgets of a measure, and the one that the ledger finds: its cost
where that is known; else the most that it can be.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

from farebox.journal.records import Held
from farebox.money import PicoUsd, usd_text

if TYPE_CHECKING:
    from farebox.budgets.budget import Budget
    from farebox.budgets.call_limits import CallLimits, Covered
    from farebox.budgets.counters import Holding, Reservation
    from farebox.budgets.worst_case import Claim
    from farebox.wire.facts import Extraction

Shared = tuple["Claim", "Budget", Hashable, "Holding"]
"""What a budget that holds what is likely held for a call, for whom and where."""
KNOWN = frozenset(("priced", "free", "included", "provider_reported"))
"""States of calls whose cost is known; the ledger counts by the same."""


class Hold:
    """One call's."""

    __slots__ = (
        "_amounts",
        "_at_ns",
        "_attribution",
        "_limits",
        "_shared",
        "cost_pico",
        "covered",
        "held",
        "reservation",
    )

    def __init__(
        self,
        limits: CallLimits,
        covered: Covered,
        reservation: Reservation,
        held: Held,
        at_ns: int,
        attribution: Mapping[str, str],
        shared: list[Shared],
    ) -> None:
        self._limits = limits
        self.covered = covered
        self.reservation = reservation
        self.held = held
        """What INTENT says: the most that the call can cost."""
        self.cost_pico: PicoUsd | None = None
        """What the call cost, once that is known."""
        self._at_ns = at_ns
        self._attribution = attribution
        self._amounts: list[PicoUsd] = []
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
        covered = self.covered
        if covered.measures is None:
            self._amounts = [cost] * len(covered.limits)
        else:
            self._amounts = [cost if is_cost else charge for is_cost in covered.measures]
        return Held(cost, charge, self._limits.number, held.accounts)

    def settle(self) -> None:
        """Count what `concluded` said and give the rest back; after DONE is in the journal."""
        self.reservation.settle(self._amounts)
        self._limits.over(self._shared, self.cost_pico)

    def lines(self) -> str:
        """Return what a response's head says of it: what is left, and the cost once that is known."""
        left = f"x-farebox-budget-left: {self._limits.left_text(self.covered)}\r\n"
        if self.cost_pico is None:
            return left
        return f"{left}x-farebox-cost: {usd_text(self.cost_pico)}\r\n"

    def extend(self, more_cost: PicoUsd, more_charge: PicoUsd) -> bool:
        """Hold more for a call that goes on; False where there is no room at once."""
        measures = self.covered.measures
        amounts = [
            more_cost if measures is None or measures[index] else more_charge
            for index in range(len(self.covered.limits))
        ]
        if not self.reservation.extend(amounts):
            return False
        held = self.held
        self.held = Held(
            held.cost_pico + more_cost, held.charge_pico + more_charge, held.holder, held.accounts
        )
        return True

    def give_back(self) -> None:
        """Settle at nothing: the call was never sent, and nothing of it is on record."""
        self._amounts = [0] * len(self.covered.limits)
        self.settle()
