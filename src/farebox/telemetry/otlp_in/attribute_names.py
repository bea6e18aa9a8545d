"""The attributes that are read, by what they mean; the first that a span has counts. All others are dropped.

Prompts and responses are in none of them. GenAI conventions old and new, OpenInference, OpenLLMetry,
pydantic-ai, Langfuse, OpenLIT, the Vercel AI SDK and the Anthropic SDK spell one thing in many ways:
https://github.com/open-telemetry/semantic-conventions-genai,
https://arize-ai.github.io/openinference/spec/semantic_conventions.html,
https://ai-sdk.dev/docs/ai-sdk-core/telemetry, https://langfuse.com/integrations/native/opentelemetry
"""

from __future__ import annotations

from typing import cast

OPERATION = ("gen_ai.operation.name", "ai.operationId")
KIND = ("openinference.span.kind", "traceloop.span.kind", "langfuse.observation.type", "llm.request.type")
PROVIDER = (
    "gen_ai.provider.name",
    "gen_ai.system",
    "llm.provider",
    "llm.system",
    "ai.model.provider",
    "llm.vendor",
)
HOST = ("server.address", "net.peer.name")
REQUEST_MODEL = ("gen_ai.request.model", "llm.request.model_name", "llm.request.model", "ai.model.id")
RESPONSE_MODEL = (
    "gen_ai.response.model",
    "llm.response.model_name",
    "llm.response.model",
    "ai.response.model",
    "llm.model_name",
    "embedding.model_name",
    "reranker.model_name",
    "langfuse.observation.model.name",
)
RESPONSE_ID = ("gen_ai.response.id", "ai.response.id", "llm.response.id")
REQUEST_ID = ("anthropic.request.id", "gen_ai.request.id", "request_id")
MAX_TOKENS = ("gen_ai.request.max_tokens", "llm.request.max_tokens")
STREAMED = ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming")
SERVICE_TIER = (
    "gen_ai.openai.response.service_tier",
    "openai.response.service_tier",
    "anthropic.response.service_tier",
)
STATUS = ("http.response.status_code", "http.status_code")
ERROR = ("error.type",)
FIRST_CHUNK_S = ("gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token")
FIRST_CHUNK_MS = ("ai.response.msToFirstChunk",)

INPUT = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.token_count.prompt",
    "llm.usage.prompt_tokens",
    "ai.usage.inputTokens",
    "ai.usage.promptTokens",
    "ai.usage.tokens",
)
OUTPUT = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.token_count.completion",
    "llm.usage.completion_tokens",
    "ai.usage.outputTokens",
    "ai.usage.completionTokens",
)
TOTAL = (
    "gen_ai.usage.total_tokens",
    "llm.token_count.total",
    "llm.usage.total_tokens",
    "ai.usage.totalTokens",
)
CACHE_READ = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.cached_input_tokens",
    "gen_ai.usage.input_tokens.cached",
    "gen_ai.usage.cache_read_tokens",
    "gen_ai.usage.details.cache_read_tokens",
    "gen_ai.usage.details.cached_tokens",
    "llm.token_count.prompt_details.cache_read",
    "llm.usage.cache_read_input_tokens",
    "ai.usage.inputTokenDetails.cacheReadTokens",
    "ai.usage.cachedInputTokens",
)
CACHE_WRITE = (
    "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.cache_creation_tokens",
    "gen_ai.usage.cache_write_tokens",
    "gen_ai.usage.details.cache_write_tokens",
    "gen_ai.usage.details.cache_creation_input_tokens",
    "llm.token_count.prompt_details.cache_write",
    "llm.usage.cache_creation_input_tokens",
    "ai.usage.inputTokenDetails.cacheWriteTokens",
)
CACHE_WRITE_5M = (
    "anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
    "gen_ai.usage.details.ephemeral_5m_input_tokens",
)
CACHE_WRITE_1H = (
    "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
    "gen_ai.usage.details.ephemeral_1h_input_tokens",
)
REASONING = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.output_tokens.reasoning",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.details.reasoning_tokens",
    "llm.token_count.completion_details.reasoning",
    "llm.usage.reasoning_tokens",
    "ai.usage.outputTokenDetails.reasoningTokens",
    "ai.usage.reasoningTokens",
)
INPUT_AUDIO = ("gen_ai.usage.audio.input_tokens", "llm.token_count.prompt_details.audio")
INPUT_IMAGE = ("gen_ai.usage.image.input_tokens",)
INPUT_VIDEO = ("gen_ai.usage.video.input_tokens",)
OUTPUT_AUDIO = ("gen_ai.usage.audio.output_tokens", "llm.token_count.completion_details.audio")
OUTPUT_IMAGE = ("gen_ai.usage.image.output_tokens",)
USAGE_DETAILS = ("langfuse.observation.usage_details",)
"""JSON text: the provider's usage object, or Langfuse's own names."""
AGGREGATED = ("gen_ai.aggregated_usage.input_tokens", "gen_ai.aggregated_usage.output_tokens")

COST = (
    "gen_ai.usage.cost",
    "gen_ai.usage.total_cost",
    "operation.cost",
    "llm.cost.total",
    "langfuse.observation.cost_details",
    "cost_usd",
)
"""What others say it cost: kept in the usage as stated, and never what a call costs here."""

CUSTOMER = ("farebox.customer", "customer.id", "traceloop.association.properties.customer_id")
USER = (
    "farebox.user",
    "user.id",
    "enduser.id",
    "langfuse.user.id",
    "traceloop.association.properties.user_id",
    "ai.telemetry.metadata.userId",
)
SESSION = (
    "farebox.session",
    "gen_ai.conversation.id",
    "session.id",
    "langfuse.session.id",
    "traceloop.association.properties.session_id",
    "ai.telemetry.metadata.sessionId",
)
AGENT = ("farebox.agent", "gen_ai.agent.name", "agent.name", "agent_name", "graph.node.id")
STEP = ("farebox.step", "gen_ai.tool.name", "tool.name", "traceloop.entity.name", "ai.telemetry.functionId")
TASK = ("farebox.task", "traceloop.workflow.name", "gen_ai.workflow.name")
PROJECT = ("farebox.project", "openinference.project.name")
APP = ("farebox.app", "service.name")
SAMPLED = ("farebox.sampled", "sampling.probability", "sampler.param", "SampleRate")
LABELS = ("tag.tags", "langfuse.trace.tags")
"""Lists of words."""
ENVIRONMENT = ("deployment.environment.name", "deployment.environment", "langfuse.environment")
TAGS = ("farebox.tag.", "traceloop.association.properties.", "ai.telemetry.metadata.")
"""Beginnings of names: what follows is a tag."""

_RESPONSE = "output.value"
_EXACT = frozenset(
    key
    for name, keys in tuple(globals().items())
    if name.isupper() and not name.startswith("_") and name != "TAGS" and isinstance(keys, tuple)
    for key in cast("tuple[str, ...]", keys)
)

KEY_BYTES_MAX = 128


def is_wanted(key: str) -> bool:
    """Tell whether an attribute of a span is read."""
    return key in _EXACT or key.startswith(TAGS)


def is_response(key: str) -> bool:
    """Tell whether an attribute holds a response, of which only the id is read."""
    return key == _RESPONSE
