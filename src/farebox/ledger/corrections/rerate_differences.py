"""What a preview of other prices changes, model by model."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from farebox.ledger.class_states import UNPRICED
from farebox.ledger.corrections.rerating import Rerated, why
from farebox.money import usd_text

_REASONS_MAX = 3


class Difference(msgspec.Struct, kw_only=True):
    """What changes for one model."""

    provider: str
    model: str | None
    calls: int = 0
    unpriced_before: int = 0
    unpriced_after: int = 0
    cost_before_pico: int = 0
    """The cost so far; calls without a price are not in it."""
    cost_before_usd: str = ""
    cost_after_pico: int = 0
    cost_after_usd: str = ""
    why: list[str] = []
    """The states calls had and the prices that apply to them, at most three of each model."""


class Differences:
    """The differences of a preview, and which calls they are."""

    def __init__(self) -> None:
        self.models: dict[tuple[str, str | None], Difference] = {}
        self.seqs: list[int] = []

    def add(self, changed: Iterable[Rerated]) -> Differences:
        for each in changed:
            self._count(each)
        for each in self.models.values():
            each.cost_before_usd, each.cost_after_usd = (
                usd_text(each.cost_before_pico),
                usd_text(each.cost_after_pico),
            )
        return self

    def _count(self, found: Rerated) -> None:
        call = found.now
        named = call.provider, call.model
        entry = self.models.setdefault(named, Difference(provider=call.provider, model=call.model))
        entry.calls += 1
        entry.unpriced_before += call.cost_state in UNPRICED
        entry.unpriced_after += found.money.cost_state in UNPRICED
        entry.cost_before_pico += call.cost_pico or 0
        entry.cost_after_pico += found.money.cost_pico or 0
        if len(entry.why) < _REASONS_MAX and (reason := why(found)) not in entry.why:
            entry.why.append(reason)
        self.seqs.append(call.seq)
