"""LiteLLM's spend logs: rows of `LiteLLM_SpendLogs` from `/spend/logs`, its UI or the database.

`prompt_tokens` has what was cached in it; the split is in `metadata.usage_object`. `request_id` is the id of
the response.

https://docs.litellm.ai/docs/proxy/cost_tracking and https://github.com/BerriAI/litellm: schema.prisma
"""

from __future__ import annotations

from farebox.histories.files.providers import known_as, of_model
from farebox.histories.files.rows import Row
from farebox.histories.files.usage import quantities
from farebox.histories.files.values import (
    RowError,
    count,
    is_true,
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
        "request_id", "call_type", "api_key", "spend", "total_tokens", "prompt_tokens", "completion_tokens",
        "startTime", "endTime", "completionStartTime", "request_duration_ms", "model", "model_id",
        "model_group", "custom_llm_provider", "api_base", "user", "metadata", "cache_hit", "cache_key",
        "request_tags", "team_id", "organization_id", "end_user", "requester_ip_address", "messages",
        "response", "session_id", "status", "mcp_namespaced_tool_name", "agent_id", "proxy_server_request",
        "created_at", "updated_at", "session_total_count",
    )
)  # fmt: skip


def call(row: Row, provider: str | None) -> ToldCall | None:
    """Return the call of a row; None where it is of none.

    Raises:
        RowError: It cannot be imported.
    """
    identity, model = text(row, "request_id"), text(row, "model", "model_group")
    began = moment(row, "startTime")
    failed = (text(row, "status") or "").lower() in ("failure", "failed", "error")
    if identity is None or not began:
        raise RowError("no request_id or startTime")
    if model is None:
        if failed:
            return None  # refused before any model was chosen
        raise RowError("no model")
    metadata = mapping(row, "metadata")
    used = mapping(metadata, "usage_object")
    more = mapping(metadata, "additional_usage_values")
    inside = mapping(used, "prompt_tokens_details") or mapping(more, "prompt_tokens_details")
    answered = mapping(used, "completion_tokens_details") or mapping(more, "completion_tokens_details")
    lasting = mapping(inside, "cache_creation_token_details")
    named = known_as(text(row, "custom_llm_provider")) or provider
    if named is None and "/" in model:
        named = known_as(model.partition("/")[0])
    whose = of_model(model, named)
    written = (
        count(used, "cache_creation_input_tokens")
        or count(more, "cache_creation_input_tokens")
        or count(inside, "cache_creation_tokens")
    )
    longer = min(count(lasting, "ephemeral_1h_input_tokens"), written)
    usage = quantities(
        whose,
        prompt=count(row, "prompt_tokens") or count(used, "prompt_tokens"),
        completion=count(row, "completion_tokens") or count(used, "completion_tokens"),
        read=count(inside, "cached_tokens")
        or count(used, "cache_read_input_tokens")
        or count(more, "cache_read_input_tokens"),
        write=written - longer,
        write_1h=longer,
        reasoning=count(answered, "reasoning_tokens"),
        cache_inside=True,
    )
    has_used = any(usage.values())
    because = "gateway_cache" if is_true(row, "cache_hit") else None
    if failed and not has_used:
        because = "error_response"
    bare = model.partition("/")[2] if named is not None and model.lower().startswith(_spelled(row)) else model
    return ToldCall(
        id=identity,
        time_ns=began,
        ended_ns=moment(row, "endTime"),
        provider=whose,
        model=bare or model,
        usage=usage if has_used else {},
        not_billable_because=because,
        stated_usd=number(row, "spend"),
        response_id=identity,
        attribution={
            "user": text(row, "end_user", "user"),
            "session": text(row, "session_id"),
            "agent": text(row, "agent_id"),
            "tag.team": text(row, "team_id") or text(metadata, "user_api_key_team_alias"),
            "tag.key": text(metadata, "user_api_key_alias"),
            **tags_of_list(listed(row, "request_tags")),
        },
    )


def _spelled(row: Row) -> str:
    """Return how a model's name begins where the provider stands in it."""
    return f"{(text(row, 'custom_llm_provider') or (text(row, 'model') or '').partition('/')[0]).lower()}/"
