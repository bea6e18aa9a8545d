"""Usage as the record has it: calls through the replica's questions, outcomes from their own table."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from farebox.analytics.dimensions import PLAN_MODEL, VERIFIED
from farebox.analytics.query import Question, Row
from farebox.analytics.questions import Questions, Selection
from farebox.billing.usage.appended import Appended
from farebox.billing.usage.questions import AsOf, Span
from farebox.charges.usage.buckets import bucket_start
from farebox.charges.usage.cells import METER_MEASURES, Cell, DistinctCell, OutcomeCell
from farebox.charges.usage.conditions import Where, is_one_of
from farebox.charges.usage.consumption import Bucket
from farebox.ledger.charging.appended_days import appended_calls, appended_outcomes
from farebox.ledger.database import open_reader
from farebox.ledger.outcomes import OutcomeRow, last_outcome, outcomes_between

if TYPE_CHECKING:
    from farebox.home import Home

CUSTOMERS_AT_ONCE = 50
"""A screen that asks meanwhile waits for so many: about a tenth of a second with a million calls."""

_MEASURES = {
    "calls": "calls",
    "errors": "errors",
    "total_us": "total_us",
    "input_tokens": "input_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cache_creation_input_tokens": "cache_creation_tokens",
    "output_tokens": "output_tokens",
    "reasoning_output_tokens": "reasoning_tokens",
    "input_cost_pico": "input_cost_pico",
    "cache_read_cost_pico": "cache_read_cost_pico",
    "cache_creation_cost_pico": "cache_creation_cost_pico",
    "output_cost_pico": "output_cost_pico",
    "reasoning_cost_pico": "reasoning_cost_pico",
    "other_cost_pico": "other_cost_pico",
    "charge_pico": "charge_pico",
    "unpriced_calls": "unpriced_calls",
    "unknown_calls": "unknown_calls",
    "estimated_calls": "estimated_calls",
}
"""The analytics' measures, to what a cell calls them; its `input_tokens` are all input."""


class SingleOutcome(NamedTuple):
    """One outcome as it counts."""

    event_id: bytes
    source: int
    """The number of the writer: with the id, which outcome it is."""
    occurred_at_ns: int
    dims: dict[str, str]
    """`outcome` is its name; the others are attribution."""
    value: Decimal


