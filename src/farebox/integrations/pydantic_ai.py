"""Pydantic AI: a capability in every run of an agent, which wraps the run, its model requests and its tools.

The capability is handed to `Agent.iter`, which every kind of run goes through: agents that were made before
have it, too, and nothing of an agent is changed. https://ai.pydantic.dev/capabilities/
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from types import ModuleType
from typing import Any

from farebox.integrations.running import Kind, begin, guarded, part_of
from farebox.integrations.unseen import leaves, record_unseen
from farebox.sdk import attribution, model_calls
from farebox.sdk.model_calls import ModelCall
from farebox.sdk.steps import Step, finders
from farebox.sdk.transports import watching
from farebox.sdk.transports.patches import replace

SOURCE = "sdk:pydantic_ai"

_here: ContextVar[Step | None] = ContextVar("farebox_pydantic_ai", default=None)


def attach(module: ModuleType) -> None:
    """Have every run carry the capability; `module` is `pydantic_ai`."""
    base = part_of("pydantic_ai.capabilities", "AbstractCapability")
    # Durable runs refuse what is added to a run and could change it; this only looks on.
    ours = {"__module__": __name__, "_safe_at_runtime": True}
    capability: Any = type("FareboxCapability", (_Capability, base), ours)()

    def with_ours(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def iter(*arguments: Any, **named: Any) -> Any:
            if watching.everything:
                named["capabilities"] = [*(named.get("capabilities") or ()), capability]
            return original(*arguments, **named)

        return iter

    replace(module.Agent, "iter", with_ours)
    if here not in finders:
        finders.append(here)


def here() -> Step | None:
    """Return the step that the running code belongs to."""
    return _here.get()


class _Capability:
    """The hooks. What they set in the context holds for everything under them, as the SDK promises."""

    async def wrap_run(self, ctx: Any, *, handler: Callable[[], Any]) -> Any:
        before = _begin("agent", getattr(ctx.agent, "name", None) or "agent", _conversation(ctx))
        try:
            return await handler()
        finally:
            _here.set(before)

    async def wrap_tool_execute(
        self, ctx: Any, *, call: Any, tool_def: Any, args: Any, handler: Callable[[Any], Any]
    ) -> Any:
        before = _begin("tool", call.tool_name)
        try:
            return await handler(args)
        finally:
            _here.set(before)

    async def wrap_model_request(
        self, ctx: Any, *, request_context: Any, handler: Callable[[Any], Any]
    ) -> Any:
        began_ns, call = time.time_ns(), _announce()
        try:
            response = await handler(request_context)
        except BaseException:
            if call is not None:
                call.end()
            raise
        _record(response, call, getattr(request_context, "model", None), began_ns)
        return response


def _begin(kind: Kind, name: object, session: object = None) -> Step | None:
    """Enter a step and return the one around it."""
    before = _here.get()
    step = _step(kind, name, before, session)
    if step is not None:
        _here.set(step)
    return before


@guarded
def _step(kind: Kind, name: object, parent: Step | None, session: object) -> Step | None:
    return begin(SOURCE, kind, name, parent, {"session": session})


@guarded
def _announce() -> ModelCall | None:
    return model_calls.announce(_here.get())


def _conversation(ctx: Any) -> object:
    """Return the id of a run's conversation, which every run has, where nobody has named a session."""
    return None if "session" in attribution.current()[0] else getattr(ctx, "conversation_id", None)


@guarded
def _record(response: Any, call: ModelCall | None, model: Any, began_ns: int) -> None:
    if call is None:
        return
    call.end()
    if call.is_seen:
        return
    usage = response.usage
    details: dict[str, Any] = usage.details or {}
    record_unseen(
        call,
        provider=response.provider_name or getattr(model, "system", None),
        model=response.model_name or getattr(model, "model_name", None),
        usage=leaves(
            usage.input_tokens,
            usage.output_tokens,
            cache_read=usage.cache_read_tokens,
            cache_write=usage.cache_write_tokens,
            audio_input=usage.input_audio_tokens,
            reasoning=details.get("reasoning_tokens"),
        ),
        response_id=response.provider_response_id,
        began_ns=began_ns,
    )
