"""Rows of no service in particular, CSV or JSON lines: what Farebox exports itself, and tables made by hand.

A row needs a time and a model; the columns are in docs/guides/import.md. Quantities may stand under their own
names (`input_uncached`, `cache_read` …), or as totals as APIs state them.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from farebox.histories.files.providers import known_as, of_model
from farebox.histories.files.rows import Row
from farebox.histories.files.usage import quantities
from farebox.histories.files.values import RowError, count, mapping, moment, number, tags_of, text, value
from farebox.histories.told_call import ToldCall
from farebox.recording.events import NAMED
from farebox.wire.facts import LEAVES

_ID = ("id", "event_id")
_TIME = ("time", "timestamp", "occurred_at", "created_at", "start_time", "startTime", "date")
_END = ("ended_at", "end_time", "endTime")
_MODEL = ("response_model", "model", "request_model")
COST = ("provider_cost_usd", "cost_usd", "cost", "spend", "total_cost")
_INPUT = ("input_tokens", "prompt_tokens", "promptTokens")
_OUTPUT = ("output_tokens", "completion_tokens", "completionTokens")
_READ = ("cache_read_input_tokens", "cached_input_tokens", "cached_tokens", "cache_read_tokens")
_WRITE = ("cache_creation_input_tokens", "cache_write_tokens", "cache_creation_tokens")
_REASONING = ("reasoning_output_tokens", "reasoning_tokens")
_TOTAL = ("total_tokens", "totalTokens")
_DURATION = ("duration_ms", "latency_ms", "total_ms")
_LEAVES = {leaf: (leaf, f"quantity_{leaf}") for leaf in LEAVES}
"""In the CSV of Farebox's own export their names begin with `quantity_`."""
_NESTED = ("quantities", "usage", "tags", "attribution")
_OWN = frozenset(
    (
        "schema", "seq", "revision", "source", "witness", "recorded_at", "surface", "method", "path", "host",
        "outcome", "error_class", "error_code", "streamed", "billable", "not_billable_because",
        "completeness", "completeness_reason", "max_tokens", "cost_state", "list_cost_pico", "cost_pico",
        "charge_pico", "charge_usd", "price_ids", "price_sources", "flags", "parts", "estimate",
        "corrections", "attribution_from", "key_fingerprint", "first_byte_us", "added_us", "request_bytes",
        "response_bytes", "attempt", "witnesses", "raw_usage", "hash", "prices_snapshot", "recorded_by",
    )
)  # fmt: skip
"""Columns of Farebox's own export that are made again, or mean nothing elsewhere."""

COLUMNS = frozenset(
    (
        *_ID, *_TIME, *_END, *_MODEL, *COST, *_INPUT, *_OUTPUT, *_READ, *_WRITE, *_REASONING, *_TOTAL,
        *_DURATION, *_NESTED, *NAMED, *(name for names in _LEAVES.values() for name in names),
        *_OWN, "provider", "response_id", "request_id", "status",
        "total_us",
    )
)  # fmt: skip


class Plain:
    """Reads the rows of one file: those without an id are told apart by what they say."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def call(self, row: Row, provider: str | None) -> ToldCall | None:
        """Return the call of a row.

        Raises:
            RowError: It cannot be imported.
        """
        model, began = text(row, *_MODEL), moment(row, *_TIME)
        if not began:
            raise RowError("no time")
        usage = self._usage(row, known_as(text(row, "provider")) or provider or "")
        if model is None:
            raise RowError("no model")
        whose = of_model(model, known_as(text(row, "provider")) or provider)
        status = count(row, "status")
        took_ms, took_us = number(row, *_DURATION), count(row, "total_us")
        took_ns = int(took_ms * 10**6) if took_ms else took_us * 1000
        named = {name: said for name in NAMED if (said := text(row, name))}
        tags = {name: text(row, name) for name in row if name.startswith("tag.")}
        others = {name: str(said) for name, said in mapping(row, "attribution").items() if said is not None}
        return ToldCall(
            id=text(row, *_ID) or self._made(row),
            time_ns=began,
            ended_ns=moment(row, *_END) or (began + took_ns if took_ns else 0),
            provider=whose,
            model=model,
            usage=usage,
            status=status if status <= 999 else 0,
            not_billable_because=text(row, "not_billable_because")
            or ("error_response" if status >= 400 and not usage else None),
            is_subscription=text(row, "cost_state") == "included",
            stated_usd=number(row, *COST),
            response_id=text(row, "response_id"),
            request_id=text(row, "request_id"),
            attribution={**others, **named, **tags_of(mapping(row, "tags")), **tags},
        )

    def _usage(self, row: Row, provider: str) -> dict[str, Any]:
        stated = mapping(row, "quantities") or mapping(row, "usage")
        if stated:
            return stated
        leaves = {leaf: value(row, *names) for leaf, names in _LEAVES.items() if number(row, *names)}
        if leaves:
            return leaves
        found = quantities(
            provider,
            prompt=count(row, *_INPUT),
            completion=count(row, *_OUTPUT),
            read=count(row, *_READ),
            write=count(row, *_WRITE),
            reasoning=count(row, *_REASONING),
            total=count(row, *_TOTAL),
        )
        return found if any(found.values()) else {}

    def _made(self, row: Row) -> str:
        said = msgspec.json.encode(row, enc_hook=str, order="deterministic")
        digest = hashlib.sha256(said).hexdigest()[:24]
        self._seen[digest] = number = self._seen.get(digest, 0) + 1
        return f"row-{digest}-{number}"
