"""What of a call's cost is for which tokens, by the lines of its rating.

The classes add up to the cost exactly, whatever the lines come to: a total that the provider stated is
divided by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from farebox.charges.amounts.allocation import allocate
from farebox.money import PicoUsd
from farebox.wire.facts import CACHE_READ_LEAVES, CACHE_WRITE_LEAVES, INPUT_LEAVES, OUTPUT_LEAVES

CLASSES = (
    "input_cost_pico",
    "cache_read_cost_pico",
    "cache_creation_cost_pico",
    "output_cost_pico",
    "other_cost_pico",
    "reasoning_cost_pico",
)
"""Costs of uncached input, of cached input, of writing it to the cache, of all output and of everything
else; they add up to the cost. The last is what of the output's cost reasoning is."""

_INPUT, _READ, _WRITE, _OUTPUT, _OTHER, _REASONING = range(6)
_class_of = {
    **dict.fromkeys(INPUT_LEAVES, _INPUT),
    **dict.fromkeys(CACHE_READ_LEAVES, _READ),
    **dict.fromkeys(CACHE_WRITE_LEAVES, _WRITE),
    **dict.fromkeys(OUTPUT_LEAVES, _OUTPUT),
    "output_reasoning": _REASONING,
}.get


class Line(Protocol):
    """A line of a rating, as far as it matters here."""

    @property
    def unit(self) -> str: ...
    @property
    def amount_pico(self) -> PicoUsd | None: ...


class RatedLines(Protocol):
    """A rated part of a call, as far as it matters here."""

    @property
    def lines(self) -> Sequence[Line]: ...
    @property
    def cost_pico(self) -> PicoUsd | None: ...


def classes_of(parts: Sequence[RatedLines], cost_pico: PicoUsd) -> tuple[PicoUsd, ...]:
    """Return what of a call's cost is for which tokens, as `CLASSES`."""
    costs = [0, 0, 0, 0, 0, 0]
    left = cost_pico
    for part in parts:
        cost = part.cost_pico
        if not cost:
            continue
        left -= cost
        lines = part.lines
        amounts = [line.amount_pico or 0 for line in lines]
        listed = sum(amounts)
        if not listed:
            costs[_OTHER] += cost
            continue
        if listed != cost:
            amounts = allocate(cost, amounts)
        for line, amount in zip(lines, amounts, strict=True):
            costs[_class_of(line.unit, _OTHER)] += amount
    costs[_OUTPUT] += costs[_REASONING]
    costs[_OTHER] += left
    return tuple(costs)
