"""Which part of rated lines belongs to which agent, model or outcome.

Pure. A line that is itemised by a dimension, or whose details are, belongs to its values; what belongs to a
period as a whole (base fees, minimums, maximums, discounts, rounding) belongs to none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from msgspec.structs import replace

from farebox.billing.documents.document import InvoiceLine
from farebox.charges.plan import Charge, Plan

OUTCOME = "outcome"
OUTCOME_METERS = frozenset(("outcome", "outcome_value"))
CALL_DIMENSIONS = ("agent", "model")
"""What calls are attributed to, besides customers; outcomes have a rule of their own."""


def itemized(plan: Plan, by: str) -> Plan:
    """Return a plan whose usage lines say how much of them is of each value of `by`; they cost the same."""
    return replace(plan, charges=tuple(_itemized(charge, by) for charge in plan.charges))


def attributed(lines: Sequence[InvoiceLine], by: str) -> dict[str, Fraction]:
    """Return what of the lines belongs to each value of `by`, exactly; "" is usage without one."""
    found: dict[str, Fraction] = {}
    for line in lines:
        if line.kind != "usage":
            continue
        parts: list[tuple[Mapping[str, str], str]] = [(part.dims, part.exact) for part in line.details]
        if by in line.dims or not parts:
            parts = [(line.dims, line.exact)]
        for dims, exact in parts:
            if by in dims:
                found[dims[by]] = found.get(dims[by], Fraction(0)) + Fraction(exact)
    return found


def _itemized(charge: Charge, by: str) -> Charge:
    is_of_outcomes = charge.meter in OUTCOME_METERS
    if by in charge.itemize or is_of_outcomes != (by == OUTCOME):
        return charge
    return replace(charge, itemize=(*charge.itemize, by))
