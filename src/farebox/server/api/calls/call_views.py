"""Calls and their receipts as API v1 shows them, and how ledger rows become them. Amounts are text."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from farebox.ledger.call_row import CallRow, CorrectionRow, EstimateRow, PartRow, WitnessRow
from farebox.money import usd_text
from farebox.server.api.spending.spend_views import Span, Text


class CallBrief(msgspec.Struct, kw_only=True):
    """A call as a row of a table."""

    seq: int
    event_id: str
    occurred_at: str
    provider: str
    surface: str
    model: str | None
    app: str | None
    user: str | None
    customer: str | None
    session: str | None
    key_fingerprint: str | None
    status: int
    outcome: str
    error_class: str | None
    streamed: bool
    billable: bool
    completeness: str
    cost_state: str
    cost_pico: Text | None
    cost_usd: Text | None
    input_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int
    output_tokens: int
    reasoning_output_tokens: int
    first_byte_us: int
    total_us: int
    attempt: int
    seen_by: list[str]
    """The kinds of its witnesses: `proxy`, `sdk`, `otlp` …, the one that made its row first."""


def brief(row: CallRow) -> CallBrief:
    return CallBrief(
        seq=row.seq,
        event_id=row.event_id,
        occurred_at=row.occurred_at,
        provider=row.provider,
        surface=row.surface,
        model=row.response_model or row.request_model,
        app=row.attribution.get("app"),
        user=row.attribution.get("user"),
        customer=row.attribution.get("customer"),
        session=row.attribution.get("session"),
        key_fingerprint=row.key_fingerprint,
        status=row.status,
        outcome=row.outcome,
        error_class=row.error_class,
        streamed=row.streamed,
        billable=row.billable,
        completeness=row.completeness,
        cost_state=row.cost_state,
        cost_pico=_pico(row.cost_pico),
        cost_usd=_usd(row.cost_pico),
        input_tokens=row.input_tokens,
        cache_read_input_tokens=row.cache_read_input_tokens,
        cache_creation_input_tokens=row.cache_creation_input_tokens,
        output_tokens=row.output_tokens,
        reasoning_output_tokens=row.reasoning_output_tokens,
        first_byte_us=row.first_byte_us,
        total_us=row.total_us,
        attempt=row.attempt,
        seen_by=list(dict.fromkeys(each.kind for each in row.witnesses)) or [row.witness],
    )


class Calls(msgspec.Struct, kw_only=True):
    """`GET /api/v1/calls`, newest first."""

    span: Span
    calls: list[CallBrief]
    last_seq: int


class ReceiptLine(msgspec.Struct, kw_only=True):
    """Quantity × unit price = amount."""

    unit: str
    quantity: Text
    unit_price_usd: Text | None
    price_per_million_usd: Text | None
    amount_pico: Text | None
    amount_usd: Text | None
    price_id: str | None
    price_source: str | None
    effective_from: str | None


class ReceiptPart(msgspec.Struct, kw_only=True):
    """One priced piece of a call. Its lines add up to `list_cost_usd`."""

    kind: str
    provider: str
    model: str | None
    priced_model: str | None
    facts: dict[str, str]
    cost_state: str
    cost_reason: str | None
    lines: list[ReceiptLine]
    list_cost_usd: Text | None
    cost_usd: Text | None
    provider_cost_usd: Text | None
    markup: Text | None
    charge_usd: Text | None
    price_book: str


class Witness(msgspec.Struct, kw_only=True):
    """How one witness saw a call."""

    kind: str
    source: str
    event_id: str
    occurred_at: str
    recorded_at: str
    completeness: str
    input_tokens: int | None
    output_tokens: int | None
    """None where it saw no usage."""
    status: int
    outcome: str
    attribution: dict[str, str]
    disagrees: list[str]
    """Where it says something else than what counts."""


class Correction(msgspec.Struct, kw_only=True):
    """What was found out about a call after it was appended."""

    recorded_at: str
    kind: str
    because: str
    was_cost_state: str
    was_cost_pico: Text | None
    cost_state: str
    cost_pico: Text | None


class EstimateBounds(msgspec.Struct, kw_only=True):
    """Between what an estimated call's usage and cost are."""

    method: str
    input_tokens_low: int
    input_tokens_high: int | None
    output_tokens_low: int
    output_tokens_high: int | None
    cost_low_pico: Text | None
    cost_high_pico: Text | None


