"""Charges consume usage in order: against a reference that goes through every call by itself."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.charges.models import Standard
from farebox.charges.plan import Charge
from farebox.charges.usage.cells import Cell, DistinctCell, OutcomeCell
from farebox.charges.usage.conditions import matches
from farebox.charges.usage.consumption import (
    DISTINCT_METERS,
    OUTCOME_METERS,
    Consumption,
    CustomerUsage,
    consume,
    dimensions_of,
    meant_calls,
)

FIELDS = {"tasks": "task", "conversations": "session", "users": "user", "agents": "agent"}
MODEL = Standard(unit=Decimal(1))


def charge(name: str, meter: Any, where: dict[str, tuple[str, ...]] | None = None, **more: Any) -> Charge:
    return Charge(name=name, meter=meter, model=MODEL, where=where or {}, **more)


def one(model: str = "gpt-4o", **more: Any) -> Cell:
    """Return one call: 4 tokens of input, 3 cached, 2 written, 9 of output, 5 of them reasoning."""
    return Cell(
        **{
            "dims": {"model": model},
            "calls": 1,
            "total_us": 1_500_000,
            "uncached_input_tokens": 4,
            "cache_read_tokens": 3,
            "cache_creation_tokens": 2,
            "output_tokens": 9,
            "reasoning_tokens": 5,
            "input_cost_pico": 40,
            "cache_read_cost_pico": 3,
            "cache_creation_cost_pico": 20,
            "output_cost_pico": 900,
            "reasoning_cost_pico": 500,
            "other_cost_pico": 7,
            **more,
        }
    )


def consumed(charges: list[Charge], *cells: Cell) -> Consumption:
    return consume(charges, CustomerUsage(cells={None: cells}))


def quantities(found: Consumption) -> list[Fraction]:
    return [each.quantity for each in found.charges]


def test_a_cost_charge_bills_the_input_of_calls_whose_output_is_charged_by_token() -> None:
    charges = [charge("out", "output_tokens", {"model": ("gpt-4o",)}), charge("rest", "cost")]
    found = consumed(charges, one(), one("claude"))
    assert quantities(found) == [9, Fraction(40 + 3 + 20 + 7 + 970, 10**12)]
    assert [each.cost_pico for each in found.charges] == [900, 1_040]
    assert found.unconsumed == ()


def test_input_tokens_are_the_ones_that_no_cache_has() -> None:
    meters = ["input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens"]
    found = consumed([charge(meter, meter) for meter in meters], one())
    assert quantities(found) == [4, 3, 2, 9]


def test_all_tokens_are_those_that_no_earlier_charge_took() -> None:
    found = consumed([charge("reasoning", "reasoning_tokens"), charge("all", "tokens")], one())
    assert quantities(found) == [5, 4 + 3 + 2 + 4]


def test_calls_are_taken_as_a_whole_and_only_once() -> None:
    charges = [charge("calls", "calls"), charge("time", "seconds"), charge("cost", "cost")]
    assert quantities(consumed(charges, one())) == [1, 0, 0]
    assert quantities(consumed(charges[1:], one())) == [Fraction(3, 2), 0]


def test_an_overlapping_charge_neither_looks_nor_takes() -> None:
    charges = [charge("cost", "cost"), charge("fee", "calls", overlap=True), charge("tokens", "tokens")]
    assert quantities(consumed(charges, one())) == [Fraction(970, 10**12), 1, 0]


def test_usage_that_no_charge_took_is_named() -> None:
    found = consumed([charge("out", "output_tokens", {"model": ("gpt*",)})], one(), one("claude"))
    gpt, claude = found.unconsumed
    assert (gpt.dims, gpt.cost_pico, gpt.output_tokens, gpt.uncached_input_tokens) == (
        {"model": "gpt-4o"}, 70, 0, 4,
    )  # fmt: skip
    assert (claude.cost_pico, claude.output_tokens) == (970, 9)


def test_an_unpriced_call_makes_a_cost_at_least_and_leaves_tokens_exact() -> None:
    call = one(unpriced_calls=1, unknown_calls=0, estimated_calls=1)
    tokens, cost = consumed([charge("tokens", "output_tokens"), charge("cost", "cost")], call).charges
    assert (tokens.unpriced_calls, tokens.estimated_calls) == (0, 1)
    assert (cost.unpriced_calls, cost.estimated_calls) == (1, 1)
    unknown = one(unpriced_calls=1, unknown_calls=1)
    assert consumed([charge("tokens", "output_tokens")], unknown).charges[0].unpriced_calls == 1


def test_outcomes_are_counted_and_consumed_in_order() -> None:
    leads = OutcomeCell(dims={"outcome": "lead"}, count=3, value=Decimal("40.50"))
    other = OutcomeCell(dims={"outcome": "refund"}, count=1)
    charges = [
        charge("leads", "outcome", {"outcome": ("lead",)}),
        charge("value", "outcome_value", {"outcome": ("lead",)}),
        charge("both", "outcome_value", {"outcome": ("lead",)}, overlap=True),
    ]
    found = consume(charges, CustomerUsage(outcomes={None: [leads, other]}))
    assert quantities(found) == [3, 0, Fraction(81, 2)]
    assert found.unconsumed_outcomes == (other,)


# Against the reference: every call by itself, class by class.

METERS = (
    "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
    "tokens", "cost", "calls", "seconds", "tasks", "users",
)  # fmt: skip
CLASSES = {
    "input": ("input_tokens", "tokens"),
    "read": ("cached_input_tokens", "tokens"),
    "creation": ("cache_write_tokens", "tokens"),
    "output": ("output_tokens", "tokens"),
    "reasoning": ("output_tokens", "reasoning_tokens", "tokens"),
    "other": (),
}
"""Class to the token meters that count it."""

small = st.integers(0, 9)
values = st.sampled_from(["", "gpt-4o", "gpt-4o-mini", "claude"])
calls = st.builds(
    lambda model, task, reasoning, plain, reasoning_cost, plain_cost, **more: Cell(
        dims={"model": model, "task": task, "user": task[:1]},
        calls=1,
        reasoning_tokens=reasoning,
        output_tokens=reasoning + plain,
        reasoning_cost_pico=reasoning_cost,
        output_cost_pico=reasoning_cost + plain_cost,
        **more,
    ),
    values,
    st.sampled_from(["", "a1", "a2", "b1"]),
    small, small, small, small,
    uncached_input_tokens=small, cache_read_tokens=small, cache_creation_tokens=small, total_us=small,
    input_cost_pico=small, cache_read_cost_pico=small, cache_creation_cost_pico=small, other_cost_pico=small,
    unpriced_calls=st.integers(0, 1), estimated_calls=st.integers(0, 1),
)  # fmt: skip
wheres = st.dictionaries(
    st.sampled_from(["model", "task"]),
    st.lists(
        st.sampled_from(["", "gpt-4o", "gpt-4o*", "*mini", "a*", "a1", "*"]), min_size=1, max_size=2
    ).map(tuple),
    max_size=2,
)
plans = st.lists(
    st.tuples(st.sampled_from(METERS), wheres, st.booleans(), st.sampled_from([(), ("model",)])), max_size=5
).map(
    lambda found: [
        charge(f"c{number}", meter, where, overlap=overlap, itemize=itemize)
        for number, (meter, where, overlap, itemize) in enumerate(found)
    ]
)


def reference(charges: list[Charge], found: list[Cell]) -> tuple[list[Fraction], list[int], int]:
    """Return quantities and costs of charges, and the cost that none took, call by call."""
    amounts: list[Fraction] = [Fraction(0)] * len(charges)
    costs = [0] * len(charges)
    seen: list[set[str]] = [set() for _ in charges]
    left = 0
    for call in found:
        tokens = {
            "input": call.uncached_input_tokens, "read": call.cache_read_tokens,
            "creation": call.cache_creation_tokens, "output": call.output_tokens - call.reasoning_tokens,
            "reasoning": call.reasoning_tokens, "other": 0,
        }  # fmt: skip
        cost = {
            "input": call.input_cost_pico, "read": call.cache_read_cost_pico,
            "creation": call.cache_creation_cost_pico,
            "output": call.output_cost_pico - call.reasoning_cost_pico,
            "reasoning": call.reasoning_cost_pico, "other": call.other_cost_pico,
        }  # fmt: skip
        free, is_whole = set(CLASSES), True
        for number, each in enumerate(charges):
            if not matches(each.where, call.dims):
                continue
            is_of_tokens = any(each.meter in meters for meters in CLASSES.values())
            some = set(CLASSES) if each.overlap else set(free)
            if is_of_tokens:
                some = {name for name in some if each.meter in CLASSES[name]}
                amounts[number] += sum(tokens[name] for name in some)
            elif not (is_whole or each.overlap):
                continue
            elif each.meter == "cost":
                amounts[number] += Fraction(sum(cost[name] for name in some), 10**12)
            elif each.meter == "calls":
                amounts[number] += 1
            elif each.meter == "seconds":
                amounts[number] += Fraction(call.total_us, 10**6)
            elif call.dims.get(FIELDS[each.meter]):
                seen[number].add(call.dims[FIELDS[each.meter]])
            costs[number] += sum(cost[name] for name in some)
            if not each.overlap:
                free -= some
                is_whole = is_whole and is_of_tokens
        left += sum(cost[name] for name in free)
    for number, each in enumerate(charges):
        if each.meter in DISTINCT_METERS:
            amounts[number] = Fraction(len(seen[number]))
    return amounts, costs, left


def in_cells(charges: list[Charge], found: list[Cell]) -> CustomerUsage:
    """Return calls as the ledger answers: added up by the dimensions that charges look at."""
    dims = dimensions_of(charges)
    groups: dict[tuple[str, ...], list[Cell]] = defaultdict(list)
    for call in found:
        groups[tuple(call.dims[name] for name in dims)].append(call)
    sums = [name for name in Cell.__struct_fields__ if name not in ("customer", "dims", "start_ns")]
    cells = [
        Cell(
            dims=dict(zip(dims, key, strict=True)),
            **{name: sum(getattr(c, name) for c in some) for name in sums},
        )
        for key, some in groups.items()
    ]
    distinct: dict[str, list[DistinctCell]] = {}
    totals: dict[str, int] = {}
    for each in charges:
        if each.meter not in DISTINCT_METERS:
            continue
        where, unless = meant_calls(charges, each)
        meant = [
            call for call in found
            if matches(where, call.dims) and not any(matches(other, call.dims) for other in unless)
        ]  # fmt: skip
        by: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for call in meant:
            by[tuple(call.dims[name] for name in each.itemize)].add(call.dims[FIELDS[each.meter]])
        distinct[each.name] = [
            DistinctCell(dims=dict(zip(each.itemize, key, strict=True)), count=len(some - {""}))
            for key, some in by.items()
        ]
        totals[each.name] = len({call.dims[FIELDS[each.meter]] for call in meant} - {""})
    return CustomerUsage(cells={None: cells}, distinct=distinct, distinct_totals=totals)


@given(plans, st.lists(calls, max_size=12))
def test_charges_on_cells_take_what_a_walk_over_every_call_takes(
    charges: list[Charge], found: list[Cell]
) -> None:
    result = consume(charges, in_cells(charges, found))
    amounts, costs, left = reference(charges, found)
    assert quantities(result) == amounts
    assert [each.cost_pico for each in result.charges] == costs
    assert sum(cell.cost_pico for cell in result.unconsumed) == left
    for each, wanted in zip(result.charges, charges, strict=True):
        if wanted.meter not in DISTINCT_METERS:
            assert sum(group.quantity for group in each.groups) == each.quantity


@given(plans, st.lists(calls, max_size=12))
def test_no_cost_is_lost_or_taken_twice(charges: list[Charge], found: list[Cell]) -> None:
    result = consume(charges, in_cells(charges, found))
    overlapping = {each.name for each in charges if each.overlap}
    taken = sum(each.cost_pico for each in result.charges if each.charge not in overlapping)
    left = sum(cell.cost_pico for cell in result.unconsumed)
    assert taken + left == sum(call.cost_pico for call in found)


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("gpt-4o", "gpt-4o-mini", False), ("gpt-4o*", "gpt-4o-mini", True), ("*", "", False), ("", "", True),
        ("", "x", False), ("a*b*c", "a-b-c", True), ("a*a", "a", False),
    ],
)  # fmt: skip
def test_a_star_stands_for_any_text_and_the_empty_text_for_none(pattern: str, value: str, fits: bool) -> None:
    assert matches({"model": (pattern,)}, {"model": value} if value else {}) is fits


def test_a_distinct_count_leaves_out_calls_that_an_earlier_charge_took_as_a_whole() -> None:
    charges = [
        charge("tokens", "tokens", {"model": ("a",)}),
        charge("calls", "calls", {"model": ("b",)}),
        charge("tasks", "tasks"),
    ]
    assert meant_calls(charges, charges[2]) == ({}, ({"model": ("b",)},))
    assert meant_calls(charges, msgspec.structs.replace(charges[2], overlap=True)) == ({}, ())
    assert OUTCOME_METERS.isdisjoint(each.meter for each in charges)
