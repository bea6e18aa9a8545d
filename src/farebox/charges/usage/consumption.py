"""Share usage out among the charges of a plan, in order: what one consumes, the next does not see.

Pure. Usage comes in cells (`cells.py`), never call by call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Final

import msgspec

from farebox.charges.plan import Charge
from farebox.charges.usage.buckets import Bucket
from farebox.charges.usage.cells import METER_MEASURES, Cell, DistinctCell, OutcomeCell
from farebox.charges.usage.conditions import Where, matches
from farebox.money import PICO_PER_USD

BUCKETS: tuple[Bucket | None, ...] = (None, "day", "hour")
TOKEN_METERS: dict[str, tuple[str, ...]] = {
    "input_tokens": ("input",),
    "cached_input_tokens": ("read",),
    "cache_write_tokens": ("creation",),
    "output_tokens": ("output", "reasoning"),
    "reasoning_tokens": ("reasoning",),
    "tokens": ("input", "read", "creation", "output", "reasoning"),
}
"""Meters to the classes that they consume, with their cost."""

EVERYTHING: tuple[str, ...] = ("input", "read", "creation", "output", "reasoning", "other")
"""The classes that a call's usage is made up of: `output` without reasoning, `other` is no token. Meters that
are not of tokens take them all, and the call itself."""

CALLS_CHARGE: Final = "charge"
"""What calls were charged as they were recorded; no plan that is written has this meter."""

DISTINCT_METERS = frozenset(METER_MEASURES)
OUTCOME_METERS = frozenset(("outcome", "outcome_value"))


class ChargedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """What a charge takes of usage that is alike in the dimensions it is itemised by."""

    dims: Mapping[str, str] = {}
    """The charge's `itemize`, to values; empty where a call has none."""
    start_ns: int | None = None
    """Of a charge with buckets: where the hour or day starts."""
    quantity: Fraction = Fraction(0)
    """In units of the meter: tokens, calls, seconds, outcomes, their value; in US dollars `cost` and
    `charge`."""
    calls: int = 0
    """How many calls or outcomes it is of."""
    cost_pico: int = 0
    """What the provider charges for what is taken here."""
    unpriced_calls: int = 0
    """More than zero means that the quantity is "at least". Of a cost, the calls without one; of tokens, the
    calls whose usage is not known."""
    estimated_calls: int = 0
    exchanged: Fraction | None = None
    """Of a cost in another currency than the dollar: the quantity in that currency."""
    events: tuple[tuple[int, Fraction], ...] = ()
    """Of outcomes' values that are charged one by one: when each occurred, and its value."""


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


class CustomerUsage(msgspec.Struct, frozen=True, kw_only=True):
    """One customer's usage of a period, as `consume` needs it."""

    cells: Mapping[Bucket | None, Sequence[Cell]] = {}
    """By how long their buckets are: what the plan's charges have, and None where one has no buckets."""
    outcomes: Mapping[Bucket | None, Sequence[OutcomeCell]] = {}
    distinct: Mapping[str, Sequence[DistinctCell]] = {}
    """By charge: how many values each of its groups has, of the calls that `meant_calls` says."""
    distinct_totals: Mapping[str, int] = {}
    """By charge: how many values there are in all of them, where its groups are not one."""


def consume(charges: Sequence[Charge], usage: CustomerUsage) -> Consumption:
    """Return what each charge takes of a customer's usage, in order, and what is left."""
    taken: dict[str, ChargedUsage] = {}
    left: tuple[Cell, ...] | None = None
    outcomes_left: tuple[OutcomeCell, ...] | None = None
    for bucket in BUCKETS:
        calls = [_Rest(cell) for cell in usage.cells.get(bucket, ())]
        outcomes = [_OutcomeRest(cell) for cell in usage.outcomes.get(bucket, ())]
        for charge in charges:
            if charge.meter in OUTCOME_METERS:
                found = _take_outcomes(charge, outcomes)
            else:
                found = _take_calls(charge, calls)
            if charge.bucket == bucket:
                taken[charge.name] = _with_distinct(charge, found, usage)
        if left is None and bucket in usage.cells:
            left = _cells_left(calls)
        if outcomes_left is None and bucket in usage.outcomes:
            outcomes_left = tuple(rest.cell for rest in outcomes if not rest.is_taken and rest.cell.count)
    return Consumption(
        charges=tuple(taken[charge.name] for charge in charges),
        unconsumed=left or (),
        unconsumed_outcomes=outcomes_left or (),
    )


