"""The calls and outcomes that a line is of, each with its part of the line's quantity.

Each is shared out among the plan's charges by itself, by the same function that billed all of them together,
as the record was at the invoice's seq. Of an adjustment: what changed since the line was billed last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import apsw
import msgspec
from msgspec.structs import replace

from farebox.analytics.dimensions import VERIFIED
from farebox.analytics.questions import Questions, Selection
from farebox.billing.usage import AsOf, Span
from farebox.billing.usage.record_usage import RecordUsage
from farebox.charges.amounts.conversion import converted
from farebox.charges.plan import Charge
from farebox.charges.rounding import exact_text
from farebox.charges.usage.buckets import bucket_start
from farebox.charges.usage.cells import METER_MEASURES, Cell, OutcomeCell
from farebox.charges.usage.consumption import OUTCOME_METERS, ChargedGroup, CustomerUsage, consume
from farebox.clock import iso, uuid_text
from farebox.ledger.call_row import CallRow
from farebox.ledger.calls import LedgerReader
from farebox.ledger.cost_classes import CLASSES, CostClasses
from farebox.ledger.database import ledger_error, open_reader
from farebox.ledger.feed import CLASS_COLUMNS, Feed

if TYPE_CHECKING:
    from farebox.billing.documents.document import InvoiceLine
    from farebox.billing.periods.terms import Segment, Terms
    from farebox.home import Home

_UNKNOWN = ("unpriced", "unknown")
_FIELD = {"tasks": "task", "sessions": "session", "users": "user", "agents": "agent"}
"""What the analytics' distinct counts are of."""
_ROWS = (
    "SELECT c.seq, c.reverses, c.cost_pico, c.sign, c.total_us, c.input_tokens, c.cache_read_input_tokens, "
    "c.cache_creation_input_tokens, c.output_tokens, c.reasoning_output_tokens, c.charge_pico, c.call_class, "
    "c.attribution, c.occurred_at "
    "FROM call f JOIN call c ON c.event_id = f.event_id AND c.source = f.source "
    "WHERE f.seq = ? AND c.seq <= ? ORDER BY c.seq"
)


class ExplainedCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call's part of a line."""

    event_id: str
    occurred_at: str
    model: str
    quantity: str
    """Decimal text, in the line's unit before conversion; where different values are counted, 1 for the first
    call of each."""
    value: str = ""
    """Of a line that counts different values: the call's own."""
    cost_pico: int
    price_ids: list[str]
    """Of the provider's prices; `farebox explain EVENT_ID` shows the receipt."""
    is_unpriced: bool = False
    """The call's cost is not known."""


class ExplainedOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One outcome's part of a line."""

    event_id: str
    occurred_at: str
    outcome: str
    task: str
    """Empty where the outcome has none."""
    quantity: str
    """Decimal text, in the line's unit before conversion: 1, or the outcome's value."""


class LineUsage(NamedTuple):
    """What a line is of."""

    calls: list[ExplainedCall]
    outcomes: list[ExplainedOutcome]
    quantity: Fraction
    """What they come to, in the line's unit."""
    counted: Fraction
    """The same before conversion: in the unit of their own quantities."""


class _Part(NamedTuple):
    quantity: Fraction
    shown: ExplainedCall | ExplainedOutcome


_Parts = dict[tuple[Any, ...], _Part]


class LineQuestion(NamedTuple):
    """What asks for the usage of a line."""

    customer: str
    terms: Terms
    segment: Segment
    charge: Charge
    dims: Mapping[str, str]
    """Of the line; empty where it is of all groups."""

    def span(self, as_of: AsOf) -> Span:
        return Span(
            customers=(self.customer,),
            from_ns=self.segment.from_ns,
            until_ns=self.segment.until_ns,
            as_of=as_of,
            timezone=self.terms.timezone,
            verified=self.terms.verified,
        )

    def start_ns(self, at_ns: int) -> int | None:
        """Return where the hour or day of a moment starts, None for a charge without buckets."""
        bucket = self.charge.bucket
        return None if bucket is None else bucket_start(at_ns, bucket, ZoneInfo(self.terms.timezone))

    def taken(self, cell: Cell | OutcomeCell) -> Iterator[ChargedGroup]:
        """Yield what the line takes of one call or outcome."""
        bucket = self.charge.bucket
        usage = (
            CustomerUsage(cells={bucket: (cell,)})
            if isinstance(cell, Cell)
            else CustomerUsage(outcomes={bucket: (cell,)})
        )
        charges = [replace(each, bucket=bucket) for each in self.segment.plan.charges]
        taken = next(each for each in consume(charges, usage).charges if each.charge == self.charge.name)
        for group in taken.groups:
            if (not self.dims or dict(group.dims) == self.dims) and (group.quantity or group.calls):
                yield group


