"""Record a model call that only its framework saw: a local model, a transport that is not metered."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from farebox.recording.attribution_merge import merged
from farebox.recording.stated_usage import endpoint_of, quantity_of, stated_usage
from farebox.sdk import attribution
from farebox.sdk.model_calls import ModelCall
from farebox.sdk.process_meter import process_meter
from farebox.sdk.statements.events import identity
from farebox.sdk.statements.measured import document_of
from farebox.sdk.statements.record import append
from farebox.wire.facts import Extraction

_NAMES = {
    "amazon_bedrock": "bedrock",
    "bedrock_converse": "bedrock",
    "aws_bedrock": "bedrock",
    "azure_openai": "azure",
    "azure_ai": "azure",
    "chatopenai": "openai",
    "gemini": "google",
    "google_ai": "google",
    "google_gla": "google",
    "google_genai": "google",
    "google_vertex": "vertex",
    "google_vertexai": "vertex",
    "mistralai": "mistral",
    "together_ai": "together",
    "togetherai": "together",
    "vertex_ai": "vertex",
    "vertexai": "vertex",
}
"""What frameworks call a provider, where the catalog has another name for it."""

_OTHER = re.compile(r"[^a-z0-9._-]+")
_NO_USAGE = "no_usage_in_response"


def provider_name(name: object) -> str:
    """Return a provider as the catalog has it, or a framework's own name for it as records can have it."""
    text = _OTHER.sub("_", str(name or "").strip().lower()).strip("_.-")[:64]
    known = _NAMES.get(text.replace("-", "_"), text)
    return known if known[:1].isalnum() else "unknown"


def record_unseen(
    call: ModelCall | None,
    *,
    provider: object,
    model: object,
    usage: Any = None,
    response_id: str | None = None,
    streamed: bool = False,
    began_ns: int = 0,
) -> bool:
    """Record a call that has ended, where no transport saw it; tell whether it was recorded.

    `usage`: quantities as the record has them, the provider's own usage object, or nothing, which becomes a
    call whose usage is unknown. `began_ns`: nanoseconds since 1970.
    """
    if call is not None:
        call.end()
        if call.is_seen:
            return False
    meter = process_meter()
    if meter is None:
        return False
    name, asked = provider_name(provider), str(model or "unknown")
    if response_id is not None:
        providers = {name, *meter.catalog.providers}
        if any(meter.metered_responses.has(each, response_id) for each in providers):
            return False
    endpoint = endpoint_of(meter.catalog, name)
    fields = _fields(usage)
    if fields:
        found = stated_usage(endpoint, asked, fields)
    else:
        found = Extraction(
            reason=_NO_USAGE, request_model=asked, response_model=asked, lacks=("input", "output")
        )
    found = _with(found, response_id, streamed)
    which = identity(meter.recorder.source, None, None)
    of = merged(meter.below, attribution.current() if call is None else call.said)
    return append(meter, which, endpoint, found, of, time.time_ns(), began_ns=began_ns)


def _with(found: Extraction, response_id: str | None, streamed: bool) -> Extraction:
    return msgspec.structs.replace(found, response_id=response_id or found.response_id, streamed=streamed)


def _fields(usage: Any) -> dict[str, Any]:
    if usage is None:
        return {}
    return dict(cast("Mapping[str, Any]", usage)) if isinstance(usage, Mapping) else document_of(usage)


def leaves(
    input_tokens: object = 0,
    output_tokens: object = 0,
    *,
    cache_read: object = 0,
    cache_write: object = 0,
    reasoning: object = 0,
    audio_input: object = 0,
    audio_output: object = 0,
) -> dict[str, int]:
    """Return quantities from totals and what they are made of, as OpenTelemetry and most frameworks count.

    Totals include their breakdowns; where a framework counts a breakdown beside its total, what would be
    negative is zero. Empty where there is not one token.
    """
    whole_in, whole_out, read, write, thought, heard, spoken = (
        int(quantity_of("input_uncached", count or 0))  # pyright: ignore[reportArgumentType]
        for count in (
            input_tokens, output_tokens, cache_read, cache_write, reasoning, audio_input, audio_output,
        )
    )  # fmt: skip
    found = {
        "input_uncached": max(0, whole_in - read - write - heard),
        "cache_read": read,
        "cache_write_other": write,
        "input_audio": heard,
        "output_text": max(0, whole_out - thought - spoken),
        "output_reasoning": thought,
        "output_audio": spoken,
    }
    return {leaf: count for leaf, count in found.items() if count}
