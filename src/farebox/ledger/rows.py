"""What the ledger hands out: one call, totals, groups, points of a series.

`CallRow` as JSON is the export schema, versioned by `EXPORT_SCHEMA` and documented in
docs/reference/export.md. Amounts are pico-dollar integers with decimal text beside them.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from farebox.pricing.facts import CostLine
from farebox.wire.facts import Quantity

EXPORT_SCHEMA = "farebox.call/1"


class PartRow(msgspec.Struct, kw_only=True):
    """One priced piece of a call."""

    kind: str
    provider: str
    request_model: str | None
    response_model: str | None
    quantities: dict[str, Quantity]
    facts: dict[str, str]
    cost_state: str
    cost_reason: str | None
    list_cost_pico: int | None
    cost_pico: int | None
    charge_pico: int | None
    markup: Decimal | None
    provider_cost_usd: Decimal | None
    priced_model: str | None
    snapshot: str
    lines: list[CostLine]


class CallRow(msgspec.Struct, kw_only=True):
    """One exchange as appended to the ledger."""

    schema: str = EXPORT_SCHEMA
    seq: int
    event_id: str
    source: str
    witness: str
    occurred_at: str
    recorded_at: str
    provider: str
    surface: str
    method: str
    path: str
    host: str
    request_model: str | None
    response_model: str | None
    response_id: str | None
    status: int
    outcome: str
    error_class: str | None
    error_code: str | None
    streamed: bool
    billable: bool
    not_billable_because: str | None
    completeness: str
    completeness_reason: str | None
    input_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int
    output_tokens: int
    reasoning_output_tokens: int
    quantities: dict[str, Quantity]
    """Leaf quantities summed over the parts."""
    cost_state: str
    list_cost_pico: int | None
    cost_pico: int | None
    cost_usd: str | None
    charge_pico: int | None
    charge_usd: str | None
    price_ids: list[str]
    price_sources: list[str]
    key_fingerprint: str | None
    attribution: dict[str, str]
    attribution_from: dict[str, str]
    attempt: int
    first_byte_us: int
    total_us: int
    added_us: int
    request_bytes: int
    response_bytes: int
    flags: list[str]
    parts: list[PartRow]
    raw_usage: str | None


class Measures(msgspec.Struct, kw_only=True):
    """Sums over some calls. Cost is a lower bound while `unpriced_calls` is not zero."""

    calls: int = 0
    errors: int = 0
    """Calls whose status is 400 or more, or which never got one."""
    unpriced_calls: int = 0
    """Calls in state `unpriced` or `unknown`: spend that is not in `cost_pico`."""
    estimated_calls: int = 0
    cost_pico: int = 0
    charge_pico: int = 0
    input_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0


class Group(msgspec.Struct, kw_only=True):
    """One value of a dimension, or of several, with its sums."""

    keys: dict[str, str | None]
    measures: Measures


class Point(msgspec.Struct, kw_only=True):
    """One bucket of a series: `start_ns` inclusive, the next bucket's start exclusive."""

    start_ns: int
    keys: dict[str, str | None]
    measures: Measures
