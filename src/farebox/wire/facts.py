"""What one exchange turned out to be: the extractor's result, pure data.

`quantities` are mutually exclusive leaves: adding them never counts a token twice. The
OpenTelemetry totals (cached inside input, reasoning inside output) are derived from them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

Quantity = int | Decimal
"""A count, or exact decimal text where the unit can be split (seconds)."""

Completeness = Literal["final", "partial", "estimated", "none"]

INPUT_LEAVES = (
    "input_uncached",
    "input_audio",
    "input_image",
    "input_video",
    "input_document",
    "tool_use_input",
    "cache_read",
    "cache_read_audio",
    "cache_read_image",
    "cache_read_video",
    "cache_write_5m",
    "cache_write_1h",
    "cache_write_other",
)
"""Input token leaves. `cache_write_other` is a cache write whose time to live is not stated."""

CACHE_READ_LEAVES = tuple(leaf for leaf in INPUT_LEAVES if leaf.startswith("cache_read"))
CACHE_WRITE_LEAVES = tuple(leaf for leaf in INPUT_LEAVES if leaf.startswith("cache_write"))

OUTPUT_LEAVES = (
    "output_text",
    "output_reasoning",
    "output_citation",
    "output_audio",
    "output_image",
    "output_video",
)
"""Output token leaves. `output_text` is what no other output leaf claims."""

OTHER_LEAVES = (
    "audio_seconds",
    "output_audio_seconds",
    "video_seconds",
    "session_seconds",
    "compute_seconds",
    "input_characters",
    "output_characters",
    "pages",
    "annotated_pages",
    "images",
    "pixels",
    "search_units",
    "requests",
    "calls_web_search",
    "calls_web_fetch",
    "calls_file_search",
    "calls_code_execution",
    "calls_x_search",
    "calls_maps",
    "calls_image_generation",
    "calls_other",
)
"""Leaves that are not tokens: seconds, characters, pages, searches, tool calls."""

ENCODED = "encoded"
"""`input_encoded`, `output_encoded`: flags of an exchange without its whole usage, for a side whose bytes on
the wire are compressed and say little about its text."""

LEAVES = INPUT_LEAVES + OUTPUT_LEAVES + OTHER_LEAVES


class Part(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One priced piece of an exchange."""

    provider: str
    request_model: str | None = None
    response_model: str | None = None
    kind: str = "main"
    """`main`, or the provider's own word: `compaction`, `advisor_message`, `turn` …"""
    quantities: dict[str, Quantity] = {}
    """Leaf name (see `LEAVES`) to count; a leaf that is absent was not reported, zero was."""
    facts: dict[str, str] = {}
    """What else moves the price: `service_tier`, `speed`, `geo`, `region`, `traffic`, `batch`,
    `byok`, `search_context_size` …, in the provider's own values."""
    provider_cost_usd: Decimal | None = None
    """Money the provider itself stated for this part, in USD."""

    def total(self, leaves: tuple[str, ...]) -> int:
        """Return the sum of the named token leaves, absent ones counting nothing."""
        quantities = self.quantities
        return sum(int(quantities[leaf]) for leaf in leaves if leaf in quantities)

    @property
    def input_tokens(self) -> int:
        return self.total(INPUT_LEAVES)

    @property
    def cache_read_input_tokens(self) -> int:
        return self.total(CACHE_READ_LEAVES)

    @property
    def cache_creation_input_tokens(self) -> int:
        return self.total(CACHE_WRITE_LEAVES)

    @property
    def output_tokens(self) -> int:
        return self.total(OUTPUT_LEAVES)

    @property
    def reasoning_output_tokens(self) -> int:
        return int(self.quantities.get("output_reasoning", 0))


class Extraction(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Everything the meter learnt from the bytes of one exchange."""

    parts: tuple[Part, ...] = ()
    completeness: Completeness = "none"
    reason: str | None = None
    """Why completeness is not `final`, as a slug with detail: `client_disconnected`,
    `no_usage_in_response`, `body_not_json`, `body_too_large`, `nested_too_deep` …"""
    billable: bool = True
    not_billable_because: str | None = None
    """`error_response`, `redirect`, `token_count`, `poll`, `batch_status`, `background_response` …"""
    response_id: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    streamed: bool = False
    raw_usage: str | None = None
    """The provider's usage object(s) verbatim, JSON text of at most 64 KiB."""
    error_code: str | None = None
    """The provider's own error type or code. Never its message: messages echo prompts."""
    flags: tuple[str, ...] = ()
    """Oddities worth showing: `unknown_field:…`, `sum_mismatch`, `negative_quantity` …"""
    lacks: tuple[str, ...] = ()
    """Sides whose tokens are charged and not known: `input`, `output`; `more_output` where what
    is known of the output is a lower bound."""
