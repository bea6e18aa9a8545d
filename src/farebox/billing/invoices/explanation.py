"""Explain an invoice line: its arithmetic, and the calls whose receipts add up to its quantity.

Each call is shared out among the plan's charges by itself, by the same function that billed all of them
together, as the record was at the invoice's seq.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import apsw
import msgspec

from farebox.analytics.questions import Questions, Selection
from farebox.billing.invoices.document import Invoice, InvoiceLine
from farebox.billing.invoices.store import stored_invoice
from farebox.billing.invoices.terms import Segment, Terms, decode_terms
from farebox.charges.cells import Cell
from farebox.charges.consumption import CustomerUsage, consume
from farebox.charges.conversion import converted
from farebox.charges.models import CostPlus, Graduated, Percentage, Standard
from farebox.charges.plan import Charge
from farebox.charges.rounding import decimal_of_units, exact_text
from farebox.errors import InvoiceNotFoundError
from farebox.ledger.call_row import CallRow
from farebox.ledger.calls import LedgerReader
from farebox.ledger.cost_classes import CLASSES, CostClasses
from farebox.ledger.database import Connection, ledger_error, open_reader

if TYPE_CHECKING:
    from sqlalchemy import Connection as ControlConnection

    from farebox.home import Home

_UNKNOWN = ("unpriced", "unknown")
_ROWS = (
    "SELECT c.seq, c.reverses, c.cost_pico, c.sign, c.total_us, c.input_tokens, c.cache_read_input_tokens, "
    "c.cache_creation_input_tokens, c.output_tokens, c.reasoning_output_tokens, c.charge_pico FROM call f "
    "JOIN call c ON c.event_id = f.event_id AND c.source = f.source "
    "WHERE f.seq = ? AND c.seq <= ? ORDER BY c.seq"
)


class ExplainedCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call's part of a line."""

    event_id: str
    occurred_at: str
    model: str
    quantity: str
    """Decimal text, in the line's unit before conversion."""
    cost_pico: int
    price_ids: list[str]
    """Of the provider's prices; `farebox explain EVENT_ID` shows the receipt."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A line, down to its calls."""

    line: InvoiceLine
    arithmetic: list[str]
    """Sentences: quantity, price, amount, rounding."""
    calls: list[ExplainedCall]
    quantity: str | None
    """What the calls come to."""
    adds_up: bool | None
    """Whether that is the line's quantity; None for lines without calls."""


def explained(
    home: Home, questions: Questions, invoice: Invoice, terms: Terms, line: InvoiceLine
) -> Explanation:
    """Return the explanation of a line; `terms` are those of the invoice, or of the one that it adjusts."""
    found = _charge_of(terms, line)
    if found is None or found[1].meter in ("outcome", "outcome_value"):
        return Explanation(
            line=line,
            arithmetic=_arithmetic(invoice, line, found),
            calls=[],
            quantity=None,
            adds_up=None,
        )
    segment, charge = found
    calls, quantity = _calls(home, questions, invoice, terms, segment, charge, line)
    shown = converted(quantity, charge.conversion)
    wanted = None if line.quantity is None else Fraction(line.quantity)
    is_distinct = charge.meter in ("tasks", "conversations", "users", "agents")
    compared = line.kind == "usage" and not is_distinct
    return Explanation(
        line=line,
        arithmetic=_arithmetic(invoice, line, found),
        calls=calls,
        quantity=exact_text(shown),
        adds_up=shown == wanted if compared else None,
    )


def line_of(connection: ControlConnection, named: str) -> tuple[Invoice, Terms, InvoiceLine]:
    """Return the line named `INVOICE/LINE` of a final invoice, and the terms that it was rated by.

    Raises:
        InvoiceNotFoundError: There is none.
    """
    number, _, id = named.rpartition("/")
    stored = stored_invoice(connection, number) if number else None
    line = None if stored is None else next((each for each in stored.invoice.lines if each.id == id), None)
    if stored is None or line is None:
        raise InvoiceNotFoundError(f"there is no line {named!r} of a final invoice")
    rated_by = stored_invoice(connection, line.of_invoice) if line.kind == "adjustment" else stored
    return stored.invoice, decode_terms((rated_by or stored).terms), line


