"""Langfuse's exports of observations: the tables' JSON and CSV, blob storage, and the public API.

Field names are in camel or in snake case, by where the export is from. Only generations and embeddings are
calls; spans, events and traces are passed over, and so is what a parent repeats of its children. The names of
`usageDetails` exclude each other; `total` is their sum.

https://langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields
https://langfuse.com/docs/observability/features/token-and-cost-tracking
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from farebox.histories.files.providers import known_as, of_model
from farebox.histories.files.rows import Row
from farebox.histories.files.usage import quantities
from farebox.histories.files.values import (
    RowError,
    count,
    listed,
    mapping,
    moment,
    number,
    tags_of_list,
    text,
)
from farebox.histories.told_call import ToldCall

COLUMNS = frozenset(
    (
        "id", "trace_id", "project_id", "environment", "type", "parent_observation_id", "name", "level",
        "status_message", "version", "start_time", "end_time", "completion_start_time", "model", "model_id",
        "provided_model_name", "internal_model_id", "internal_model", "model_parameters", "usage_details",
        "cost_details", "provided_usage_details", "provided_cost_details", "total_cost", "input_cost",
        "output_cost", "calculated_total_cost", "calculated_input_cost", "calculated_output_cost", "usage",
        "prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens", "latency",
        "time_to_first_token", "input_price", "output_price", "total_price", "prompt_id", "prompt_name",
        "prompt_version", "input", "output", "metadata", "user_id", "session_id", "trace_name", "tags",
        "trace_tags", "release", "created_at", "updated_at", "event_ts", "is_deleted", "bookmarked", "public",
        "scores", "comments", "unit", "input_usage", "output_usage", "total_usage", "usage_pricing_tier_id",
        "usage_pricing_tier_name", "tool_definitions", "tool_calls", "tool_call_names", "is_app_root",
        "timestamp", "html_path",
    )
)  # fmt: skip

_CALLS = frozenset(("GENERATION", "EMBEDDING"))
_READ = frozenset(
    ("input_cached_tokens", "cache_read_input_tokens", "input_cache_read", "cached_tokens", "input_cached")
)
_WRITE = frozenset(
    ("cache_creation_input_tokens", "input_cache_creation", "input_cache_write", "input_cache_creation_5m")
)
_WRITE_1H = frozenset(("input_cache_creation_1h",))
_REASONING = frozenset(("output_reasoning_tokens", "output_reasoning", "reasoning", "reasoning_tokens"))
_INPUT = frozenset(("input", "prompt_tokens", "input_tokens", "promptTokens", "input_text_tokens"))
_OUTPUT = frozenset(
    ("output", "completion_tokens", "output_tokens", "completionTokens", "output_text_tokens")
)
_MORE = {
    "input_audio_tokens": "input_audio",
    "input_audio": "input_audio",
    "output_audio_tokens": "output_audio",
    "output_audio": "output_audio",
}
_TOTAL = frozenset(("total", "total_tokens", "totalTokens"))
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def snake(row: Row) -> Row:
    """Return a row with its names in snake case."""
    return {_CAMEL.sub("_", name).lower().replace(" ", "_"): said for name, said in row.items()}


def call(row: Row, provider: str | None) -> ToldCall | None:
    """Return the call of a row; None where it is of none.

    Raises:
        RowError: It cannot be imported.
    """
    row = snake(row)
    kind = (text(row, "type") or "GENERATION").upper()
    if kind not in _CALLS:
        return None
    identity = text(row, "id")
    model = text(row, "provided_model_name", "model", "internal_model")
    began = moment(row, "start_time", "timestamp")
    if identity is None or not began:
        raise RowError("no id or start_time")
    usage = _details(row)
    if model is None:
        if not any(usage.values()):
            return None  # logged without ever having been a call
        raise RowError("usage without a model")
    whose = of_model(model, _named(row) or provider)
    failed = (text(row, "level") or "").upper() == "ERROR" and not any(usage.values())
    return ToldCall(
        id=identity,
        time_ns=began,
        ended_ns=moment(row, "end_time"),
        provider=whose,
        model=model,
        usage=_quantities(usage, whose),
        not_billable_because="error_response" if failed else None,
        stated_usd=stated(row),
        attribution={
            "user": text(row, "user_id"),
            "session": text(row, "session_id"),
            "agent": text(row, "trace_name"),
            "step": text(row, "name"),
            "trace": text(row, "trace_id"),
            "tag.environment": text(row, "environment"),
            **tags_of_list(listed(row, "tags", "trace_tags")),
        },
    )


def stated(row: Row) -> Decimal | None:
    """Return what a row in snake case says that its call cost.

    Raises:
        RowError: It is no number.
    """
    details = mapping(row, "cost_details")
    known = number(row, "total_cost", "calculated_total_cost", "total_price") or number(details, "total")
    if known is None and details:
        return sum([number(details, name) or Decimal(0) for name in details], start=Decimal(0))
    return known


def _named(row: Row) -> str | None:
    """Return the provider that LangChain's integration notes in the metadata."""
    try:
        return known_as(text(mapping(row, "metadata"), "ls_provider"))
    except RowError:
        return None


def _details(row: Row) -> dict[str, int]:
    """Return what was used under the names that the file has."""
    found = mapping(row, "usage_details") or mapping(row, "provided_usage_details") or mapping(row, "usage")
    found = {
        name: said
        for name, said in found.items()
        if name not in ("unit", "inputCost", "outputCost", "totalCost")
    }
    if not found:
        names = {
            "input": ("prompt_tokens", "input_tokens", "input_usage"),
            "output": ("completion_tokens", "output_tokens", "output_usage"),
            "total": ("total_tokens", "total_usage"),
        }
        return {name: count(row, *spelled) for name, spelled in names.items() if count(row, *spelled)}
    return {name: count(found, name) for name in found}


def _quantities(used: dict[str, int], provider: str) -> dict[str, Any]:
    known = _READ | _WRITE | _WRITE_1H | _REASONING | _INPUT | _OUTPUT | _TOTAL | set(_MORE)
    others = [name for name in used if name not in known and used[name]]
    if others:
        raise RowError(f"usage of a kind that is not known: {', '.join(sorted(others)[:3])[:80]}")

    def of(names: frozenset[str]) -> int:
        return sum(number for name, number in used.items() if name in names)

    more: dict[str, int] = {}
    for name, leaf in _MORE.items():
        if used.get(name):
            more[leaf] = more.get(leaf, 0) + used[name]
    total = of(_TOTAL)
    parts = sum(number for name, number in used.items() if name not in _TOTAL)
    # They exclude each other, except in what programs stated themselves with the totals of an API.
    is_inside = bool(total) and total < parts and total == of(_INPUT) + of(_OUTPUT)
    prompt, completion = of(_INPUT), of(_OUTPUT)
    if is_inside:
        prompt = max(prompt - more.get("input_audio", 0), 0)
        completion = max(completion - more.get("output_audio", 0), 0)
    found = quantities(
        provider,
        prompt=prompt,
        completion=completion,
        read=of(_READ),
        write=of(_WRITE),
        write_1h=of(_WRITE_1H),
        reasoning=of(_REASONING),
        cache_inside=is_inside,
        reasoning_inside=is_inside,
        more=more,
    )
    return found if any(found.values()) else {}
