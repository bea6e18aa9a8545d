"""A call as it is shown and exported, made of what is stored of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from farebox.clock import iso, uuid_text
from farebox.journal import records
from farebox.ledger.entries import COLUMNS, Values, decode_rating
from farebox.ledger.rows import CallRow, PartRow
from farebox.money import usd_text
from farebox.pricing.facts import CostLine, RatedPart
from farebox.wire.facts import Extraction, Part, Quantity

_PART_NAMES = RatedPart.__struct_fields__[1:]
_LINE_NAMES = CostLine.__struct_fields__
_decode_extraction = msgspec.msgpack.Decoder(Extraction).decode


def call_row(values: Values, usage: bytes | None = None) -> CallRow:
    """Return stored `values` as they are shown and exported; `usage` is in the place of the call's own."""
    v = dict(zip(COLUMNS, values, strict=True))
    done = records.decode_done(v["done"])
    extraction = done.extraction if usage is None else _decode_extraction(usage)
    rating = decode_rating(v["rating"])
    parts = [_part_row(part, stored) for part, stored in zip(extraction.parts, rating.parts, strict=True)]
    lines = [line for part in parts for line in part.lines]
    return CallRow(
        seq=v["seq"],
        event_id=uuid_text(v["event_id"]),
        source=v["source"],
        witness=done.witness,
        occurred_at=iso(v["occurred_at"]),
        recorded_at=iso(v["recorded_at"]),
        provider=v["provider"],
        surface=v["surface"],
        method=done.method,
        path=done.path,
        host=done.host,
        request_model=v["request_model"],
        response_model=extraction.response_model,
        response_id=extraction.response_id,
        status=v["status"],
        outcome=v["outcome"],
        error_class=done.error_class,
        error_code=extraction.error_code,
        streamed=extraction.streamed,
        billable=bool(v["billable"]),
        not_billable_because=rating.not_billable_because,
        completeness=v["completeness"],
        completeness_reason=extraction.reason,
        input_tokens=v["input_tokens"],
        cache_read_input_tokens=v["cache_read_input_tokens"],
        cache_creation_input_tokens=v["cache_creation_input_tokens"],
        output_tokens=v["output_tokens"],
        reasoning_output_tokens=v["reasoning_output_tokens"],
        quantities=_added_up(parts),
        cost_state=v["cost_state"],
        list_cost_pico=rating.list_cost_pico,
        cost_pico=v["cost_pico"],
        cost_usd=_usd(v["cost_pico"]),
        charge_pico=v["charge_pico"],
        charge_usd=_usd(v["charge_pico"]),
        price_ids=list(dict.fromkeys(line.price_id for line in lines if line.price_id)),
        price_sources=list(dict.fromkeys(line.price_source for line in lines if line.price_source)),
        key_fingerprint=v["key_fingerprint"],
        attribution=done.attribution,
        attribution_from=done.attribution_from,
        attempt=done.attempt,
        first_byte_us=done.first_byte_us,
        total_us=done.total_us,
        added_us=done.added_us,
        request_bytes=done.request_bytes,
        response_bytes=done.response_bytes,
        flags=[*extraction.flags, *rating.flags],
        parts=parts,
        raw_usage=extraction.raw_usage,
    )


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
