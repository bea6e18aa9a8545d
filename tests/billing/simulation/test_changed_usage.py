"""Replaced calls change the sums of their own cell and of the one that they move to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.billing.usage_in_memory import UsageInMemory

from farebox.billing.simulation.changed_usage import SUMS, ChangedUsage, ReplacedCall, summed
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


@given(st.lists(calls), st.data())
def test_usage_with_replaced_calls_is_the_usage_of_a_record_that_had_them(found: Any, data: Any) -> None:
    replaced = [each for each in found if data.draw(st.booleans())]
    others = [each for each in found if not any(each is one for one in replaced)]
    changes = [
        ReplacedCall(
            at, cell, msgspec.structs.replace(cell, dims={**cell.dims, "model": "z"}, output_cost_pico=1)
        )
        for at, cell in replaced
    ]
    expected = Calls([*others, *((change.at_ns, change.after) for change in changes)])
    for dims in (DIMS, ("model",), ()):
        for bucket in (None, "hour"):
            changed = ChangedUsage(Calls(found), changes).cells(SPAN, dims, bucket=bucket)
            assert changed == expected.cells(SPAN, dims, bucket=bucket)
            edges = {name: [SPAN.from_ns, SPAN.until_ns] for name in SPAN.customers}
            fewer = summed(changes, edges, None if bucket is None else HOUR)
            assert ChangedUsage(Calls(found), fewer).cells(SPAN, dims, bucket=bucket) == changed
            assert len(fewer) <= len(changes)


def test_without_replaced_calls_usage_is_the_record_s() -> None:
    record = Calls([(1, Cell(customer="acme", dims={"agent": "a", "model": "m"}, calls=1, output_tokens=5))])
    changed = ChangedUsage(record, ())
    assert changed.cells(SPAN, DIMS) == record.cells(SPAN, DIMS)
    assert changed.as_of() == record.as_of()
    assert changed.distinct(SPAN, "tasks", where={}) == record.distinct(SPAN, "tasks")
    assert changed.outcomes(SPAN, ()) == record.outcomes(SPAN, ())


def test_hours_of_a_zone_with_half_hours_are_those_of_the_record() -> None:
    """In Kolkata an hour begins 30 minutes after those of UTC."""
    cell = Cell(customer="acme", dims={"model": "a"}, calls=1, output_cost_pico=7)
    before, after = cell, msgspec.structs.replace(cell, output_cost_pico=9)
    recorded = UsageInMemory([msgspec.structs.replace(cell, start_ns=HOUR * 3 // 4)])
    changed = ChangedUsage(recorded, [ReplacedCall(HOUR * 3 // 4, before, after)])
    span = msgspec.structs.replace(SPAN, timezone="Asia/Kolkata")
    assert [
        (each.start_ns, each.calls, each.output_cost_pico)
        for each in changed.cells(span, DIMS, bucket="hour")
    ] == [(HOUR // 2, 1, 9)]
