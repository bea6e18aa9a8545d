"""LlamaIndex: a span handler and an event handler at the root of its instrumentation.

Agents, tools, query and chat engines and the steps of workflows are steps. What a piece of code belongs to
is in LlamaIndex's own `active_span_id`. Of a stream the span ends before its request is sent: there the
model call's start event is what its request is known by, and a streamed response is read inside its query.
https://developers.llamaindex.ai/python/framework/module_guides/observability/instrumentation/
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any, NamedTuple

from farebox.integrations.running import Kind, OpenRuns, begin, guarded, named, part_of
from farebox.integrations.unseen import record_unseen
from farebox.sdk import model_calls
from farebox.sdk.model_calls import ModelCall
from farebox.sdk.steps import Step, finders

SOURCE = "sdk:llama_index"

_UUID = 37
"""Characters at the end of a span's id: `-` and a UUID."""
_ENGINES = frozenset({"BaseQueryEngine", "BaseChatEngine"})
_ASKING = frozenset({"query", "aquery", "chat", "achat", "stream_chat", "astream_chat"})
_CALLING = frozenset({"call", "acall", "__call__"})
_NAMES = {"user_id": "user", "session_id": "session", "customer_id": "customer"} | {
    name: name for name in ("customer", "user", "session", "task", "project", "agent")
}
_STARTS = ("LLMChatStartEvent", "LLMCompletionStartEvent")
_BEGINNINGS = ("LLMChatInProgressEvent", "LLMCompletionInProgressEvent")
_ENDS = ("LLMChatEndEvent", "LLMCompletionEndEvent")
_CALLS_MAX = 10_000

spans = OpenRuns()
_agents: dict[str, Step] = {}
"""The agent at work in a run of several, by the id of the run's span."""


class _Announced(NamedTuple):
    call: ModelCall
    model: dict[str, Any]
    began_ns: int


_calls: dict[str, _Announced] = {}
_STREAMED = "StreamingResponse"
_reading: ContextVar[Step | None] = ContextVar("farebox_llama_index", default=None)
"""The query whose streamed response is being read."""
_is_attached = False


def attach(module: ModuleType) -> None:
    """Hear of every span and event; `module` is `llama_index_instrumentation`."""
    global _is_attached
    if _is_attached:
        return
    _is_attached = True
    events = part_of("llama_index_instrumentation.event_handlers", "BaseEventHandler")
    handlers = part_of("llama_index_instrumentation.span_handlers", "BaseSpanHandler")
    active = part_of("llama_index_instrumentation.span", "active_span_id")
    nothing = {name: lambda *_, **__: None for name in _UNUSED}  # pyright: ignore[reportUnknownLambdaType,reportUnknownVariableType]
    root: Any = module.root_dispatcher
    root.add_span_handler(type("FareboxSpans", (_Spans, handlers), {"__module__": __name__, **nothing})())
    root.add_event_handler(type("FareboxEvents", (_Events, events), {"__module__": __name__})())
    finders.extend([lambda: spans.step(active.get()), _reading.get])


_UNUSED = ("new_span", "prepare_to_exit_span", "prepare_to_drop_span")


