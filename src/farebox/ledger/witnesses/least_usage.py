"""The least that a call used by what passed on the wire: an event that states less does not count.

A client that leaves a stream costs what was generated; whoever sends events of it may not make that less.
Programs that speak for everybody may state less than a guess, and not less than its lower bound; an event of
a token that is bound to a customer may not state less than the guess, nor what costs less.
"""

from __future__ import annotations

from collections.abc import Sequence

from farebox.journal.records import Done
from farebox.ledger.append.dictionaries import is_bound_event
from farebox.ledger.append.entry import money_of, token_totals
from farebox.ledger.call_store import MEASURED, StoredCall
from farebox.ledger.corrections.estimation import Estimation, is_wanted
from farebox.ledger.corrections.rerating import Rerating
from farebox.ledger.witnesses.merging import WIRE
from farebox.wire.facts import Extraction

_INPUT, _OUTPUT = MEASURED.index("input_tokens"), MEASURED.index("output_tokens")


def lacking(witnesses: Sequence[Done]) -> Done | None:
    """Return the witness on the wire, where usage that is charged passed it and was not stated."""
    seen = [each for each in witnesses if each.witness in WIRE]
    if not seen or any(not each.extraction.lacks for each in seen):
        return None
    wanted = [each for each in seen if is_wanted(each, billable=each.extraction.billable)]
    return wanted[0] if wanted else None


def states_less(
    best: Done, wire: Done, now: StoredCall | None, estimation: Estimation, rerating: Rerating
) -> bool:
    """Tell whether a witness states less than what passed on the wire; `now` is the call as it counts."""
    if best.witness in WIRE:
        return False
    is_bound = is_bound_event(best.attribution_from.get("customer"))
    least = estimation.least(wire, is_guess=is_bound) or wire.extraction
    floor = _sides(least)
    correction = None if now is None else now.correction
    if now is not None and correction is not None and now.completeness == "estimated":
        bounds = correction.bounds
        if is_bound:
            least = now.extraction
            floor = _sides(least)
        elif bounds is not None:
            floor = bounds.input_tokens_low, bounds.output_tokens_low
    stated = _sides(best.extraction)
    if stated[0] < floor[0] or stated[1] < floor[1]:
        return True
    return is_bound and now is not None and _costs_less(best.extraction, least, now, rerating)


def _costs_less(stated: Extraction, least: Extraction, now: StoredCall, rerating: Rerating) -> bool:
    costs = [
        money_of(rerating.rate_bound(now, each.parts), billable=True).cost_pico for each in (stated, least)
    ]
    return costs[1] is not None and (costs[0] is None or costs[0] < costs[1])


def _sides(extraction: Extraction) -> tuple[int, int]:
    totals = token_totals(extraction.parts)
    return totals[_INPUT], totals[_OUTPUT]