def _charge_of(terms: Terms, line: InvoiceLine) -> tuple[Segment, Charge] | None:
    for segment in terms.segments:
        if segment.subscription == line.subscription and segment.from_ns == line.from_ns:
            for charge in segment.plan.charges:
                if charge.name == line.charge:
                    return segment, charge
    return None


def _calls(
    home: Home,
    questions: Questions,
    invoice: Invoice,
    terms: Terms,
    segment: Segment,
    charge: Charge,
    line: InvoiceLine,
) -> tuple[list[ExplainedCall], Fraction]:
    where = {"customer": [invoice.customer]} | ({"verified": ["true"]} if terms.verified else {})
    selection = Selection(
        since_ns=segment.from_ns, until_ns=segment.until_ns, where=where, as_of_seq=invoice.as_of_seq
    )
    calls: list[ExplainedCall] = []
    total = Fraction(0)
    for row, cell in _cells(home, list(questions.every_call(selection)), invoice.as_of_seq):
        usage = CustomerUsage(cells={charge.bucket: (cell,)}, distinct={}, outcomes={})
        charges = [msgspec.structs.replace(each, bucket=charge.bucket) for each in segment.plan.charges]
        taken = next(each for each in consume(charges, usage).charges if each.charge == charge.name)
        for group in taken.groups:
            if line.dims and dict(group.dims) != line.dims:
                continue
            if not (group.quantity or group.calls):
                continue
            total += group.quantity
            calls.append(
                ExplainedCall(
                    event_id=row.event_id,
                    occurred_at=row.occurred_at,
                    model=cell.dims["model"],
                    quantity=exact_text(group.quantity),
                    cost_pico=group.cost_pico,
                    price_ids=row.price_ids,
                )
            )
    return calls, total


def _cells(home: Home, seqs: Sequence[int], as_of_seq: int) -> Iterator[tuple[CallRow, Cell]]:
    """Yield calls, each with its sums as of a row."""
    reader, connection = LedgerReader(home), open_reader(home)
    if connection is None:
        return
    try:
        for row in reader.export(seqs):
            yield row, _cell(connection, row, as_of_seq)
    except apsw.Error as error:
        raise ledger_error(home, error) from error
    finally:
        connection.close()
        reader.close()


def _cell(connection: Connection, call: CallRow, as_of_seq: int) -> Cell:
    rows = connection.execute(_ROWS, (call.seq, as_of_seq)).fetchall()
    costs = CostClasses(connection).of([row[:3] for row in rows])
    sums = {name: sum(cost[at] for cost in costs) for at, name in enumerate(CLASSES)}
    inputs, read, creation, output, reasoning = (sum(row[at] for row in rows) for at in range(5, 10))
    unpriced = int(call.cost_state in _UNKNOWN)
    return Cell(
        customer=call.attribution.get("customer", ""),
        dims=_dims(call),
        calls=1,
        total_us=sum(row[3] * row[4] for row in rows),
        uncached_input_tokens=inputs - read - creation,
        cache_read_tokens=read,
        cache_creation_tokens=creation,
        output_tokens=output,
        reasoning_tokens=reasoning,
        charge_pico=sum(row[10] or 0 for row in rows),
        unpriced_calls=unpriced,
        estimated_calls=int(call.cost_state == "estimated"),
        **sums,
    )


class _Dims(dict[str, str]):
    """A call has no value of what it does not say."""

    def __missing__(self, name: str) -> str:
        return ""


def _dims(call: CallRow) -> dict[str, str]:
    return _Dims(
        {
            **call.attribution,
            "provider": call.provider,
            "surface": call.surface,
            "host": call.host,
            "key": call.key_fingerprint or "",
            "model": call.request_model or call.response_model or "",
            "request_model": call.request_model or "",
            "status": str(call.status),
            "error_class": call.error_class or "",
            "outcome": call.outcome,
            "cost_state": call.cost_state,
            "completeness": call.completeness,
            "streamed": "true" if call.streamed else "false",
            "source": call.source,
        }
    )


