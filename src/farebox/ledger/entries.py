"""A call as it is stored: hot columns to filter and sum by, one MessagePack blob for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from farebox.clock import iso, uuid_text
from farebox.journal.records import Done
from farebox.ledger.rows import CallRow, PartRow
from farebox.money import INT64_MAX, usd_text
from farebox.pricing.facts import CostLine, RatedPart
from farebox.wire.facts import (
    CACHE_READ_LEAVES,
    CACHE_WRITE_LEAVES,
    INPUT_LEAVES,
    OUTPUT_LEAVES,
    Part,
    Quantity,
)

COLUMNS = (
    "seq",
    "event_id",
    "source",
    "occurred_at",
    "recorded_at",
    "provider",
    "surface",
    "model",
    "request_model",
    "response_id",
    "key_fingerprint",
    "app",
    "user",
    "customer",
    "agent",
    "session",
    "project",
    "status",
    "outcome",
    "completeness",
    "billable",
    "cost_state",
    "cost_pico",
    "charge_pico",
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "detail",
)
"""The columns of `call` but its hash, in the order the hash is made over."""

COLUMN = {name: index for index, name in enumerate(COLUMNS)}
SELECT = ", ".join(COLUMNS)

Values = tuple[Any, ...]

_INPUT, _READ, _WRITE, _OUTPUT, _REASONING = "input", "read", "write", "output", "reasoning"
_KIND = {
    **dict.fromkeys(INPUT_LEAVES, _INPUT),
    **dict.fromkeys(CACHE_READ_LEAVES, _READ),
    **dict.fromkeys(CACHE_WRITE_LEAVES, _WRITE),
    **dict.fromkeys(OUTPUT_LEAVES, _OUTPUT),
    "output_reasoning": _REASONING,
}
"""Which totals a token leaf counts in."""

TOKENS_MAX = 1 << 40
"""More than this in one call is no measurement. It stays in the detail and out of the sums."""

_STATES = ("unknown", "unpriced", "estimated", "priced", "provider_reported", "included", "free")
"""The state of a call is the first of these that one of its parts has."""


class LineDetail(msgspec.Struct, frozen=True, array_like=True):
    """A `CostLine`, without its field names."""

    unit: str
    quantity: Quantity
    list_unit_price_usd: Decimal | None
    amount_pico: int | None
    price_id: str | None
    price_source: str | None
    effective_from: str | None
    contracted_unit_price_usd: Decimal | None = None


class PartDetail(msgspec.Struct, frozen=True, array_like=True):
    """A `Part` and its `RatedPart`, without their field names."""

    kind: str
    provider: str
    request_model: str | None
    response_model: str | None
    quantities: dict[str, Quantity]
    facts: dict[str, str]
    provider_cost_usd: Decimal | None
    cost_state: str
    cost_reason: str | None
    list_cost_pico: int | None
    cost_pico: int | None
    charge_pico: int | None
    markup: Decimal | None
    priced_model: str | None
    snapshot: str
    lines: tuple[LineDetail, ...]
    contracted_cost_pico: int | None = None
    contract: str | None = None
    charge_contract: str | None = None


class Detail(msgspec.Struct, frozen=True, array_like=True):
    """What is read only when one call is looked at. New fields go to the end, with a default."""

    witness: str
    method: str
    path: str
    host: str
    response_model: str | None
    error_class: str | None
    error_code: str | None
    streamed: bool
    not_billable_because: str | None
    completeness_reason: str | None
    list_cost_pico: int | None
    attribution: dict[str, str]
    attribution_from: dict[str, str]
    attempt: int
    ended_at_ns: int
    first_byte_us: int
    total_us: int
    added_us: int
    request_bytes: int
    response_bytes: int
    flags: tuple[str, ...]
    parts: tuple[PartDetail, ...]
    raw_usage: str | None


encode_detail = msgspec.msgpack.Encoder(decimal_format="string").encode
decode_detail = msgspec.msgpack.Decoder(Detail).decode


def entry_values(
    seq: int,
    recorded_at_ns: int,
    done: Done,
    rated: Sequence[RatedPart],
    *,
    billable: bool,
    not_billable_because: str | None,
    flags: tuple[str, ...] = (),
) -> Values:
    """Return the values of `COLUMNS` for an exchange and its rated parts."""
    extraction = done.extraction
    parts = extraction.parts
    attribution = done.attribution
    state = _state(rated, billable=billable)
    cost, charge, list_cost = _money(rated, state)
    if cost is not None and not (_storable(cost) and _storable(charge) and _storable(list_cost)):
        state, cost, charge, list_cost = "unpriced", None, None, None
        flags = (*flags, "amount_too_large")
    tokens, tokens_flagged = _tokens(parts)
    if tokens_flagged:
        flags = (*flags, "quantity_too_large")
    detail = Detail(
        done.witness,
        done.method,
        done.path,
        done.host,
        extraction.response_model,
        done.error_class,
        extraction.error_code,
        extraction.streamed,
        not_billable_because,
        extraction.reason,
        list_cost,
        attribution,
        done.attribution_from,
        done.attempt,
        done.ended_at_ns,
        done.first_byte_us,
        done.total_us,
        done.added_us,
        done.request_bytes,
        done.response_bytes,
        (*extraction.flags, *flags),
        tuple([_part_detail(part, money) for part, money in zip(parts, rated, strict=True)]),
        extraction.raw_usage,
    )
    named = attribution.get
    return (
        seq,
        done.event_id,
        done.source,
        done.occurred_at_ns,
        recorded_at_ns,
        done.provider,
        done.surface,
        extraction.response_model or extraction.request_model,
        extraction.request_model,
        extraction.response_id,
        done.key_fingerprint,
        named("app"),
        named("user"),
        named("customer"),
        named("agent"),
        named("session"),
        named("project"),
        done.status,
        done.outcome,
        extraction.completeness,
        1 if billable else 0,
        state,
        cost,
        charge,
        *tokens,
        encode_detail(detail),
    )


def call_row(values: Values) -> CallRow:
    """Return stored `values` as they are shown and exported."""
    v = dict(zip(COLUMNS, values, strict=True))
    detail = decode_detail(v["detail"])
    parts = [_part_row(part) for part in detail.parts]
    lines = [line for part in parts for line in part.lines]
    return CallRow(
        seq=v["seq"],
        event_id=uuid_text(v["event_id"]),
        source=v["source"],
        witness=detail.witness,
        occurred_at=iso(v["occurred_at"]),
        recorded_at=iso(v["recorded_at"]),
        provider=v["provider"],
        surface=v["surface"],
        method=detail.method,
        path=detail.path,
        host=detail.host,
        request_model=v["request_model"],
        response_model=detail.response_model,
        response_id=v["response_id"],
        status=v["status"],
        outcome=v["outcome"],
        error_class=detail.error_class,
        error_code=detail.error_code,
        streamed=detail.streamed,
        billable=bool(v["billable"]),
        not_billable_because=detail.not_billable_because,
        completeness=v["completeness"],
        completeness_reason=detail.completeness_reason,
        input_tokens=v["input_tokens"],
        cache_read_input_tokens=v["cache_read_input_tokens"],
        cache_creation_input_tokens=v["cache_creation_input_tokens"],
        output_tokens=v["output_tokens"],
        reasoning_output_tokens=v["reasoning_output_tokens"],
        quantities=_added_up(parts),
        cost_state=v["cost_state"],
        list_cost_pico=detail.list_cost_pico,
        cost_pico=v["cost_pico"],
        cost_usd=_usd(v["cost_pico"]),
        charge_pico=v["charge_pico"],
        charge_usd=_usd(v["charge_pico"]),
        price_ids=list(dict.fromkeys(line.price_id for line in lines if line.price_id)),
        price_sources=list(dict.fromkeys(line.price_source for line in lines if line.price_source)),
        key_fingerprint=v["key_fingerprint"],
        attribution=detail.attribution,
        attribution_from=detail.attribution_from,
        attempt=detail.attempt,
        first_byte_us=detail.first_byte_us,
        total_us=detail.total_us,
        added_us=detail.added_us,
        request_bytes=detail.request_bytes,
        response_bytes=detail.response_bytes,
        flags=list(detail.flags),
        parts=parts,
        raw_usage=detail.raw_usage,
    )


def _state(rated: Sequence[RatedPart], *, billable: bool) -> str:
    if len(rated) == 1:
        return rated[0].cost_state
    if not rated:
        return "unknown" if billable else "free"
    states = {part.cost_state for part in rated}
    return next(state for state in _STATES if state in states)


def _money(rated: Sequence[RatedPart], state: str) -> tuple[int | None, int | None, int | None]:
    """Return cost, charge and list cost: sums of what is known, None where nothing is."""
    if len(rated) == 1:
        part = rated[0]
        return part.cost_pico, part.charge_pico, part.list_cost_pico
    if not rated:
        nothing = 0 if state == "free" else None
        return nothing, nothing, nothing
    return (
        _sum(part.cost_pico for part in rated),
        _sum(part.charge_pico for part in rated),
        _sum(part.list_cost_pico for part in rated),
    )


def _sum(amounts: Any) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


def _storable(amount: int | None) -> bool:
    return amount is None or -INT64_MAX <= amount <= INT64_MAX


def _tokens(parts: Sequence[Part]) -> tuple[tuple[int, ...], bool]:
    if len(parts) == 1:
        totals = _part_tokens(parts[0])
    elif parts:
        totals = tuple(map(sum, zip(*map(_part_tokens, parts), strict=True)))
    else:
        return (0, 0, 0, 0, 0), False
    if max(totals) <= TOKENS_MAX and min(totals) >= -TOKENS_MAX:
        return totals, False
    return tuple(total if abs(total) <= TOKENS_MAX else 0 for total in totals), True


def _part_tokens(part: Part) -> tuple[int, ...]:
    """Return the totals `Part` derives from its leaves, in one walk over them."""
    total = reads = writes = output = reasoning = 0
    for leaf, count in part.quantities.items():
        kind = _KIND.get(leaf)
        if kind is None:
            continue
        count = int(count)
        if kind is _OUTPUT:
            output += count
        elif kind is _REASONING:
            output += count
            reasoning += count
        else:
            total += count
            if kind is _READ:
                reads += count
            elif kind is _WRITE:
                writes += count
    return total, reads, writes, output, reasoning


def _part_detail(part: Part, rated: RatedPart) -> PartDetail:
    return PartDetail(
        part.kind,
        part.provider,
        part.request_model,
        part.response_model,
        part.quantities,
        part.facts,
        part.provider_cost_usd,
        rated.cost_state,
        rated.reason,
        rated.list_cost_pico,
        rated.cost_pico,
        rated.charge_pico,
        rated.markup,
        rated.priced_model,
        rated.snapshot,
        tuple(
            [
                LineDetail(
                    line.unit,
                    line.quantity,
                    line.list_unit_price_usd,
                    line.amount_pico,
                    line.price_id,
                    line.price_source,
                    line.effective_from,
                    line.contracted_unit_price_usd,
                )
                for line in rated.lines
            ]
        ),
        rated.contracted_cost_pico,
        rated.contract,
        rated.charge_contract,
    )


def _part_row(part: PartDetail) -> PartRow:
    return PartRow(
        kind=part.kind,
        provider=part.provider,
        request_model=part.request_model,
        response_model=part.response_model,
        quantities=part.quantities,
        facts=part.facts,
        cost_state=part.cost_state,
        cost_reason=part.cost_reason,
        list_cost_pico=part.list_cost_pico,
        cost_pico=part.cost_pico,
        charge_pico=part.charge_pico,
        markup=part.markup,
        provider_cost_usd=part.provider_cost_usd,
        priced_model=part.priced_model,
        snapshot=part.snapshot,
        lines=[_line(line) for line in part.lines],
        contracted_cost_pico=part.contracted_cost_pico,
        contract=part.contract,
        charge_contract=part.charge_contract,
    )


def _line(line: LineDetail) -> CostLine:
    return msgspec.convert(msgspec.structs.asdict(line), CostLine)


def _added_up(parts: Sequence[PartRow]) -> dict[str, Quantity]:
    if len(parts) == 1:
        return parts[0].quantities
    total: dict[str, Quantity] = {}
    for part in parts:
        for leaf, count in part.quantities.items():
            total[leaf] = total.get(leaf, 0) + count
    return total


def _usd(pico: int | None) -> str | None:
    return None if pico is None else usd_text(pico)