class _Spans:
    """What begins and ends."""

    @guarded
    def span_enter(
        self,
        id_: str,
        bound_args: Any,
        instance: Any = None,
        parent_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        parent = spans.step(parent_id)
        if instance is None and parent_id is not None:
            parent = _of_workflow(bound_args, parent_id, parent)
        kind, name = _kind_of(id_[:-_UUID], instance, bound_args)
        if kind is not None:
            parent = begin(SOURCE, kind, name, parent, _names(tags))
        spans.add(id_, parent, parent_id)

    @guarded
    def span_exit(
        self, id_: str, bound_args: Any = None, instance: Any = None, result: Any = None, **_: Any
    ) -> None:
        step = spans.step(id_)
        if step is not None and _STREAMED in type(result).__name__ and not hasattr(result, "__farebox__"):
            result.__farebox__ = True
            pieces = result.response_gen
            is_async = hasattr(pieces, "__anext__")
            result.response_gen = _read_async(step, pieces) if is_async else _read(step, pieces)
        spans.end(id_)
        _agents.pop(id_, None)

    @guarded
    def span_drop(self, id_: str, *_: Any, **__: Any) -> None:
        spans.end(id_)
        _agents.pop(id_, None)
        _forget(id_)


class _Events:
    """Model calls: about to be sent, responded to, over."""

    @guarded
    def handle(self, event: Any, **_: Any) -> None:
        kind, span = type(event).__name__, event.span_id or ""
        if kind in _STARTS:
            step = named(SOURCE, _names(event.tags), spans.step(span))
            if len(_calls) >= _CALLS_MAX:
                _calls.pop(next(iter(_calls)), None)
            _calls[span] = _Announced(model_calls.announce(step), event.model_dict or {}, time.time_ns())
        elif kind in _BEGINNINGS:
            announced = _calls.get(span)
            if announced is not None:
                announced.call.end()
        elif kind in _ENDS:
            announced = _calls.pop(span, None)
            if announced is not None:
                _record(announced, event.response)
        elif kind == "ExceptionEvent":
            _forget(span)


def _read(step: Step, pieces: Generator[Any, None, None]) -> Generator[Any, None, None]:
    """Yield the pieces of a response, each made inside the step; the reader's work is outside."""
    try:
        while True:
            token = _reading.set(step)
            try:
                piece = next(pieces)
            except StopIteration:
                return
            finally:
                _reading.reset(token)
            yield piece
    finally:
        pieces.close()


async def _read_async(step: Step, pieces: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    try:
        while True:
            token = _reading.set(step)
            try:
                piece = await anext(pieces)
            except StopAsyncIteration:
                return
            finally:
                _reading.reset(token)
            yield piece
    finally:
        await pieces.aclose()


def _forget(span: str) -> None:
    announced = _calls.pop(span, None)
    if announced is not None:
        announced.call.end()


def _kind_of(label: str, instance: Any, bound_args: Any) -> tuple[Kind | None, str]:
    """Return what a span is, None for what is a part of the one around it, and its name."""
    owner, _, method = label.rpartition(".")
    bases = {kind.__name__ for kind in type(instance).__mro__}
    if instance is None:
        is_step = "ev" in bound_args.arguments and owner not in ("BaseWorkflowAgent", "AgentWorkflow")
        return ("step" if is_step else None), method
    if method == "run" and "Workflow" in bases:
        if "BaseWorkflowAgent" in bases:
            return "agent", str(getattr(instance, "name", "") or owner)
        return "chain", owner
    if method in _CALLING and "BaseTool" in bases:
        return "tool", str(getattr(instance.metadata, "name", "") or owner)
    if method in _ASKING and bases & _ENGINES:
        return "chain", owner
    return None, owner


def _of_workflow(bound_args: Any, run: str, parent: Step | None) -> Step | None:
    """Return the step around a workflow's step: of several agents in one run, the one at work."""
    name = getattr(bound_args.arguments.get("ev"), "current_agent_name", None)
    known = _agents.get(run)
    if name and parent is not None and parent.said[0].get("agent") != name:
        if known is None or known.said[0].get("agent") != name:
            known = _agents[run] = begin(SOURCE, "agent", name, parent)
        return known
    return parent if known is None or name else known


def _names(tags: Mapping[str, Any] | None) -> dict[str, object]:
    """Return what `instrument_tags` say: names that Farebox has, and all others as tags."""
    return {
        _NAMES.get(name, f"tag.{name.lower()}"): value
        for name, value in (tags or {}).items()
        if isinstance(value, str | int) and not name.startswith("llamaindex.")
    }


def _record(announced: _Announced, response: Any) -> None:
    announced.call.end()
    if announced.call.is_seen:
        return
    raw: Any = getattr(response, "raw", None)
    more: dict[str, Any] = getattr(response, "additional_kwargs", None) or {}
    counts = {name: more[name] for name in ("prompt_tokens", "completion_tokens") if more.get(name)}
    record_unseen(
        announced.call,
        provider=str(announced.model.get("class_name") or "").removesuffix("_llm"),
        model=_of(raw, "model") or announced.model.get("model_name") or announced.model.get("model"),
        usage=_of(raw, "usage") or _of(raw, "usage_metadata") or counts,
        response_id=_of(raw, "id"),
        streamed=getattr(response, "delta", None) is not None,
        began_ns=announced.began_ns,
    )


def _of(raw: Any, name: str) -> Any:
    return raw.get(name) if isinstance(raw, Mapping) else getattr(raw, name, None)  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