@dataclass(frozen=True)
class RecordUsage:
    """Implements `farebox.billing.usage.RecordedUsage` over one home's record."""

    home: Home
    questions: Questions

    def as_of(self) -> AsOf:
        """Return how far the record is now."""
        connection = open_reader(self.home)
        if connection is None:
            return AsOf(0, 0)
        try:
            with connection:
                (seq,) = connection.execute("SELECT coalesce(max(seq), 0) FROM call").fetchone()
                return AsOf(seq, last_outcome(connection))
        finally:
            connection.close()

    def appended(self, after: AsOf) -> Appended:
        """Return which customers' days have rows after a position."""
        connection = open_reader(self.home)
        if connection is None:
            return Appended()
        try:
            with connection:
                return Appended(
                    appended_calls(connection, after.seq), appended_outcomes(connection, after.outcome)
                )
        finally:
            connection.close()

    def cells(self, span: Span, dims: Sequence[str], *, bucket: Bucket | None = None) -> list[Cell]:
        """Return a cell for each customer, bucket and combination of `dims` that has calls."""
        found: list[Cell] = []
        for start, customer, values, numbers in self._rows(span, dims, bucket, list(_MEASURES), {}, ()):
            sums = dict(zip(_MEASURES.values(), numbers, strict=True))
            cached = sums["cache_read_tokens"] + sums["cache_creation_tokens"]
            uncached = sums.pop("input_tokens") - cached
            found.append(
                Cell(customer=customer, dims=values, start_ns=start, uncached_input_tokens=uncached, **sums)
            )
        found.sort(key=_order)
        return found

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
        """Return how many different values calls have; see `Usage`."""
        measures = [METER_MEASURES[meter]]
        found = [
            DistinctCell(customer=customer, dims=values, start_ns=start, count=numbers[0])
            for start, customer, values, numbers in self._rows(span, dims, bucket, measures, where, unless)
        ]
        found.sort(key=_order)
        return found

    def outcomes(
        self, span: Span, dims: Sequence[str], *, bucket: Bucket | None = None, events: bool = False
    ) -> list[OutcomeCell]:
        """Return a cell for each customer, bucket, outcome's name and combination of `dims`; see `Usage`."""
        sums: dict[tuple[str, int | None, tuple[str, ...]], tuple[int, Decimal]] = defaultdict(
            lambda: (0, Decimal(0))
        )
        single: dict[tuple[str, int | None, tuple[str, ...]], Counter[tuple[int, Decimal]]] = defaultdict(
            Counter
        )
        names = ("outcome", *(name for name in dims if name != "outcome"))
        zone = ZoneInfo(span.timezone)
        for customer, row in self._outcome_rows(span):
            start = None if bucket is None else bucket_start(row.occurred_at_ns, bucket, zone)
            key = (customer, start, _values(row, names))
            count, value = sums[key]
            amount = Decimal(row.value or 0)
            sums[key] = count + row.sign, value + row.sign * amount
            if events:
                single[key][row.occurred_at_ns, amount] += row.sign
        found = [
            OutcomeCell(
                customer=customer,
                dims=dict(zip(names, values, strict=True)),
                start_ns=start,
                count=count,
                value=value,
                events=tuple(sorted(single[customer, start, values].elements())),
            )
            for (customer, start, values), (count, value) in sums.items()
            if count or value
        ]
        found.sort(key=_order)
        return found

    def single_outcomes(self, span: Span) -> list[SingleOutcome]:
        """Return every outcome of a span's customers that is not taken back, in the order of the record."""
        standing: dict[tuple[int, bytes, str], SingleOutcome] = {}
        for customer, row in self._outcome_rows(span):
            key = row.source, row.event_id, customer
            if row.sign < 0:
                standing.pop(key, None)
                continue
            standing[key] = SingleOutcome(
                row.event_id, row.source, row.occurred_at_ns, _dims(row), Decimal(row.value or 0)
            )
        return list(standing.values())

    def _outcome_rows(self, span: Span) -> Iterator[tuple[str, OutcomeRow]]:
        """Yield the rows of a span's customers, each with its customer."""
        connection = open_reader(self.home)
        if connection is None:
            return
        wanted = frozenset(span.customers)
        try:
            for row in outcomes_between(connection, span.from_ns, span.until_ns, last_id=span.as_of.outcome):
                customer = row.attribution.fields.get("customer", "")
                if customer in wanted and (row.attribution.verified or not span.verified):
                    yield customer, row
        finally:
            connection.close()

    def _rows(
        self,
        span: Span,
        dims: Sequence[str],
        bucket: Bucket | None,
        measures: list[str],
        where: Where,
        unless: Sequence[Where],
    ) -> Iterator[tuple[int | None, str, dict[str, str], list[int]]]:
        """Yield start, customer, dimensions and measures of each group, asking piece by piece."""
        by = ["customer", *map(_dimension, dims)]
        customers = iter(span.customers)
        while some := list(islice(customers, CUSTOMERS_AT_ONCE)):
            selection = _selection(span, some)
            asked = Selection(
                since_ns=selection.since_ns,
                until_ns=selection.until_ns,
                as_of_seq=selection.as_of_seq,
                where={**self._exact(where, selection), **selection.where},
                unless=[self._exact(each, selection) for each in unless],
            ).question(by=by, bucket=bucket, tz=span.timezone, measures=measures, order="calls")
            for row in self._answer(asked):
                customer, *keys = (key or "" for key in row.keys)
                numbers = [value or 0 for value in row.values]
                yield row.start_ns, customer, dict(zip(dims, keys, strict=True)), numbers

    def _answer(self, asked: Question) -> list[Row]:
        (answer,) = self.questions.answers(asked)
        return answer.rows

    def _exact(self, where: Where, selection: Selection) -> dict[str, list[str]]:
        """Return filters in the analytics' names, with the values that calls have in place of patterns."""
        found: dict[str, list[str]] = {}
        for name, values in where.items():
            known = list(values)
            if any("*" in value for value in values):
                asked = selection.question(by=[_dimension(name)], measures=["calls"], order="calls")
                had = sorted(row.keys[0] or "" for row in self._answer(asked))
                known = [value for value in had if is_one_of(values, value)]
            found[_dimension(name)] = known
        return found


def _selection(span: Span, customers: Sequence[str]) -> Selection:
    proven: Mapping[str, Sequence[str]] = {VERIFIED: ["true"]} if span.verified else {}
    return Selection(
        since_ns=span.from_ns,
        until_ns=span.until_ns,
        where={"customer": list(customers), **proven},
        as_of_seq=span.as_of.seq,
    )


def _dimension(name: str) -> str:
    """Return the analytics' name of a plan's dimension."""
    return PLAN_MODEL if name == "model" else name


def _values(row: OutcomeRow, names: Sequence[str]) -> tuple[str, ...]:
    dims = _dims(row)
    return tuple(dims.get(name if name == "outcome" else name.lower(), "") for name in names)


def _dims(row: OutcomeRow) -> dict[str, str]:
    fields = row.attribution.fields.items()
    named = {name.lower() if name.startswith("tag.") else name: value for name, value in fields}
    return {**named, "outcome": row.name}


def _order(cell: Cell | DistinctCell | OutcomeCell) -> tuple[str, int, tuple[str, ...]]:
    return cell.customer, cell.start_ns or 0, tuple(cell.dims.values())
