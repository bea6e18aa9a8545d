"""Helicone's exports: `npx @helicone/export` (JSON lines, JSON, CSV) and `/v1/request/query-clickhouse`.

https://docs.helicone.ai/tools/export and https://docs.helicone.ai/rest/request/post-v1requestquery-clickhouse
"""

from __future__ import annotations

from farebox.histories.files.providers import known_as, of_model
from farebox.histories.files.rows import Row
from farebox.histories.files.usage import quantities
from farebox.histories.files.values import RowError, count, mapping, moment, number, tags_of, text
from farebox.histories.told_call import ToldCall

COLUMNS = frozenset(
    (
        "response_id", "response_created_at", "response_status", "response_model", "request_id",
        "request_created_at", "request_path", "request_user_id", "request_properties", "request_model",
        "model_override", "provider", "delay_ms", "time_to_first_token", "total_tokens", "prompt_tokens",
        "prompt_cache_write_tokens", "prompt_cache_read_tokens", "completion_tokens", "prompt_audio_tokens",
        "completion_audio_tokens", "cost", "costUSD", "properties", "cache_enabled", "cache_reference_id",
        "model", "target_url", "ai_gateway_body_mapping", "country_code", "helicone_user", "key_name",
        "prompt_id", "feedback_created_at", "feedback_id", "feedback_rating", "signed_body_url", "llmSchema",
        "asset_ids", "asset_urls", "scores", "assets", "request_body", "response_body", "updated_at",
        "request_referrer", "storage_location", "prompt_version", "reasoning_tokens",
    )
)  # fmt: skip
"""What is read of a row, and what is known and left out."""

_NO_REFERENCE = "00000000-0000-0000-0000-000000000000"
_SESSION = ("Helicone-Session-Id", "helicone-session-id")


def call(row: Row, provider: str | None) -> ToldCall | None:
    """Return the call of a row; None where it is of none.

    Raises:
        RowError: It cannot be imported.
    """
    identity = text(row, "request_id")
    model = text(row, "response_model", "model_override", "request_model", "model")
    began = moment(row, "request_created_at")
    if identity is None or model is None or not began:
        raise RowError("no request_id, model or request_created_at")
    delay = number(row, "delay_ms")
    properties = {**mapping(row, "properties"), **mapping(row, "request_properties")}
    session = text(properties, *_SESSION)
    properties = {name: said for name, said in properties.items() if name not in _SESSION}
    named = known_as(text(row, "provider")) or provider
    whose = of_model(model, named)
    audio_in, audio_out = count(row, "prompt_audio_tokens"), count(row, "completion_audio_tokens")
    usage = quantities(
        whose,
        prompt=max(count(row, "prompt_tokens") - audio_in, 0),
        completion=max(count(row, "completion_tokens") - audio_out, 0),
        read=count(row, "prompt_cache_read_tokens"),
        write=count(row, "prompt_cache_write_tokens"),
        reasoning=count(row, "reasoning_tokens"),
        total=count(row, "total_tokens"),
        more={
            name: tokens
            for name, tokens in (("input_audio", audio_in), ("output_audio", audio_out))
            if tokens
        },
    )
    status = count(row, "response_status")
    status = status if 100 <= status <= 999 else 0  # Helicone has negative ones for what it cancelled itself
    reference = text(row, "cache_reference_id")
    has_used = any(usage.values())
    return ToldCall(
        id=identity,
        time_ns=began,
        ended_ns=began + int(delay * 10**6) if delay else moment(row, "response_created_at"),
        provider=whose,
        model=model,
        usage=usage if has_used else {},
        status=status,
        not_billable_because="gateway_cache"
        if reference not in (None, _NO_REFERENCE)
        else ("error_response" if status >= 400 and not has_used else None),
        stated_usd=number(row, "costUSD", "cost"),
        attribution={"user": text(row, "request_user_id"), "session": session, **tags_of(properties)},
    )