def line_usage(
    home: Home, questions: Questions, asked: LineQuestion, as_of: AsOf, billed_as_of: AsOf | None
) -> LineUsage:
    """Return what a line is of as of a state of the record; with `billed_as_of` what changed since that."""
    parts_as_of = _outcomes if asked.charge.meter in OUTCOME_METERS else _calls
    parts = parts_as_of(home, questions, asked, as_of)
    counted = _counted(parts)
    quantity = converted(counted, asked.charge.conversion)
    if billed_as_of is not None:
        before = parts_as_of(home, questions, asked, billed_as_of)
        quantity -= converted(_counted(before), asked.charge.conversion)
        counted -= _counted(before)
        parts = _changes(before, parts)
    shown = [part.shown for part in parts.values()]
    return LineUsage(
        [each for each in shown if isinstance(each, ExplainedCall)],
        [each for each in shown if isinstance(each, ExplainedOutcome)],
        quantity,
        counted,
    )


def of_line(line: InvoiceLine, terms: Terms, customer: str) -> LineQuestion | None:
    """Return the question for a line of a plan's charge; None for a line of anything else."""
    for segment in terms.segments:
        if segment.subscription == line.subscription and segment.from_ns == line.from_ns:
            for charge in segment.plan.charges:
                if charge.name == line.charge:
                    return LineQuestion(customer, terms, segment, charge, line.dims)
    return None


def _counted(parts: _Parts) -> Fraction:
    return sum((part.quantity for part in parts.values()), Fraction(0))


def _changes(before: _Parts, after: _Parts) -> _Parts:
    found: _Parts = {}
    for key in sorted({*before, *after}, key=lambda key: (key not in before, str(key))):
        was, now = before.get(key), after.get(key)
        quantity = (now.quantity if now else Fraction(0)) - (was.quantity if was else Fraction(0))
        shown = (now or was or after[key]).shown
        more: dict[str, Any] = {"quantity": exact_text(quantity)}
        if isinstance(shown, ExplainedCall):
            costs = [each.shown.cost_pico if each and isinstance(each.shown, ExplainedCall) else 0
                     for each in (now, was)]  # fmt: skip
            more["cost_pico"] = costs[0] - costs[1]
        if quantity or more.get("cost_pico"):
            found[key] = _Part(quantity, replace(shown, **more))
    return found


def _outcomes(home: Home, questions: Questions, asked: LineQuestion, as_of: AsOf) -> _Parts:
    found: _Parts = {}
    for single in RecordUsage(home, questions).single_outcomes(asked.span(as_of)):
        start = asked.start_ns(single.occurred_at_ns)
        cell = OutcomeCell(
            customer=asked.customer,
            dims=_Dims(single.dims),
            start_ns=start,
            count=1,
            value=single.value,
        )
        for group in asked.taken(cell):
            shown = ExplainedOutcome(
                event_id=uuid_text(single.event_id),
                occurred_at=iso(single.occurred_at_ns),
                outcome=single.dims["outcome"],
                task=single.dims.get("task", ""),
                quantity=exact_text(group.quantity),
            )
            found[single.source, single.event_id] = _Part(group.quantity, shown)
    return found


