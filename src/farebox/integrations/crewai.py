"""CrewAI: crews, flows, tasks, agents and tools, as its event bus is told of them.

Handlers on the bus run in threads of its own, where a request cannot be named any more. So the bus itself
is listened to, where events are emitted: that is where the work is done. What a piece of code belongs to is
CrewAI's own stack of open events. https://docs.crewai.com/concepts/event-listener
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import wraps
from types import ModuleType
from typing import Any, NamedTuple

from farebox.integrations.running import Kind, OpenRuns, begin, fields, guarded, part_of
from farebox.integrations.unseen import leaves, record_unseen
from farebox.sdk import model_calls
from farebox.sdk.model_calls import ModelCall
from farebox.sdk.steps import Step, finders, innermost
from farebox.sdk.transports.patches import replace

SOURCE = "sdk:crewai"

_CALLS_MAX = 10_000

events = OpenRuns()


class _Announced(NamedTuple):
    call: ModelCall
    provider: object
    began_ns: int


_calls: dict[str, _Announced] = {}
_stack: Callable[[], tuple[tuple[str, str], ...]] = tuple


def attach(module: ModuleType) -> None:
    """Listen where events are emitted; `module` is `crewai.events.event_bus`."""
    global _stack
    _stack = part_of("crewai.events.event_context", "_event_id_stack").get
    replace(module.CrewAIEventsBus, "emit", _told)
    replace(module.CrewAIEventsBus, "aemit", _told)
    if step_here not in finders:
        finders.append(step_here)


def step_here() -> Step | None:
    """Return the step of the innermost open event that is one."""
    for event_id, _ in reversed(_stack()):
        if event_id in events:
            return events.step(event_id)
    return None


def _told(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def emit(self: Any, source: Any, event: Any, *arguments: Any, **named: Any) -> Any:
        _note(source, event)
        return original(self, source, event, *arguments, **named)

    return emit


@guarded
def _note(source: Any, event: Any) -> None:
    """Note an event before CrewAI does: what its stack holds now is what is around it."""
    kind = str(event.type)
    if kind == "llm_call_started":
        _announce(source, event)
    elif kind in ("llm_call_completed", "llm_call_failed"):
        announced = _calls.pop(event.call_id, None)
        if announced is not None:
            announced.call.end()
            if kind == "llm_call_completed" and not announced.call.is_seen:
                _record(event, announced)
    elif kind.endswith("_started"):
        begun = _kind_of(kind, source, event)
        if begun is not None:
            events.add(event.event_id, begin(SOURCE, begun[0], begun[1]))
    else:
        stack = _stack()
        if stack and stack[-1][1].endswith("_started") and kind.startswith(_stem(stack[-1][1])):
            events.end(stack[-1][0])


def _stem(kind: str) -> str:
    """Return what the names of an event's beginning and end have in common: `task` of `task_started`."""
    return kind.removesuffix("_started")


def _kind_of(kind: str, source: Any, event: Any) -> tuple[Kind, str] | None:
    """Return what an event begins and its name. A task's description is its prompt, so it is no name."""
    if kind == "crew_kickoff_started":
        return "chain", event.crew_name or "crew"
    if kind in ("flow_started", "method_execution_started") and type(source).__module__.startswith("crewai."):
        return None  # CrewAI's own agents are flows, too
    if kind == "flow_started":
        return "chain", event.flow_name
    if kind == "method_execution_started":
        return "step", event.method_name
    if kind == "task_started":
        name = getattr(event.task, "name", None)
        return ("task", name) if name else ("step", "task")
    if kind == "agent_execution_started":
        return "agent", event.agent.role
    if kind == "lite_agent_execution_started":
        return "agent", str(fields(event.agent_info).get("role") or "agent")
    if kind == "tool_usage_started":
        return "tool", event.tool_name
    return None


def _announce(source: Any, event: Any) -> None:
    if len(_calls) >= _CALLS_MAX:
        _calls.pop(next(iter(_calls)), None)
    provider = getattr(source, "provider", None)
    _calls[event.call_id] = _Announced(model_calls.announce(innermost()), provider, time.time_ns())


def _record(event: Any, announced: _Announced) -> None:
    model = str(event.model or "")
    provider, _, rest = model.partition("/")
    usage: Mapping[str, Any] = event.usage or {}
    record_unseen(
        announced.call,
        provider=announced.provider or (provider if rest else None),
        model=rest or model,
        usage=leaves(
            usage.get("prompt_tokens") or usage.get("input_tokens"),
            usage.get("completion_tokens") or usage.get("output_tokens"),
            cache_read=usage.get("cached_prompt_tokens"),
            cache_write=usage.get("cache_creation_tokens"),
            reasoning=usage.get("reasoning_tokens"),
        ),
        response_id=event.response_id,
        began_ns=announced.began_ns,
    )
