"""Share usage out among the charges of a plan, in order: what one consumes, the next does not see.

Pure. Usage comes in cells (`cells.py`), never call by call.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import msgspec

from farebox.charges.cells import Cell, OutcomeCell


class ChargedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """What a charge takes of usage that is alike in the dimensions it is itemised by."""

    dims: Mapping[str, str] = {}
    """The charge's `itemize`, to values; empty where a call has none."""
    start_ns: int | None = None
    """Of a charge with buckets: where the hour or day starts."""
    quantity: Fraction = Fraction(0)
    """In units of the meter: tokens, calls, seconds, outcomes, their value; `cost` in US dollars."""
    calls: int = 0
    """How many calls or outcomes it is of."""
    cost_pico: int = 0
    """What the provider charges for what is taken here."""
    unpriced_calls: int = 0
    """More than zero means that the quantity is "at least". Of a cost, the calls without one; of tokens, the
    calls whose usage is not known."""
    estimated_calls: int = 0


class ChargedUsage(msgspec.Struct, frozen=True, kw_only=True):
    """The usage that one charge takes."""

    charge: str
    """The charge's name."""
    meter: str
    quantity: Fraction = Fraction(0)
    """The groups' sum; of a distinct count less than that where groups share values."""
    groups: tuple[ChargedGroup, ...] = ()
    """In the order of buckets and dimensions; one with neither `itemize` nor buckets, none without usage."""

    @property
    def calls(self) -> int:
        return sum(group.calls for group in self.groups)

    @property
    def cost_pico(self) -> int:
        return sum(group.cost_pico for group in self.groups)

    @property
    def unpriced_calls(self) -> int:
        return sum(group.unpriced_calls for group in self.groups)

    @property
    def estimated_calls(self) -> int:
        return sum(group.estimated_calls for group in self.groups)


class Consumption(msgspec.Struct, frozen=True, kw_only=True):
    """What the charges of a plan take of one customer's usage, and what none of them takes."""

    charges: tuple[ChargedUsage, ...] = ()
    """One for each charge, in the plan's order."""
    unconsumed: tuple[Cell, ...] = ()
    """Usage that no charge has consumed: what is left of each cell."""
    unconsumed_outcomes: tuple[OutcomeCell, ...] = ()