def _arithmetic(invoice: Invoice, line: InvoiceLine, found: tuple[Segment, Charge] | None) -> list[str]:
    rounded = f"{format(decimal_of_units(line.amount_minor, invoice.exponent), 'f')} {invoice.currency}"
    said: list[str] = []
    if line.kind == "adjustment":
        said.append(f"the question as of this invoice, less what was billed before, is {line.exact}")
        if line.credited:
            said.append(f"{line.credited} of the difference had been credited before")
    elif found is not None and line.kind == "usage" and line.quantity is not None:
        said += _steps(*found, line, invoice.currency)
    elif line.unit_price is not None:
        said.append(f"{line.unit_price}{f' for {line.note}' if line.note else ''} = {line.exact}")
    elif line.note:
        said.append(f"{line.title}: {line.note}")
    said.append(f"{line.exact}, rounded once, half away from zero: {rounded}")
    return said


def _steps(segment: Segment, charge: Charge, line: InvoiceLine, currency: str) -> list[str]:
    """Return how a quantity became an amount; where a formula is not the whole of it, the price in words."""
    quantity, exact = Fraction(line.quantity or 0), Fraction(line.exact)
    said = [f"{line.quantity} {line.unit or ''}".strip()]
    if charge.meter == "cost" and currency != "USD" and segment.dollar_rate is not None:
        rate = Fraction(segment.dollar_rate)
        said.append(f"{line.quantity} × {exact_text(rate)} = {exact_text(quantity * rate)} {currency}")
        quantity *= rate
    if line.note.endswith(" included"):
        free = Fraction(line.note.removesuffix(" included"))
        quantity = max(quantity - free, Fraction(0))
        said.append(f"less {exact_text(free)} included: {exact_text(quantity)}")
    formula, amount = _formula(charge, quantity)
    return (
        [*said, *formula] if formula and amount == exact else [*said, f"at {line.unit_price}: {line.exact}"]
    )


def _formula(charge: Charge, quantity: Fraction) -> tuple[list[str], Fraction]:
    """Return the sentences of a simple price and what they come to; none for a price that is not simple."""
    match charge.model:
        case Standard(unit=unit, per=per):
            amount = quantity * Fraction(unit) / Fraction(per)
            parts = f" ÷ {per:f}" if per != 1 else ""
            return [f"{exact_text(quantity)} × {unit:f}{parts} = {exact_text(amount)}"], amount
        case CostPlus(unit_costs=None) as model:
            fixed = Fraction(model.fixed or 0)
            amount = quantity * model.factor + fixed
            more = f" + {model.fixed}" if fixed else ""
            return [
                f"{exact_text(quantity)} × {exact_text(model.factor)}{more} = {exact_text(amount)}"
            ], amount
        case Percentage(is_per_event=False, free_amount=None, rate_percent=percent):
            amount = quantity * Fraction(percent) / 100
            return [f"{exact_text(quantity)} × {percent:f} % = {exact_text(amount)}"], amount
        case Graduated(tiers=tiers, per=per):
            said: list[str] = []
            low, whole = Fraction(0), Fraction(0)
            for tier in tiers:
                high = quantity if tier.up_to is None else min(quantity, Fraction(tier.up_to))
                if high > low:
                    amount = tier.price(high - low, per) + Fraction(tier.flat)
                    parts = f" ÷ {per:f}" if per != 1 else ""
                    flat = f" + {tier.flat:f}" if tier.flat else ""
                    if tier.package_size is not None:
                        parts = f" per started {tier.package_size:f}"
                    said.append(
                        f"{exact_text(high - low)} × {tier.unit:f}{parts}{flat} = {exact_text(amount)}"
                    )
                    whole += amount
                low = max(low, high)
            return said, whole
        case _:
            return [], Fraction(0)
