"""Differences change the sums of the cell that calls were in, and of the one that they would have been in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.billing.usage_in_memory import UsageInMemory

from farebox.billing.simulation.changed_usage import (
    SUMS,
    ChangedUsage,
    DifferenceSums,
    UsageDifference,
)
from farebox.billing.usage.questions import AsOf, Span
from farebox.charges.usage.cells import Cell, DistinctCell, OutcomeCell

HOUR = 3_600 * 10**9
DIMS = ("agent", "model")


class Calls:
    """Usage made of single calls."""

    def __init__(self, calls: Sequence[tuple[int, Cell]]) -> None:
        self.calls = calls

    def as_of(self) -> AsOf:
        return AsOf(1, 1)

    def cells(self, span: Span, dims: Sequence[str], *, bucket: Any = None) -> list[Cell]:
        sums: dict[tuple[str, int | None, tuple[str, ...]], list[int]] = {}
        for at_ns, cell in self.calls:
            if cell.customer in span.customers and span.from_ns <= at_ns < span.until_ns:
                start = at_ns // HOUR * HOUR if bucket else None
                figures = sums.setdefault(
                    (cell.customer, start, tuple(cell.dims.get(name, "") for name in dims)), [0] * len(SUMS)
                )
                for place, name in enumerate(SUMS):
                    figures[place] += getattr(cell, name)
        return [
            Cell(
                customer=customer,
                dims=dict(zip(dims, values, strict=True)),
                start_ns=start,
                **dict(zip(SUMS, figures, strict=True)),
            )
            for (customer, start, values), figures in sorted(
                sums.items(), key=lambda entry: (entry[0][0], entry[0][1] or 0, entry[0][2])
            )
        ]

    def distinct(self, span: Span, meter: str, **_: Any) -> list[DistinctCell]:
        return [DistinctCell(customer="acme", count=3)]

    def outcomes(self, span: Span, dims: Sequence[str], **_: Any) -> list[OutcomeCell]:
        return [OutcomeCell(customer="acme", dims={"outcome": "lead"}, count=2)]


SPAN = Span(customers=("acme", "beta"), from_ns=0, until_ns=10 * HOUR, as_of=AsOf(1, 1))
calls = st.tuples(
    st.integers(0, 12 * HOUR),
    st.builds(
        Cell,
        customer=st.sampled_from(["acme", "beta", "other"]),
        dims=st.fixed_dictionaries(
            {"agent": st.sampled_from(["a", ""]), "model": st.sampled_from(["m", "n"])}
        ),
        calls=st.just(1),
        output_tokens=st.integers(1, 9),
        output_cost_pico=st.integers(0, 9),
    ),
)


def figures_of(cell: Cell) -> list[int]:
    return [getattr(cell, name) for name in SUMS]


def with_figures(cell: Cell, figures: Sequence[int]) -> Cell:
    return msgspec.structs.replace(cell, **dict(zip(SUMS, figures, strict=True)))


@given(st.lists(calls), st.data())
def test_usage_with_other_calls_is_the_usage_of_a_record_that_had_them(found: Any, data: Any) -> None:
    replaced = [each for each in found if data.draw(st.booleans())]
    kept = [each for each in found if not any(each is one for one in replaced)]
    others = [
        (at, msgspec.structs.replace(cell, dims={**cell.dims, "model": "z"}, output_cost_pico=1))
        for at, cell in replaced
    ]
    changes = [
        *((at, with_figures(cell, [-each for each in figures_of(cell)])) for at, cell in replaced),
        *others,
    ]
    expected = Calls([*kept, *others])
    for dims in (DIMS, ("model",), ()):
        for bucket in (None, "hour"):
            one_by_one = ChangedUsage(Calls(found), [UsageDifference(at, cell) for at, cell in changes])
            assert one_by_one.cells(SPAN, dims, bucket=bucket) == expected.cells(SPAN, dims, bucket=bucket)
            edges = {name: [SPAN.from_ns, SPAN.until_ns] for name in SPAN.customers}
            sums = DifferenceSums(edges, None if bucket is None else HOUR)
            for at, cell in changes:
                sums.add(cell.customer, at, False, cell.dims, figures_of(cell))
            fewer = sums.differences()
            assert len(fewer) <= len(changes)
            added_up = ChangedUsage(Calls(found), fewer)
            assert added_up.cells(SPAN, dims, bucket=bucket) == expected.cells(SPAN, dims, bucket=bucket)


def test_differences_that_a_question_may_tell_apart_are_not_added_up() -> None:
    sums = DifferenceSums({"acme": [5, 10]}, 4)
    one = [1] * len(SUMS)
    for at_ns, verified, agent in ((4, False, "a"), (5, False, "a"), (6, True, "a"), (7, True, "b")):
        sums.add("acme", at_ns, verified, {"agent": agent}, one)
    sums.add("acme", 6, True, {"agent": "a"}, one)
    sums.add("beta", 6, True, {"agent": "a"}, one)
    found = sums.differences()
    assert [(each.cell.customer, each.at_ns, each.verified, each.cell.calls) for each in found] == [
        ("acme", 4, False, 1),
        ("acme", 5, False, 1),
        ("acme", 6, True, 2),
        ("acme", 7, True, 1),
        ("beta", 6, True, 1),
    ]
    assert [each.cell.dims for each in found[2:4]] == [{"agent": "a"}, {"agent": "b"}]


def test_only_a_proven_customer_s_differences_count_where_others_do_not() -> None:
    cell = Cell(customer="acme", dims={"agent": "a", "model": "m"}, calls=1)
    changed = ChangedUsage(Calls([]), [UsageDifference(1, cell), UsageDifference(2, cell, verified=True)])
    proven = msgspec.structs.replace(SPAN, verified=True)
    assert [each.calls for each in changed.cells(SPAN, DIMS)] == [2]
    assert [each.calls for each in changed.cells(proven, DIMS)] == [1]


def test_without_differences_usage_is_the_record_s() -> None:
    record = Calls([(1, Cell(customer="acme", dims={"agent": "a", "model": "m"}, calls=1, output_tokens=5))])
    changed = ChangedUsage(record, ())
    assert changed.cells(SPAN, DIMS) == record.cells(SPAN, DIMS)
    assert changed.as_of() == record.as_of()
    assert changed.distinct(SPAN, "tasks", where={}) == record.distinct(SPAN, "tasks")
    assert changed.outcomes(SPAN, ()) == record.outcomes(SPAN, ())


def test_hours_of_a_zone_with_half_hours_are_those_of_the_record() -> None:
    """In Kolkata an hour begins 30 minutes after those of UTC."""
    cell = Cell(customer="acme", dims={"model": "a"}, calls=1, output_cost_pico=7)
    more = Cell(customer="acme", dims={"model": "a"}, output_cost_pico=2)
    recorded = UsageInMemory([msgspec.structs.replace(cell, start_ns=HOUR * 3 // 4)])
    changed = ChangedUsage(recorded, [UsageDifference(HOUR * 3 // 4, more)])
    span = msgspec.structs.replace(SPAN, timezone="Asia/Kolkata")
    assert [
        (each.start_ns, each.calls, each.output_cost_pico)
        for each in changed.cells(span, DIMS, bucket="hour")
    ] == [(HOUR // 2, 1, 9)]
