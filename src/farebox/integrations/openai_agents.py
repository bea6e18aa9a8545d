"""The OpenAI Agents SDK: a trace processor beside its own.

Agents, function tools and guardrails are steps, and so is a trace with a name of its own. What a piece of
code belongs to is the SDK's current span. Where its tracing is disabled, nothing is named.
https://openai.github.io/openai-agents-python/tracing/
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

from farebox.integrations.running import Kind, OpenRuns, begin, guarded, named, part_of
from farebox.integrations.unseen import leaves, record_unseen
from farebox.sdk import model_calls
from farebox.sdk.model_calls import ModelCall
from farebox.sdk.steps import Step, finders

SOURCE = "sdk:openai_agents"

_UNNAMED = "Agent workflow"
"""The name of a trace that the program gave none."""
_KINDS: dict[str, Kind] = {"agent": "agent", "function": "tool", "guardrail": "step"}
_MODEL = ("generation", "response", "turn")
_CALLS_MAX = 10_000

spans = OpenRuns()
traces = OpenRuns()


class _Announced(NamedTuple):
    call: ModelCall
    began_ns: int


_calls: dict[str, _Announced] = {}
_is_attached = False


def attach(module: ModuleType) -> None:
    """Add the processor; `module` is `agents.tracing`."""
    global _is_attached
    if _is_attached or not hasattr(module, "add_trace_processor"):  # another package of that name
        return
    _is_attached = True
    base = part_of("agents.tracing.processor_interface", "TracingProcessor")
    scope = part_of("agents.tracing.scope", "Scope")
    module.add_trace_processor(type("FareboxProcessor", (_Processor, base), {})())

    def step_here() -> Step | None:
        span = scope.get_current_span()
        if span is not None:
            return spans.step(span.span_id)
        trace = scope.get_current_trace()
        return None if trace is None else traces.step(trace.trace_id)

    finders.append(step_here)


class _Processor:
    """What begins and ends."""

    @guarded
    def on_trace_start(self, trace: Any) -> None:
        metadata: Mapping[str, Any] = getattr(trace, "metadata", None) or {}
        names: dict[str, object] = {"session": getattr(trace, "group_id", None)}
        names |= {name: metadata.get(f"{name}_id") or metadata.get(name) for name in ("user", "customer")}
        if trace.name and trace.name != _UNNAMED:
            traces.add(trace.trace_id, begin(SOURCE, "chain", trace.name, None, names))
        else:
            traces.add(trace.trace_id, named(SOURCE, names))

    @guarded
    def on_trace_end(self, trace: Any) -> None:
        traces.end(trace.trace_id)

    @guarded
    def on_span_start(self, span: Any) -> None:
        data: Any = span.span_data
        parent = spans.step(span.parent_id) or traces.step(span.trace_id)
        kind = _KINDS.get(_type_of(data))
        if kind is not None:
            _has_tools(span.parent_id)
            parent = begin(SOURCE, kind, data.name, parent)
        spans.add(span.span_id, parent)
        if _type_of(data) in _MODEL:
            if len(_calls) >= _CALLS_MAX:
                _calls.pop(next(iter(_calls)), None)
            _calls[span.span_id] = _Announced(model_calls.announce(parent), time.time_ns())

    @guarded
    def on_span_end(self, span: Any) -> None:
        spans.end(span.span_id)
        announced = _calls.pop(span.span_id, None)
        if announced is not None:
            announced.call.end()
            if not announced.call.is_seen and not span.error:
                _record(span.span_data, announced)

    def shutdown(self) -> None:
        pass

    def force_flush(self) -> None:
        pass


def _type_of(data: Any) -> str:
    """Return a span's type; turns and tasks are exported as `custom`."""
    name = type(data).__name__
    return "turn" if name == "TurnSpanData" else str(data.type)


def _has_tools(turn: Any) -> None:
    """Note that a turn's model has responded, where it runs tools: their requests are not the model's."""
    announced = _calls.get(turn)
    if announced is not None:
        announced.call.end()


def _record(data: Any, announced: _Announced) -> None:
    response: Any = getattr(data, "response", None)
    usage = _usage_of(getattr(data, "usage", None) or getattr(response, "usage", None))
    if not usage and _type_of(data) == "turn":
        return  # ended before the model was asked
    record_unseen(
        announced.call,
        provider="unknown" if _type_of(data) == "turn" else "openai",
        model=getattr(response, "model", None) or getattr(data, "model", None),
        usage=usage,
        response_id=getattr(response, "id", None),
        began_ns=announced.began_ns,
    )


def _usage_of(usage: Any) -> dict[str, int]:
    """Return the usage of a turn, a generation or a response as quantities; totals include their details."""
    counts: dict[str, Any] = (usage.model_dump() if hasattr(usage, "model_dump") else usage) or {}
    if not counts:
        return {}
    inside: dict[str, Any] = counts.get("input_tokens_details") or {}
    outside: dict[str, Any] = counts.get("output_tokens_details") or {}
    return leaves(
        counts.get("input_tokens"),
        counts.get("output_tokens"),
        cache_read=counts.get("cached_input_tokens") or inside.get("cached_tokens"),
        cache_write=counts.get("cache_write_input_tokens") or inside.get("cache_write_tokens"),
        reasoning=outside.get("reasoning_tokens"),
    )