def dimensions_of(charges: Iterable[Charge], *, of_outcomes: bool = False) -> tuple[str, ...]:
    """Return the dimensions that charges on calls look at, or those on outcomes, sorted.

    Cells of these are all that `consume` needs.
    """
    wanted = [each for each in charges if (each.meter in OUTCOME_METERS) == of_outcomes]
    return tuple(sorted({name for each in wanted for name in (*each.where, *each.itemize)}))


def meant_calls(charges: Sequence[Charge], of: Charge) -> tuple[Where, tuple[Where, ...]]:
    """Return which calls a charge on a distinct count is for: a filter, and filters that exclude calls.

    The latter are those of earlier charges that take calls as a whole.
    """
    if of.overlap:
        return of.where, ()
    earlier = charges[: [each.name for each in charges].index(of.name)]
    return of.where, tuple(each.where for each in earlier if _takes_calls(each) and not each.overlap)


class _Rest:
    """What is left of a cell."""

    __slots__ = ("cell", "costs", "taken", "tokens")

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.tokens: dict[str, int] = {
            "input": cell.uncached_input_tokens,
            "read": cell.cache_read_tokens,
            "creation": cell.cache_creation_tokens,
            "output": cell.output_tokens - cell.reasoning_tokens,
            "reasoning": cell.reasoning_tokens,
            "other": 0,
        }
        self.costs: dict[str, int] = {
            "input": cell.input_cost_pico,
            "read": cell.cache_read_cost_pico,
            "creation": cell.cache_creation_cost_pico,
            "output": cell.output_cost_pico - cell.reasoning_cost_pico,
            "reasoning": cell.reasoning_cost_pico,
            "other": cell.other_cost_pico,
        }
        self.taken: set[str] = set()
        """Classes that were taken; all of them where the calls as a whole were."""


class _OutcomeRest:
    __slots__ = ("cell", "is_taken")

    def __init__(self, cell: OutcomeCell) -> None:
        self.cell = cell
        self.is_taken = False


class _Sums:
    """A group as it adds up."""

    __slots__ = ("calls", "cost_pico", "estimated", "events", "quantity", "unpriced")

    def __init__(self) -> None:
        self.events: list[tuple[int, Fraction]] = []
        self.calls = self.cost_pico = self.estimated = self.unpriced = 0
        self.quantity = Fraction(0)


_Key = tuple[int | None, tuple[str, ...]]


def _takes_calls(charge: Charge) -> bool:
    return charge.meter not in TOKEN_METERS and charge.meter not in OUTCOME_METERS


def _take_calls(charge: Charge, rests: Sequence[_Rest]) -> ChargedUsage:
    groups: dict[_Key, _Sums] = defaultdict(_Sums)
    wanted = TOKEN_METERS.get(charge.meter, EVERYTHING)
    for rest in rests:
        cell = rest.cell
        if not matches(charge.where, cell.dims):
            continue
        classes = wanted if charge.overlap else tuple(name for name in wanted if name not in rest.taken)
        if not classes:
            continue
        group = groups[_key(charge, cell.dims, cell.start_ns)]
        cost = sum(rest.costs[name] for name in classes)
        group.calls += cell.calls
        group.cost_pico += cost
        if charge.meter in TOKEN_METERS:
            group.quantity += sum(rest.tokens[name] for name in classes)
            group.unpriced += cell.unknown_calls
            group.estimated += cell.estimated_calls
        elif charge.meter == "cost":
            group.quantity += Fraction(cost, PICO_PER_USD)
            group.unpriced += cell.unpriced_calls
            group.estimated += cell.estimated_calls
        elif charge.meter == CALLS_CHARGE:
            group.quantity += Fraction(cell.charge_pico, PICO_PER_USD)
            group.unpriced += cell.unpriced_calls
            group.estimated += cell.estimated_calls
        elif charge.meter == "calls":
            group.quantity += cell.calls
        elif charge.meter == "seconds":
            group.quantity += Fraction(cell.total_us, 1_000_000)
        if not charge.overlap:
            rest.taken.update(classes)
    return _charged(charge, groups)