def _calls(home: Home, questions: Questions, asked: LineQuestion, as_of: AsOf) -> _Parts:
    span = asked.span(as_of)
    where = {"customer": [asked.customer]} | ({VERIFIED: ["true"]} if span.verified else {})
    selection = Selection(since_ns=span.from_ns, until_ns=span.until_ns, where=where, as_of_seq=as_of.seq)
    counted = _FIELD.get(METER_MEASURES.get(asked.charge.meter, ""))
    known: set[tuple[Any, ...]] = set()
    found: _Parts = {}
    for row, cell, at_ns, _ in recorded_cells(home, list(questions.every_call(selection)), as_of.seq):
        for group in asked.taken(replace(cell, start_ns=asked.start_ns(at_ns))):
            quantity, value = group.quantity, cell.dims[counted] if counted else ""
            if counted:
                # Every bucket counts values by itself, and there every group; else a value counts once.
                of = (group.start_ns, *group.dims.values()) if asked.charge.bucket else ()
                quantity = Fraction(bool(value) and (*of, value) not in known)
                known.add((*of, value))
            shown = ExplainedCall(
                event_id=row.event_id,
                occurred_at=row.occurred_at,
                model=cell.dims["model"],
                quantity=exact_text(quantity),
                value=value,
                cost_pico=group.cost_pico,
                price_ids=row.price_ids,
                is_unpriced=bool(cell.unpriced_calls),
            )
            found[row.seq, *group.dims.values()] = _Part(quantity, shown)
    return found


class RecordedCell(NamedTuple):
    """A call as plans charge it."""

    call: CallRow
    """As it counts now."""
    cell: Cell
    """Its sums, and what it is told apart by, as of a row."""
    occurred_at_ns: int
    is_verified: bool
    """Its customer is proven."""


def recorded_cells(home: Home, seqs: Sequence[int], as_of_seq: int) -> Iterator[RecordedCell]:
    """Yield calls, each as of a row; those that were appended after it are left out."""
    reader, connection = LedgerReader(home), open_reader(home)
    if connection is None:
        return
    costs, feed = CostClasses(connection), Feed(connection)
    try:
        for call in reader.export(seqs):
            rows = connection.execute(_ROWS, (call.seq, as_of_seq)).fetchall()
            if rows:
                whose = feed.attributions({rows[-1][12]})[rows[-1][12]]
                cell = _cell(feed, costs, call, rows)
                yield RecordedCell(call, cell, rows[-1][13], whose.verified)
    except apsw.Error as error:
        raise ledger_error(home, error) from error
    finally:
        connection.close()
        reader.close()


def _cell(feed: Feed, classes: CostClasses, call: CallRow, rows: Sequence[Any]) -> Cell:
    found = classes.of([row[:3] for row in rows])
    sums = {name: sum(cost[at] for cost in found) for at, name in enumerate(CLASSES)}
    inputs, read, creation, output, reasoning = (sum(row[at] for row in rows) for at in range(5, 10))
    dims = _dims(feed, call, *rows[-1][11:13])
    return Cell(
        customer=dims["customer"],
        dims=dims,
        calls=1,
        total_us=sum(row[3] * row[4] for row in rows),
        uncached_input_tokens=inputs - read - creation,
        cache_read_tokens=read,
        cache_creation_tokens=creation,
        output_tokens=output,
        reasoning_tokens=reasoning,
        charge_pico=sum(row[10] or 0 for row in rows),
        unpriced_calls=int(dims["cost_state"] in _UNKNOWN),
        estimated_calls=int(dims["cost_state"] == "estimated"),
        **sums,
    )


class _Dims(dict[str, str]):
    """A call has no value of what it does not say."""

    def __missing__(self, name: str) -> str:
        return ""


def _dims(feed: Feed, call: CallRow, call_class: int, attribution: int) -> _Dims:
    """Return what a call was told apart by when its row with this class and attribution was appended."""
    kind = dict(zip(CLASS_COLUMNS, feed.classes({call_class})[call_class], strict=True))
    whose = feed.attributions({attribution})[attribution]
    return _Dims(
        {
            **{name: value for name, value in call.attribution.items() if name in ("step", "parent_step")},
            **{name.lower() if name.startswith("tag.") else name: value
               for name, value in whose.fields.items()},
            "provider": kind["provider"],
            "surface": kind["surface"],
            "host": kind["host"],
            "key": kind["key_fingerprint"] or "",
            "model": kind["request_model"] or kind["model"] or "",
            "request_model": kind["request_model"] or "",
            "status": str(kind["status"]),
            "error_class": kind["error_class"] or "",
            "outcome": kind["outcome"],
            "cost_state": kind["cost_state"],
            "completeness": kind["completeness"],
            "streamed": "true" if kind["streamed"] else "false",
            "source": call.source,
        }
    )  # fmt: skip