class Receipt(msgspec.Struct, kw_only=True):
    """`GET /api/v1/calls/{id}`: what a call was and how its cost was computed. Never a prompt."""

    call: CallBrief
    source: str
    witness: str
    recorded_at: str
    method: str
    path: str
    host: str
    request_model: str | None
    response_model: str | None
    response_id: str | None
    error_code: str | None
    not_billable_because: str | None
    completeness_reason: str | None
    quantities: dict[str, Text]
    list_cost_usd: Text | None
    charge_usd: Text | None
    parts: list[ReceiptPart]
    attribution: dict[str, str]
    attribution_from: dict[str, str]
    attempt: int
    added_us: int
    request_bytes: int
    response_bytes: int
    flags: list[str]
    raw_usage: str | None
    estimate: EstimateBounds | None
    witnesses: list[Witness]
    """Empty where nobody else saw it."""
    corrections: list[Correction]
    """Oldest first."""


def receipt(row: CallRow) -> Receipt:
    return Receipt(
        call=brief(row),
        source=row.source,
        witness=row.witness,
        recorded_at=row.recorded_at,
        method=row.method,
        path=row.path,
        host=row.host,
        request_model=row.request_model,
        response_model=row.response_model,
        response_id=row.response_id,
        error_code=row.error_code,
        not_billable_because=row.not_billable_because,
        completeness_reason=row.completeness_reason,
        quantities={unit: _plain(quantity) for unit, quantity in row.quantities.items()},
        list_cost_usd=_usd(row.list_cost_pico),
        charge_usd=_usd(row.charge_pico),
        parts=[_part(part) for part in row.parts],
        attribution=row.attribution,
        attribution_from=row.attribution_from,
        attempt=row.attempt,
        added_us=row.added_us,
        request_bytes=row.request_bytes,
        response_bytes=row.response_bytes,
        flags=row.flags,
        raw_usage=row.raw_usage,
        estimate=None if row.estimate is None else _estimate(row.estimate),
        witnesses=[_witness(each) for each in row.witnesses],
        corrections=[_correction(each) for each in row.corrections],
    )


def _witness(row: WitnessRow) -> Witness:
    return Witness(
        kind=row.kind,
        source=row.source,
        event_id=row.event_id,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        completeness=row.completeness,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        status=row.status,
        outcome=row.outcome,
        attribution=row.attribution,
        disagrees=row.disagrees,
    )


def _correction(row: CorrectionRow) -> Correction:
    return Correction(
        recorded_at=row.recorded_at,
        kind=row.kind,
        because=row.because,
        was_cost_state=row.was_cost_state,
        was_cost_pico=_pico(row.was_cost_pico),
        cost_state=row.cost_state,
        cost_pico=_pico(row.cost_pico),
    )


def _estimate(row: EstimateRow) -> EstimateBounds:
    return EstimateBounds(
        method=row.method,
        input_tokens_low=row.input_tokens_low,
        input_tokens_high=row.input_tokens_high,
        output_tokens_low=row.output_tokens_low,
        output_tokens_high=row.output_tokens_high,
        cost_low_pico=_pico(row.cost_low_pico),
        cost_high_pico=_pico(row.cost_high_pico),
    )


def _part(part: PartRow) -> ReceiptPart:
    return ReceiptPart(
        kind=part.kind,
        provider=part.provider,
        model=part.response_model or part.request_model,
        priced_model=part.priced_model,
        facts=part.facts,
        cost_state=part.cost_state,
        cost_reason=part.cost_reason,
        lines=[
            ReceiptLine(
                unit=line.unit,
                quantity=_plain(line.quantity),
                unit_price_usd=_decimal(line.list_unit_price_usd),
                price_per_million_usd=(
                    None if line.list_unit_price_usd is None else _plain(line.list_unit_price_usd * 1_000_000)
                ),
                amount_pico=_pico(line.amount_pico),
                amount_usd=_usd(line.amount_pico),
                price_id=line.price_id,
                price_source=line.price_source,
                effective_from=line.effective_from,
            )
            for line in part.lines
        ],
        list_cost_usd=_usd(part.list_cost_pico),
        cost_usd=_usd(part.cost_pico),
        provider_cost_usd=_decimal(part.provider_cost_usd),
        markup=_decimal(part.markup),
        charge_usd=_usd(part.charge_pico),
        price_book=part.snapshot,
    )


def _pico(amount: int | None) -> Text | None:
    return None if amount is None else str(amount)


def _usd(amount: int | None) -> Text | None:
    return None if amount is None else usd_text(amount)


def _decimal(number: Decimal | None) -> Text | None:
    return None if number is None else _plain(number)


def _plain(number: Decimal | int) -> Text:
    """Return a number without exponent and trailing zeros."""
    text = format(Decimal(number), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
