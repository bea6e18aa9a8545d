"""A call as read from the record.

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
    """`main`, or the provider's own word for this piece: `compaction`, `advisor_message`, `turn` …"""
    provider: str
    """Whose prices apply."""
    request_model: str | None
    response_model: str | None
    quantities: dict[str, Quantity]
    """Leaf quantities of this part."""
    facts: dict[str, str]
    """What else moves the price: `service_tier`, `speed`, `region` …, in the provider's own values."""
    cost_state: str
    cost_reason: str | None
    """Why it is unpriced, unknown, free or included."""
    list_cost_pico: int | None
    """By list price."""
    cost_pico: int | None
    """What counts: the provider's stated money where it states any, else by list price."""
    charge_pico: int | None
    """The customer's price: cost times the markup."""
    markup: Decimal | None
    provider_cost_usd: Decimal | None
    """Money the provider itself stated."""
    priced_model: str | None
    """The model id the price was found under."""
    snapshot: str
    """Digest of the price book that rated this part."""
    lines: list[CostLine]
    contracted_cost_pico: int | None = None
    """By your contract with the provider, where one covers the call."""
    contract: str | None = None
    """The term of that contract."""
    charge_plan: str | None = None
    """The plan version that made the charge: `pro@3`; what it charges for a call is with its first part."""


class CorrectionRow(msgspec.Struct, kw_only=True):
    """One thing found out about a call after it was appended."""

    recorded_at: str
    kind: str
    """`rerate`: by other prices; `estimate`: usage nobody stated; `measured`: the real count came later;
    `witness`: somebody else saw the same call."""
    because: str
    request: str | None
    """The journal of the process that asked for it."""
    was_completeness: str
    was_cost_state: str
    was_cost_pico: int | None
    """What counted until then."""
    was_charge_pico: int | None
    cost_state: str
    cost_pico: int | None
    """What counted from then on."""
    charge_pico: int | None


class EstimateRow(msgspec.Struct, kw_only=True):
    """The bounds of an estimated call."""

    method: str
    """`tokenizer:<vocabulary>`, `calibrated:<calls>` or `default:<family>`."""
    input_tokens_low: int
    input_tokens_high: int | None
    """None where nothing bounds them: the request refers to what it does not contain."""
    output_tokens_low: int
    output_tokens_high: int | None
    cost_low_pico: int | None
    cost_high_pico: int | None


class WitnessRow(msgspec.Struct, kw_only=True):
    """How one witness saw a call."""

    kind: str
    """`proxy`, `sdk`, `otlp` …"""
    source: str
    event_id: str
    occurred_at: str
    recorded_at: str
    completeness: str
    """How much of the usage it saw."""
    input_tokens: int | None
    output_tokens: int | None
    """None where it saw no usage."""
    status: int
    outcome: str
    attribution: dict[str, str]
    """Whose call it says it is."""
    disagrees: list[str] = []
    """Where it says something else than what counts."""


class CallRow(msgspec.Struct, kw_only=True):
    """One exchange as it counts now: as appended, with its newest correction in place."""

    schema: str = EXPORT_SCHEMA
    seq: int
    """Position in the ledger, from 1, without gaps."""
    event_id: str
    """UUIDv7, made where the call was seen; unique for ever."""
    revision: int = 0
    """0 as it was seen; 2, 4, 6 … after so many corrections."""
    source: str
    """The writer that saw the call."""
    witness: str
    """How it was seen: `proxy`."""
    occurred_at: str
    """When the request arrived."""
    recorded_at: str
    """When the row was appended."""
    provider: str
    surface: str
    """`<family>.<endpoint>`: `openai.chat`, `anthropic.messages` …"""
    method: str
    path: str
    """The upstream path without its query: a query can hold a key."""
    host: str
    request_model: str | None
    response_model: str | None
    """The model that responded, where the response says."""
    response_id: str | None
    """The provider's own id of the response."""
    status: int
    """The HTTP status the client was sent; 0 when none was."""
    outcome: str
    """`completed`, `client_disconnected`, `upstream_failed`, `timed_out`, `refused` or `unknown`."""
    error_class: str | None
    """`rate_limited`, `upstream_5xx`, `connect_failed`, `policy:<rule>` …"""
    error_code: str | None
    """The provider's own error type or code, never its message."""
    streamed: bool
    billable: bool
    not_billable_because: str | None
    """`error_response`, `token_count`, `poll` …"""
    completeness: str
    """How much of the usage is known: `final`, `partial`, `estimated` or `none`."""
    completeness_reason: str | None
    """Why it is not `final`."""
    max_tokens: int | None = None
    """How many output tokens the request allowed, where it said so."""
    input_tokens: int
    """All input tokens, cached ones included."""
    cache_read_input_tokens: int
    """Those of them read from a cache."""
    cache_creation_input_tokens: int
    """Those of them written to a cache."""
    output_tokens: int
    """All output tokens, reasoning included."""
    reasoning_output_tokens: int
    """Those of them spent on reasoning."""
    quantities: dict[str, Quantity]
    """Leaf quantities summed over the parts."""
    cost_state: str
    """`priced`, `free`, `included`, `unpriced`, `estimated`, `unknown` or `provider_reported`."""
    list_cost_pico: int | None
    """By list price."""
    cost_pico: int | None
    """What counts; a lower bound while `cost_state` is `unpriced`."""
    cost_usd: str | None
    charge_pico: int | None
    """The customer's price."""
    charge_usd: str | None
    price_ids: list[str]
    price_sources: list[str]
    key_fingerprint: str | None
    """Keyed hash of the API key; the key itself is not stored."""
    attribution: dict[str, str]
    """`customer`, `user`, `agent`, `session`, `task`, `app`, `project`, `tag.<name>`."""
    attribution_from: dict[str, str]
    """For each of them, which source won: `header:x-farebox-user`, `env:FAREBOX_APP` …"""
    attempt: int
    """The SDK's own retry count, 0 for a first try."""
    first_byte_us: int
    """Request received to first byte of the response."""
    total_us: int
    """Request received to last byte of the response."""
    added_us: int
    """Time spent in the proxy itself, waiting excluded, where known."""
    request_bytes: int
    response_bytes: int
    flags: list[str]
    """Oddities worth showing: `unknown_field:…`, `sum_mismatch` …"""
    parts: list[PartRow]
    raw_usage: str | None
    """The provider's usage object(s) verbatim, JSON text."""
    estimate: EstimateRow | None = None
    """The bounds, where usage is estimated."""
    witnesses: list[WitnessRow] = []
    """Who saw it, the one that made its row first; empty where nobody else did."""
    corrections: list[CorrectionRow] = []
    """What was corrected after the row was appended, oldest first."""
