"""Calls as they are shown and exported, from their stored rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from farebox.clock import iso, uuid_text
from farebox.journal.records import Done
from farebox.ledger.append.entry import decode_rating
from farebox.ledger.block_detail import Details
from farebox.ledger.call_row import CallRow, CorrectionRow, EstimateRow, PartRow, WitnessRow
from farebox.ledger.call_store import StoredCall
from farebox.ledger.corrections.correction import Bounds, decode_correction
from farebox.ledger.database import Connection
from farebox.ledger.witnesses.merging import disagreements, tokens_of
from farebox.ledger.witnesses.witness_chain import witnesses_of
from farebox.money import usd_text
from farebox.pricing.facts import CostLine, RatedPart
from farebox.wire.facts import Part, Quantity

_PART_NAMES = RatedPart.__struct_fields__[1:]
_LINE_NAMES = CostLine.__struct_fields__

_TRAIL = (
    "SELECT n.seq, k.completeness, k.cost_state, n.cost_pico, n.charge_pico, "
    "(SELECT recorded_at FROM block WHERE first_seq <= n.seq ORDER BY first_seq DESC LIMIT 1) "
    "FROM call o CROSS JOIN call n ON n.event_id = o.event_id AND n.source = o.source AND n.sign = 1 "
    "CROSS JOIN call_class k ON k.id = n.call_class WHERE o.seq = ? ORDER BY n.revision"
)


def call_rows(connection: Connection, calls: Sequence[StoredCall]) -> list[CallRow]:
    """Return calls as they are shown, each with what was corrected."""
    rows: list[CallRow] = []
    others = witnesses_of(connection, [call.seq for call in calls])
    for call in calls:
        row = _call_row(call)
        also = [
            seen
            for seen in others.get(call.seq, ())
            if seen[0].event_id != call.event_id or seen[0].source != call.source
        ]
        if also:
            seen_by = ((call.first, call.recorded_at), *also)
            row.witnesses = [_witness_row(call, *each) for each in seen_by]
        if call.revision:
            row.corrections = _trail(connection, call.seq)
        rows.append(row)
    return rows


def _call_row(call: StoredCall) -> CallRow:
    done, extraction, rating = call.done, call.extraction, decode_rating(call.rating)
    parts = [_part_row(part, stored) for part, stored in zip(extraction.parts, rating.parts, strict=True)]
    lines = [line for part in parts for line in part.lines]
    return CallRow(
        seq=call.seq,
        event_id=uuid_text(call.event_id),
        revision=call.revision,
        source=call.source,
        witness=done.witness,
        occurred_at=iso(call.occurred_at),
        recorded_at=iso(call.recorded_at),
        provider=call.provider,
        surface=call.surface,
        method=done.method,
        path=done.path,
        host=call.host,
        request_model=call.request_model,
        response_model=extraction.response_model,
        response_id=extraction.response_id,
        status=call.status,
        outcome=call.outcome,
        error_class=call.error_class,
        error_code=extraction.error_code,
        streamed=extraction.streamed,
        billable=bool(call.billable),
        not_billable_because=rating.not_billable_because,
        completeness=call.completeness,
        completeness_reason=extraction.reason,
        max_tokens=call.max_tokens,
        input_tokens=call.input_tokens,
        cache_read_input_tokens=call.cache_read_input_tokens,
        cache_creation_input_tokens=call.cache_creation_input_tokens,
        output_tokens=call.output_tokens,
        reasoning_output_tokens=call.reasoning_output_tokens,
        quantities=_added_up(parts),
        cost_state=call.cost_state,
        list_cost_pico=rating.list_cost_pico,
        cost_pico=call.cost_pico,
        cost_usd=_usd(call.cost_pico),
        charge_pico=call.charge_pico,
        charge_usd=_usd(call.charge_pico),
        price_ids=list(dict.fromkeys(line.price_id for line in lines if line.price_id)),
        price_sources=list(dict.fromkeys(line.price_source for line in lines if line.price_source)),
        key_fingerprint=call.key_fingerprint,
        attribution=done.attribution,
        attribution_from=done.attribution_from,
        attempt=done.attempt,
        first_byte_us=call.first_byte_us,
        total_us=call.total_us,
        added_us=done.added_us,
        request_bytes=done.request_bytes,
        response_bytes=done.response_bytes,
        flags=[*extraction.flags, *rating.flags],
        parts=parts,
        raw_usage=extraction.raw_usage,
        estimate=_bounds_row(call.correction.bounds) if call.correction else None,
    )


def _witness_row(call: StoredCall, done: Done, recorded_at: int) -> WitnessRow:
    tokens = tokens_of(done.extraction)
    return WitnessRow(
        kind=done.witness,
        source=done.source,
        event_id=uuid_text(done.event_id),
        occurred_at=iso(done.occurred_at_ns),
        recorded_at=iso(recorded_at),
        completeness=done.extraction.completeness,
        input_tokens=None if tokens is None else tokens[0],
        output_tokens=None if tokens is None else tokens[3],
        status=done.status,
        outcome=done.outcome,
        attribution=done.attribution,
        disagrees=disagreements(done, call),
    )


def _trail(connection: Connection, seq: int) -> list[CorrectionRow]:
    """Return a call's corrections, oldest first."""
    details = Details(connection)
    found: list[CorrectionRow] = []
    was: tuple[Any, ...] | None = None
    for row, *now, recorded_at in connection.execute(_TRAIL, (seq,)).fetchall():
        if was is not None:
            correction = decode_correction(details.of(row)[0])
            found.append(
                CorrectionRow(
                    recorded_at=iso(recorded_at),
                    kind=correction.kind,
                    because=correction.because,
                    request=correction.request,
                    was_completeness=was[0],
                    was_cost_state=was[1],
                    was_cost_pico=was[2],
                    was_charge_pico=was[3],
                    cost_state=now[1],
                    cost_pico=now[2],
                    charge_pico=now[3],
                )
            )
        was = tuple(now)
    return found


def _bounds_row(bounds: Bounds | None) -> EstimateRow | None:
    if bounds is None:
        return None
    return EstimateRow(**dict(zip(Bounds.__struct_fields__, msgspec.structs.astuple(bounds), strict=True)))


def _part_row(part: Part, stored: tuple[Any, ...]) -> PartRow:
    rated = dict(zip(_PART_NAMES, stored[1:], strict=False))
    rated["cost_reason"] = rated.pop("reason")
    lines = [dict(zip(_LINE_NAMES, line, strict=False)) for line in stored[0]]
    return msgspec.convert({**msgspec.structs.asdict(part), **rated, "lines": lines}, PartRow)


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
