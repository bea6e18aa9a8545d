"""One call as a cell of usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from farebox.charges.usage.cells import Cell
from farebox.charges.usage.cost_classes import RatedLines, classes_of

if TYPE_CHECKING:
    from farebox.wire.facts import Part


def cell_of(
    parts: Sequence[Part],
    rated: Sequence[RatedLines],
    dims: Mapping[str, str],
    *,
    at_ns: int,
    total_us: int = 0,
) -> Cell:
    """Return a rated call as a cell of these dimensions; its `start_ns` is the call's own moment."""
    read = sum(int(part.cache_read_input_tokens) for part in parts)
    written = sum(int(part.cache_creation_input_tokens) for part in parts)
    cost = sum(part.cost_pico or 0 for part in rated)
    of_input, of_read, of_written, of_output, of_other, of_reasoning = classes_of(rated, cost)
    return Cell(
        dims=dims,
        start_ns=at_ns,
        calls=1,
        total_us=total_us,
        uncached_input_tokens=sum(int(part.input_tokens) for part in parts) - read - written,
        cache_read_tokens=read,
        cache_creation_tokens=written,
        output_tokens=sum(int(part.output_tokens) for part in parts),
        reasoning_tokens=sum(int(part.quantities.get("output_reasoning", 0)) for part in parts),
        input_cost_pico=of_input,
        cache_read_cost_pico=of_read,
        cache_creation_cost_pico=of_written,
        output_cost_pico=of_output,
        reasoning_cost_pico=of_reasoning,
        other_cost_pico=of_other,
    )
