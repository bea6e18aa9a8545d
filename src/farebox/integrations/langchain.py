"""LangChain and LangGraph: a callback handler in every run, which `register_configure_hook` puts there.

Agents, graphs, their nodes, named chains and tools are steps. What a run belongs to is in LangChain's own
`var_child_runnable_config`; a model call is told by its parent run.
https://docs.langchain.com/oss/python/langchain/agents
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from farebox.integrations.running import Kind, OpenRuns, begin, fields, guarded, named, part_of
from farebox.integrations.unseen import leaves, record_unseen
from farebox.sdk import model_calls
from farebox.sdk.model_calls import ModelCall
from farebox.sdk.steps import Step, finders, innermost

SOURCE = "sdk:langchain"

_SESSION = ("session_id", "thread_id", "conversation_id")
_USER = ("user_id", "langfuse_user_id")
_PLUMBING = ("Runnable", "ChannelWrite", "Branch<", "_", "LangGraph")
"""How names begin that LangChain gives by itself to what only connects others."""
_AGENT_NODES = ("model", "tools", "agent")

runs = OpenRuns()
_calls: dict[Any, tuple[ModelCall, dict[str, Any], int]] = {}
_calls_max = 10_000
_lock = threading.Lock()
_is_attached = False


def attach(module: ModuleType) -> None:
    """Have every run of LangChain report to Farebox; `module` is `langchain_core.tracers.context`."""
    global _is_attached
    with _lock:
        if _is_attached:
            return
        _is_attached = True
    base = part_of("langchain_core.callbacks.base", "BaseCallbackHandler")
    handler: Any = type("FareboxHandler", (_Callbacks, base), {})()
    # A default, so that it is the same in every thread and in every context.
    variable: ContextVar[Any] = ContextVar("farebox_langchain", default=handler)
    module.register_configure_hook(variable, inheritable=True)
    configuration = part_of("langchain_core.runnables.config", "var_child_runnable_config")

    def step_here() -> Step | None:
        config = configuration.get()
        if config is None:
            return None
        return runs.step(getattr(config.get("callbacks"), "parent_run_id", None))

    finders.append(step_here)


class _Callbacks:
    """They run in the context of the run: a request finds what they announce."""

    run_inline = True
    raise_error = False

    @guarded
    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: Any, parent_run_id: Any = None, **about: Any
    ) -> None:
        parent, metadata = runs.step(parent_run_id), fields(about.get("metadata"))
        kind, name = _kind_of(about, metadata, is_root=parent_run_id is None or parent_run_id not in runs)
        step = parent if kind is None else begin(SOURCE, kind, name, parent, _names(metadata))
        runs.add(run_id, step)

    @guarded
    def on_chain_end(self, outputs: Any, *, run_id: Any, **_: Any) -> None:
        runs.end(run_id)

    @guarded
    def on_chain_error(self, error: Any, *, run_id: Any, **_: Any) -> None:
        runs.end(run_id)

    @guarded
    def on_tool_start(
        self, serialized: Any, input_str: Any, *, run_id: Any, parent_run_id: Any = None, **about: Any
    ) -> None:
        name = about.get("name") or fields(serialized).get("name")
        names = _names(fields(about.get("metadata")))
        runs.add(run_id, begin(SOURCE, "tool", name, runs.step(parent_run_id), names))

    @guarded
    def on_tool_end(self, output: Any, *, run_id: Any, **_: Any) -> None:
        runs.end(run_id)

    @guarded
    def on_tool_error(self, error: Any, *, run_id: Any, **_: Any) -> None:
        runs.end(run_id)

    @guarded
    def on_retriever_start(
        self, serialized: Any, query: Any, *, run_id: Any, parent_run_id: Any = None, **about: Any
    ) -> None:
        name = about.get("name") or fields(serialized).get("name") or "retriever"
        runs.add(run_id, begin(SOURCE, "step", name, runs.step(parent_run_id)))

    @guarded
    def on_retriever_end(self, documents: Any, *, run_id: Any, **_: Any) -> None:
        runs.end(run_id)

    @guarded
    def on_retriever_error(self, error: Any, *, run_id: Any, **_: Any) -> None:
        runs.end(run_id)

    @guarded
    def on_chat_model_start(
        self, serialized: Any, messages: Any, *, run_id: Any, parent_run_id: Any = None, **about: Any
    ) -> None:
        _announce(run_id, parent_run_id, about)

    @guarded
    def on_llm_start(
        self, serialized: Any, prompts: Any, *, run_id: Any, parent_run_id: Any = None, **about: Any
    ) -> None:
        _announce(run_id, parent_run_id, about)

    @guarded
    def on_llm_new_token(self, token: Any, *, run_id: Any, **_: Any) -> None:
        known = _calls.get(run_id)
        if known is not None:
            known[0].end()

    @guarded
    def on_llm_end(self, response: Any, *, run_id: Any, **_: Any) -> None:
        runs.end(run_id)
        known = _calls.pop(run_id, None)
        if known is not None:
            _record(response, *known)

    @guarded
    def on_llm_error(self, error: Any, *, run_id: Any, **_: Any) -> None:
        runs.end(run_id)
        known = _calls.pop(run_id, None)
        if known is not None:
            known[0].end()


def _kind_of(
    about: Mapping[str, Any], metadata: Mapping[str, Any], *, is_root: bool
) -> tuple[Kind | None, str]:
    """Return what a run of a chain is, None for what only connects others, and its name."""
    name = str(about.get("name") or "")
    agent, node = metadata.get("lc_agent_name"), metadata.get("langgraph_node")
    if agent and name == agent and node != name:
        return "agent", name
    if metadata.get("ls_integration") == "langchain_create_agent" and is_root:
        return "agent", name
    if is_root:
        return "chain", name
    if about.get("run_type") in ("prompt", "parser") or name.startswith(_PLUMBING):
        return None, name
    if node == name:
        return (None if agent and name in _AGENT_NODES else "step"), name
    return ("step" if "seq:step" in str(about.get("tags")) else "chain"), name


def _names(metadata: Mapping[str, Any]) -> dict[str, object]:
    session = next((metadata[name] for name in _SESSION if metadata.get(name)), None)
    user = next((metadata[name] for name in _USER if metadata.get(name)), None)
    return {"session": session, "user": user}


def _announce(run_id: Any, parent_run_id: Any, about: dict[str, Any]) -> None:
    metadata: dict[str, Any] = fields(about.get("metadata"))
    asked = fields(about.get("invocation_params"))
    batch = asked if about.get("batch_size", 1) > 1 else None  # the same object for all its prompts
    call = model_calls.announce(_step_of(parent_run_id, metadata), batch)
    if len(_calls) >= _calls_max:
        _calls.pop(next(iter(_calls)), None)
    told = {
        "provider": metadata.get("ls_provider") or asked.get("_type"),
        "model": metadata.get("ls_model_name") or asked.get("model") or asked.get("model_name"),
    }
    _calls[run_id] = call, told, time.time_ns()
    runs.add(run_id, call.step)


def _step_of(parent_run_id: Any, metadata: Mapping[str, Any]) -> Step | None:
    parent, here = runs.step(parent_run_id), innermost()
    if parent is None or (here is not None and here.number > parent.number):
        parent = here
    return named(SOURCE, _names(metadata), parent) if parent is None else parent


def _record(response: Any, call: ModelCall, told: dict[str, Any], began_ns: int) -> None:
    call.end()
    if call.is_seen:
        return
    generation = response.generations[0][0]
    message = getattr(generation, "message", None)
    usage: dict[str, Any] = getattr(message, "usage_metadata", None) or {}
    if "total_cost" in usage:
        return  # a hit of LangChain's cache: nothing was sent
    about: dict[str, Any] = getattr(message, "response_metadata", None) or {}
    output = fields(response.llm_output)
    record_unseen(
        call,
        provider=told["provider"],
        model=about.get("model_name") or about.get("model") or output.get("model_name") or told["model"],
        usage=_leaves(usage) if usage else output.get("token_usage"),
        response_id=about.get("id") or output.get("id"),
        streamed=type(message).__name__.endswith("Chunk"),
        began_ns=began_ns,
    )


def _leaves(usage: Mapping[str, Any]) -> dict[str, int]:
    """Return `UsageMetadata` as quantities: its totals include their details."""
    inside: dict[str, Any] = usage.get("input_token_details") or {}
    outside: dict[str, Any] = usage.get("output_token_details") or {}
    return leaves(
        usage.get("input_tokens"),
        usage.get("output_tokens"),
        cache_read=inside.get("cache_read"),
        cache_write=inside.get("cache_creation"),
        audio_input=inside.get("audio"),
        reasoning=outside.get("reasoning"),
        audio_output=outside.get("audio"),
    )
