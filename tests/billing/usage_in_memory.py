"""Usage that a test writes down call by call: a `farebox.billing.usage.RecordedUsage` in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from farebox.billing.usage import Appended, AsOf, Span
from farebox.charges.usage.cells import METER_MEASURES, Cell, DistinctCell, OutcomeCell
from farebox.charges.usage.conditions import Where, matches
from farebox.charges.usage.consumption import Bucket
from farebox.ledger.charging.appended_days import DAY_NS, AppendedDay

_SUMS = tuple(name for name in Cell.__struct_fields__ if name not in ("customer", "dims", "start_ns"))
T = TypeVar("T", Cell, OutcomeCell)
_FIELD = {"tasks": "task", "sessions": "session", "users": "user", "agents": "agent"}


class UsageInMemory:
    """Calls and outcomes by hand. `start_ns` of each is when it occurred, its number when it was recorded."""

    def __init__(self, calls: Iterable[Cell] = (), outcomes: Iterable[OutcomeCell] = ()) -> None:
        self.calls = list(calls)
        self.outcome_rows = list(outcomes)

    def add(self, *calls: Cell) -> None:
        """Record calls; a correction is one cell with the negative sums, and one with the new ones."""
        self.calls += calls

    def as_of(self) -> AsOf:
        return AsOf(len(self.calls), len(self.outcome_rows))

    def appended(self, after: AsOf) -> Appended:
        return Appended(
            _days(self.calls, after.seq, "calls"), _days(self.outcome_rows, after.outcome, "count")
        )

    def cells(self, span: Span, dims: Sequence[str], *, bucket: Bucket | None = None) -> list[Cell]:
        groups: dict[Any, list[Cell]] = defaultdict(list)
        for call in self._in(span, self.calls[: span.as_of.seq]):
            groups[_key(call, dims, bucket, span)].append(call)
        return [
            Cell(
                customer=customer,
                start_ns=None if bucket is None else start,
                dims=dict(zip(dims, values, strict=True)),
                **{name: sum(getattr(call, name) for call in some) for name in _SUMS},
            )
            for (customer, start, values), some in sorted(groups.items())
            if sum(call.calls for call in some) > 0
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
        groups: dict[Any, set[str]] = defaultdict(set)
        for call in self._in(span, self.calls[: span.as_of.seq]):
            if matches(where, call.dims) and not any(matches(each, call.dims) for each in unless):
                value = call.dims.get(_FIELD[METER_MEASURES[meter]], "")
                groups[_key(call, dims, bucket, span)] |= {value} if value else set()
        return [
            DistinctCell(
                customer=customer,
                start_ns=None if bucket is None else start,
                dims=dict(zip(dims, values, strict=True)),
                count=len(found),
            )
            for (customer, start, values), found in sorted(groups.items())
        ]

    def outcomes(
        self, span: Span, dims: Sequence[str], *, bucket: Bucket | None = None, events: bool = False
    ) -> list[OutcomeCell]:
        names = ("outcome", *(name for name in dims if name != "outcome"))
        groups: dict[Any, list[OutcomeCell]] = defaultdict(list)
        for row in self._in(span, self.outcome_rows[: span.as_of.outcome]):
            groups[_key(row, names, bucket, span)].append(row)
        return [
            OutcomeCell(
                customer=customer,
                start_ns=None if bucket is None else start,
                dims=dict(zip(names, values, strict=True)),
                count=sum(row.count for row in some),
                value=sum((row.value for row in some), start=some[0].value * 0),
                events=tuple(sorted((row.start_ns or 0, row.value) for row in some)) if events else (),
            )
            for (customer, start, values), some in sorted(groups.items())
        ]

    def _in(self, span: Span, rows: Sequence[T]) -> list[T]:
        return [
            row
            for row in rows
            if row.customer in span.customers
            and span.from_ns <= (row.start_ns or 0) < span.until_ns
            and (not span.verified or row.dims.get("verified") == "true")
        ]


def _days(rows: Sequence[Cell] | Sequence[OutcomeCell], after: int, number: str) -> list[AppendedDay]:
    return [
        AppendedDay(
            customer=row.customer,
            day=(row.start_ns or 0) // DAY_NS,
            verified=row.dims.get("verified") == "true",
            number=getattr(row, number),
            newest=place,
        )
        for place, row in enumerate(rows, 1)
        if place > after
    ]


def call(customer: str, at_ns: int, **more: Any) -> Cell:
    """Return one call: figures by their names in `Cell`, everything else as dimensions."""
    dims = {name: str(value) for name, value in more.items() if name not in _SUMS}
    sums = {name: value for name, value in more.items() if name in _SUMS}
    return Cell(customer=customer, start_ns=at_ns, dims=dims, **{"calls": 1, **sums})


def reversed_call(seen: Cell) -> Cell:
    """Return what takes a call back."""
    return msgspec.structs.replace(seen, **{name: -getattr(seen, name) for name in _SUMS})


def _key(row: Cell | OutcomeCell, dims: Sequence[str], bucket: Bucket | None, span: Span) -> tuple[Any, ...]:
    values = tuple(row.dims.get(name, "") for name in dims)
    if bucket is None:
        return row.customer, 0, values
    local = datetime.fromtimestamp((row.start_ns or 0) // 10**9, UTC).astimezone(ZoneInfo(span.timezone))
    start = local.replace(minute=0, second=0, microsecond=0)
    if bucket == "day":
        start = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return row.customer, int(start.timestamp()) * 10**9, values
