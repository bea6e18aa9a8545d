"""Usage with some calls replaced: what it would have been by other prices, or with another model.

The record is asked as it is; of each call that would have been another one, its figures are taken off and the
other's are added, as a correction would. Only figures that calls have are changed: how many different users
or tasks there were, and their outcomes, stay as they were.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from operator import add
from typing import NamedTuple

from farebox.billing.usage.questions import AsOf, Bucket, Span, Usage, Where
from farebox.charges.usage.buckets import bucket_start
from farebox.charges.usage.cells import Cell, DistinctCell, OutcomeCell
from farebox.charges.usage.cost_classes import CLASSES
from farebox.time_expressions import zone_named

SUMS = (
    "calls",
    "errors",
    "total_us",
    "uncached_input_tokens",
    "cache_read_tokens",
    "cache_creation_tokens",
    "output_tokens",
    "reasoning_tokens",
    *CLASSES,
    "charge_pico",
    "unpriced_calls",
    "unknown_calls",
    "estimated_calls",
)
"""The figures of a cell: counts, then money."""

_Key = tuple[str, int | None, tuple[str, ...]]


class UsageDifference(NamedTuple):
    """What other calls add to a cell, or take off it."""

    at_ns: int
    cell: Cell
    """Its figures are signed."""
    verified: bool = False
    """Whether the customer is proven."""


class DifferenceSums:
    """Adds up what no question tells apart: the differences of a million calls would not fit into memory."""

    def __init__(self, edges: Mapping[str, Sequence[int]], slot_ns: int | None) -> None:
        """`edges` are the sorted moments, by customer, at which what is asked about begins or ends.

        `slot_ns` is a length of which buckets are multiples, None without buckets.
        """
        self._edges = edges
        self._slot_ns = slot_ns
        self._found: dict[tuple[object, ...], tuple[str, int, bool, Mapping[str, str], list[int]]] = {}

    def add(
        self, customer: str, at_ns: int, verified: bool, dims: Mapping[str, str], figures: Sequence[int]
    ) -> None:
        """Add figures as `SUMS`."""
        slot_ns = self._slot_ns
        key = (
            customer,
            bisect_right(self._edges.get(customer, ()), at_ns),
            0 if slot_ns is None else at_ns // slot_ns,
            verified,
            *dims.items(),
        )
        known = self._found.get(key)
        if known is None:
            self._found[key] = customer, at_ns, verified, dims, list(figures)
        else:
            known[-1][:] = map(add, known[-1], figures)

    def differences(self) -> list[UsageDifference]:
        """Return the sums, each at a moment of one of its calls."""
        return [
            UsageDifference(
                at_ns, Cell(customer=customer, dims=dims, **dict(zip(SUMS, figures, strict=True))), verified
            )
            for customer, at_ns, verified, dims, figures in self._found.values()
        ]


class ChangedUsage:
    """Usage as `usage` has it, but for some calls."""

    def __init__(self, usage: Usage, differences: Iterable[UsageDifference]) -> None:
        self._usage = usage
        self._differences: dict[str, list[UsageDifference]] = {}
        for each in differences:
            self._differences.setdefault(each.cell.customer, []).append(each)

    def as_of(self) -> AsOf:
        return self._usage.as_of()

    def cells(self, span: Span, dims: Sequence[str], *, bucket: Bucket | None = None) -> list[Cell]:
        """Return the cells, in the order of customers, buckets and dimensions."""
        sums: dict[_Key, list[int]] = {}
        for cell in self._usage.cells(span, dims, bucket=bucket):
            _add(sums, _key(cell.customer, cell.start_ns, cell.dims, dims), cell)
        zone = zone_named(span.timezone)
        for customer in dict.fromkeys(span.customers):
            for at_ns, cell, verified in self._differences.get(customer, ()):
                if (verified or not span.verified) and span.from_ns <= at_ns < span.until_ns:
                    start_ns = None if bucket is None else bucket_start(at_ns, bucket, zone)
                    _add(sums, _key(customer, start_ns, cell.dims, dims), cell)
        return [
            Cell(
                customer=customer,
                dims=dict(zip(dims, values, strict=True)),
                start_ns=start_ns,
                **dict(zip(SUMS, figures, strict=True)),
            )
            for (customer, start_ns, values), figures in sorted(sums.items(), key=_order)
            if any(figures)
        ]

    def distinct(
        self,
        span: Span,
        meter: str,
        *,
        where: Where,
        unless: Sequence[Where] = (),
        dims: Sequence[str] = (),
        bucket: Bucket | None = None,
    ) -> list[DistinctCell]:
        """Return what the record has: a count of different values follows no change of calls."""
        return self._usage.distinct(span, meter, where=where, unless=unless, dims=dims, bucket=bucket)

    def outcomes(
        self, span: Span, dims: Sequence[str], *, bucket: Bucket | None = None, events: bool = False
    ) -> list[OutcomeCell]:
        """Return what the record has."""
        return self._usage.outcomes(span, dims, bucket=bucket, events=events)


def _key(customer: str, start_ns: int | None, has: Mapping[str, str], dims: Sequence[str]) -> _Key:
    return customer, start_ns, tuple([has.get(name, "") for name in dims])


def _add(sums: dict[_Key, list[int]], key: _Key, cell: Cell) -> None:
    figures = sums.setdefault(key, [0] * len(SUMS))
    for at, name in enumerate(SUMS):
        figures[at] += getattr(cell, name)


def _order(entry: tuple[_Key, list[int]]) -> tuple[str, int, tuple[str, ...]]:
    customer, start_ns, values = entry[0]
    return customer, start_ns or 0, values
