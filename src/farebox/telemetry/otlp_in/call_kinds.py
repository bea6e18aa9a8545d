"""Tell calls to a model from agents, chains and tools, which carry the totals of what they called."""

from __future__ import annotations

from typing import Literal

from farebox.telemetry.otlp_in import attribute_names as names
from farebox.telemetry.otlp_in.records import Span

CallKind = Literal["call", "total", "other"]
"""A call to a model; what carries the totals of calls; anything else."""

OWN_SCOPE = "farebox"
"""What spans of ours say: sent back to us by a collector, they are calls that the record has."""
_CALLS = frozenset(
    ("chat", "text_completion", "generate_content", "embeddings", "completion", "response", "rerank", "image")
)
_KINDS_OF_CALLS = frozenset(
    ("llm", "embedding", "embeddings", "reranker", "generation", "chat", "completion", "rerank")
)
_VERCEL = "ai."
_VERCEL_CALLS = (".doGenerate", ".doStream", ".doEmbed")
"""`ai.generateText.doGenerate` is a call, `ai.generateText` around it has the totals of all its steps.
https://ai-sdk.dev/docs/ai-sdk-core/telemetry
"""
_USAGE = (*names.INPUT, *names.OUTPUT, *names.TOTAL, *names.USAGE_DETAILS)
_MODELS = (*names.REQUEST_MODEL, *names.RESPONSE_MODEL)


def kind_of(span: Span) -> CallKind:
    """Return what a span is."""
    attributes = span.attributes
    if span.scope == OWN_SCOPE:
        return "other"
    for name in names.OPERATION:
        operation = attributes.get(name)
        if isinstance(operation, str) and operation:
            if operation.startswith(_VERCEL):
                return "call" if operation.endswith(_VERCEL_CALLS) else _with_totals(span)
            return "call" if operation.lower() in _CALLS else _with_totals(span)
    for name in names.KIND:
        said = attributes.get(name)
        if isinstance(said, str) and said:
            return "call" if said.lower() in _KINDS_OF_CALLS else _with_totals(span)
    if not any(name in attributes for name in _USAGE) or "agent_name" in attributes:
        return _with_totals(span)
    return "call" if any(name in attributes for name in _MODELS) else "total"


def _with_totals(span: Span) -> CallKind:
    return "total" if any(name in span.attributes for name in (*_USAGE, *names.AGGREGATED)) else "other"
