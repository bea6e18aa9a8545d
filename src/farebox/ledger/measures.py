"""The thirteen sums kept of every group of calls, and how to add them up fast.

In memory a group's sums are one big integer of thirteen 64-bit lanes: adding two groups is one
addition, which is what lets a batch be summed by fourteen dimensions in a few microseconds a
call. A lane that goes negative borrows from the next one; unpacking gives it back.
"""

from __future__ import annotations

import functools
import operator
import struct
from collections.abc import Callable, Sequence
from typing import Any

from farebox.ledger.rows import Measures
from farebox.money import PICO_PER_MICRO

MEASURES = (
    "calls",
    "errors",
    "unpriced",
    "estimated",
    "cost_micro",
    "cost_pico",
    "charge_micro",
    "charge_pico",
    "input_tokens",
    "cache_read",
    "cache_creation",
    "output_tokens",
    "reasoning",
)
"""Columns of every table of sums, in order."""

SUMS = ", ".join(f"coalesce(sum({name}), 0)" for name in MEASURES)
"""The select list that adds up a table of sums."""

UNPRICED_STATES = ("unpriced", "unknown")

RAW_SUMS = ", ".join(
    [
        "count(*)",
        "coalesce(sum(status >= 400 OR status = 0), 0)",
        "coalesce(sum(cost_state IN ('unpriced', 'unknown')), 0)",
        "coalesce(sum(cost_state = 'estimated'), 0)",
        f"coalesce(sum(cost_pico / {PICO_PER_MICRO}), 0)",
        f"coalesce(sum(cost_pico % {PICO_PER_MICRO}), 0)",
        f"coalesce(sum(charge_pico / {PICO_PER_MICRO}), 0)",
        f"coalesce(sum(charge_pico % {PICO_PER_MICRO}), 0)",
        "coalesce(sum(input_tokens), 0)",
        "coalesce(sum(cache_read_input_tokens), 0)",
        "coalesce(sum(cache_creation_input_tokens), 0)",
        "coalesce(sum(output_tokens), 0)",
        "coalesce(sum(reasoning_output_tokens), 0)",
    ]
)
"""The same sums made of calls. SQLite's division truncates towards zero, and so does `lanes`."""

_LANES = struct.Struct(f"<{len(MEASURES)}q")
_LANE_BITS = 64
_SIGNS = sum(1 << (_LANE_BITS * lane + _LANE_BITS - 1) for lane in range(len(MEASURES)))
_pack = _LANES.pack
_from_bytes = int.from_bytes
_either: Callable[[int, int], int] = operator.or_  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def traits(status: int, cost_state: str) -> tuple[int, int, int]:
    """Return what a call counts of: errors, unpriced ones, estimated ones."""
    return (
        1 if status >= 400 or status == 0 else 0,
        1 if cost_state in UNPRICED_STATES else 0,
        1 if cost_state == "estimated" else 0,
    )


def lanes(
    traits: tuple[int, int, int],
    cost_pico: int | None,
    charge_pico: int | None,
    tokens: tuple[int, int, int, int, int],
) -> int:
    """Return one call's sums. `tokens`: input, cache read, cache creation, output, reasoning."""
    cost, charge = cost_pico or 0, charge_pico or 0
    micro, rest = divmod(cost, PICO_PER_MICRO)
    charge_micro, charge_rest = (micro, rest) if charge == cost else divmod(charge, PICO_PER_MICRO)
    if micro >= 0 and charge_micro >= 0 and min(tokens) >= 0:
        return _from_bytes(_pack(1, *traits, micro, rest, charge_micro, charge_rest, *tokens), "little")
    signed = (1, *traits, *_split(cost), *_split(charge), *tokens)
    return sum(value << (_LANE_BITS * lane) for lane, value in enumerate(signed))


def unpack(total: int) -> Sequence[int]:
    """Return the sums in `total`, in the order of `MEASURES`."""
    values = _LANES.unpack(total.to_bytes(_LANES.size, "little", signed=True))
    if total >= 0 and not total & _SIGNS:
        return values
    whole = list(values)
    borrowed = 0
    for lane, stored in enumerate(values):
        whole[lane] = stored + borrowed
        borrowed = 1 if stored < 0 else 0  # as stored: a zero that was borrowed from borrows in turn
    return whole


def bytes_of(totals: Sequence[int]) -> bytes:
    """Return sums as bytes: `rows_in` makes them numbers again."""
    if totals and min(totals) >= 0 and not functools.reduce(_either, totals) & _SIGNS:
        return b"".join([total.to_bytes(_LANES.size, "little") for total in totals])
    return b"".join([_pack(*unpack(total)) for total in totals])


rows_in = _LANES.iter_unpack
"""Yield the sums in what `bytes_of` made, in the order of `MEASURES`."""


def cost_pico(values: Sequence[int]) -> int:
    """Return the cost in `values`, in the order of `MEASURES`."""
    return values[4] * PICO_PER_MICRO + values[5]


def as_measures(values: Sequence[int]) -> Measures:
    """Return the sums in `values`, in the order of `MEASURES`, as people ask for them."""
    return Measures(
        calls=values[0],
        errors=values[1],
        unpriced_calls=values[2],
        estimated_calls=values[3],
        cost_pico=cost_pico(values),
        charge_pico=values[6] * PICO_PER_MICRO + values[7],
        input_tokens=values[8],
        cache_read_input_tokens=values[9],
        cache_creation_input_tokens=values[10],
        output_tokens=values[11],
        reasoning_output_tokens=values[12],
    )


def _split(pico: int) -> tuple[int, int]:
    if pico >= 0:
        return divmod(pico, PICO_PER_MICRO)
    micro, rest = divmod(-pico, PICO_PER_MICRO)
    return -micro, -rest


def merge(into: dict[Any, list[int]], key: Any, entry: Sequence[int]) -> None:
    """Add sums and the span of their calls to those under `key`."""
    known = into.get(key)
    if known is None:
        into[key] = list(entry)
    else:
        known[0] += entry[0]
        if entry[1] < known[1]:
            known[1] = entry[1]
        if entry[2] > known[2]:
            known[2] = entry[2]