def _take_outcomes(charge: Charge, rests: Sequence[_OutcomeRest]) -> ChargedUsage:
    groups: dict[_Key, _Sums] = defaultdict(_Sums)
    for rest in rests:
        if (rest.is_taken and not charge.overlap) or not matches(charge.where, rest.cell.dims):
            continue
        group = groups[_key(charge, rest.cell.dims, rest.cell.start_ns)]
        group.calls += rest.cell.count
        if charge.meter == "outcome":
            group.quantity += rest.cell.count
        else:
            group.quantity += Fraction(rest.cell.value)
            group.events += [(at_ns, Fraction(value)) for at_ns, value in rest.cell.events]
        rest.is_taken = rest.is_taken or not charge.overlap
    return _charged(charge, groups)


def _key(charge: Charge, dims: Mapping[str, str], start_ns: int | None) -> _Key:
    values = tuple(dims.get(name, "") for name in charge.itemize)
    return (start_ns if charge.bucket else None), values


def _charged(charge: Charge, groups: Mapping[_Key, _Sums]) -> ChargedUsage:
    found = [
        ChargedGroup(
            dims=dict(zip(charge.itemize, values, strict=True)),
            start_ns=start,
            quantity=sums.quantity,
            calls=sums.calls,
            cost_pico=sums.cost_pico,
            unpriced_calls=sums.unpriced,
            estimated_calls=sums.estimated,
            events=tuple(sorted(sums.events)),
        )
        for (start, values), sums in sorted(groups.items(), key=lambda each: (each[0][0] or 0, each[0][1]))
    ]
    quantity = sum((group.quantity for group in found), Fraction(0))
    return ChargedUsage(charge=charge.name, meter=charge.meter, quantity=quantity, groups=tuple(found))


def _with_distinct(charge: Charge, found: ChargedUsage, usage: CustomerUsage) -> ChargedUsage:
    """Return what a charge takes with the numbers of different values that were asked for apart."""
    if charge.meter not in DISTINCT_METERS:
        return found
    counts = {
        _key(charge, cell.dims, cell.start_ns): cell.count for cell in usage.distinct.get(charge.name, ())
    }
    groups = tuple(
        msgspec.structs.replace(
            group, quantity=Fraction(counts.get(_key(charge, group.dims, group.start_ns), 0))
        )
        for group in found.groups
    )
    total = usage.distinct_totals.get(charge.name)
    quantity = sum((group.quantity for group in groups), Fraction(0)) if total is None else Fraction(total)
    return msgspec.structs.replace(found, quantity=quantity, groups=groups)


def _cells_left(rests: Iterable[_Rest]) -> tuple[Cell, ...]:
    """Return what is left of cells, each of one combination of dimensions, whatever its bucket."""
    left: dict[tuple[tuple[str, str], ...], Cell] = {}
    for rest in rests:
        free = [name for name in EVERYTHING if name not in rest.taken]
        cell = rest.cell
        if not any(rest.tokens[name] or rest.costs[name] for name in free) and (rest.taken or not cell.calls):
            continue
        key = tuple(sorted(cell.dims.items()))
        known = left.get(key)
        some = _cell_left(rest, free)
        left[key] = some if known is None else _sum(known, some)
    return tuple(left.values())


def _cell_left(rest: _Rest, free: Sequence[str]) -> Cell:
    tokens = {name: rest.tokens[name] if name in free else 0 for name in EVERYTHING}
    costs = {name: rest.costs[name] if name in free else 0 for name in EVERYTHING}
    return msgspec.structs.replace(
        rest.cell,
        start_ns=None,
        uncached_input_tokens=tokens["input"],
        cache_read_tokens=tokens["read"],
        cache_creation_tokens=tokens["creation"],
        output_tokens=tokens["output"] + tokens["reasoning"],
        reasoning_tokens=tokens["reasoning"],
        input_cost_pico=costs["input"],
        cache_read_cost_pico=costs["read"],
        cache_creation_cost_pico=costs["creation"],
        output_cost_pico=costs["output"] + costs["reasoning"],
        reasoning_cost_pico=costs["reasoning"],
        other_cost_pico=costs["other"],
    )


_SUMS = tuple(name for name in Cell.__struct_fields__ if name not in ("customer", "dims", "start_ns"))


def _sum(one: Cell, other: Cell) -> Cell:
    return msgspec.structs.replace(one, **{name: getattr(one, name) + getattr(other, name) for name in _SUMS})
