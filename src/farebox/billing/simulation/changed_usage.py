"""Usage with some calls replaced: what it would have been by other prices, or with another model.

The record is asked as it is; of each call that would have been another one, its figures are taken off and the
other's are added, as a correction would. Only figures that calls have are changed: how many different users
or tasks there were, and their outcomes, stay as they were.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from farebox.billing.usage.questions import AsOf, Bucket, Span, Usage, Where
from farebox.charges.usage.buckets import bucket_start
from farebox.charges.usage.cells import Cell, DistinctCell, OutcomeCell
from farebox.time_expressions import zone_named

SUMS = tuple(name for name in Cell.__struct_fields__ if name not in ("customer", "dims", "start_ns"))
"""The figures of a cell."""

_Key = tuple[str, int | None, tuple[str, ...]]


class ReplacedCall(NamedTuple):
    """A call as a cell of its own: as it was, and as it would have been."""

    at_ns: int
    before: Cell
    after: Cell
    verified: bool = False
    """Whether the customer is proven."""


def summed(
    replaced: Iterable[ReplacedCall], edges: Mapping[str, Sequence[int]], slot_ns: int | None
) -> list[ReplacedCall]:
    """Return calls that no question tells apart as one: a million of them would not fit into memory.

    `edges` are the sorted moments, by customer, at which what is asked about begins or ends; `slot_ns` is a
    length of which buckets are multiples, None without buckets.
    """
    found: dict[tuple[object, ...], tuple[ReplacedCall, list[int], list[int]]] = {}
    for call in replaced:
        name = call.before.customer
        key = (
            name,
            bisect_right(edges.get(name, ()), call.at_ns),
            0 if slot_ns is None else call.at_ns // slot_ns,
            call.verified,
            *call.before.dims.items(),
            None,
            *call.after.dims.items(),
        )
        _, before, after = found.setdefault(key, (call, [0] * len(SUMS), [0] * len(SUMS)))
        for at, figure in enumerate(SUMS):
            before[at] += getattr(call.before, figure)
            after[at] += getattr(call.after, figure)
    return [
        first._replace(
            before=replace(first.before, **dict(zip(SUMS, before, strict=True))),
            after=replace(first.after, **dict(zip(SUMS, after, strict=True))),
        )
        for first, before, after in found.values()
    ]


class ChangedUsage:
    """Usage as `usage` has it, but for some calls."""

    def __init__(self, usage: Usage, replaced: Iterable[ReplacedCall]) -> None:
        self._usage = usage
        self._replaced = tuple(replaced)

    def as_of(self) -> AsOf:
        return self._usage.as_of()

    def cells(self, span: Span, dims: Sequence[str], *, bucket: Bucket | None = None) -> list[Cell]:
        """Return the cells, in the order of customers, buckets and dimensions."""
        sums: dict[_Key, list[int]] = {}
        for cell in self._usage.cells(span, dims, bucket=bucket):
            _add(sums, _key(cell.customer, cell.start_ns, cell.dims, dims), cell, 1)
        customers, zone = frozenset(span.customers), zone_named(span.timezone)
        for call in self._replaced:
            if span.verified and not call.verified:
                continue
            if call.before.customer in customers and span.from_ns <= call.at_ns < span.until_ns:
                start_ns = None if bucket is None else bucket_start(call.at_ns, bucket, zone)
                for cell, sign in ((call.before, -1), (call.after, 1)):
                    _add(sums, _key(cell.customer, start_ns, cell.dims, dims), cell, sign)
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


def _add(sums: dict[_Key, list[int]], key: _Key, cell: Cell, sign: int) -> None:
    figures = sums.setdefault(key, [0] * len(SUMS))
    for at, name in enumerate(SUMS):
        figures[at] += sign * getattr(cell, name)


def _order(entry: tuple[_Key, list[int]]) -> tuple[str, int, tuple[str, ...]]:
    customer, start_ns, values = entry[0]
    return customer, start_ns or 0, values
