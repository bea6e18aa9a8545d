"""LiteLLM: a `CustomLogger` among `litellm.callbacks`.

Names that a call is given (`user`, `metadata`, `litellm_session_id`) are said of its request. LiteLLM
reports the end of a call from threads of its own, so only the announcement depends on the context.
https://docs.litellm.ai/docs/observability/custom_callback
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

from farebox.integrations.running import guarded, named, part_of
from farebox.integrations.unseen import record_unseen
from farebox.sdk import model_calls
from farebox.sdk.model_calls import ModelCall

SOURCE = "sdk:litellm"

_CALLS_MAX = 10_000
_NAMES = {
    "agent": ("agent", "agent_id", "agent_name"),
    "customer": ("customer", "customer_id"),
    "session": ("session_id", "session"),
    "task": ("task", "task_id"),
    "user": ("user_id", "trace_user_id"),
}


_MOCKS = ("mock_response", "mock_tool_calls", "mock_timeout")


class _Announced(NamedTuple):
    call: ModelCall
    began_ns: int


_calls: dict[str, _Announced] = {}
_is_attached = False


def attach(module: ModuleType) -> None:
    """Add the logger; `module` is `litellm`."""
    global _is_attached
    if _is_attached:
        return
    _is_attached = True
    base = part_of("litellm.integrations.custom_logger", "CustomLogger")
    logger: Any = type("FareboxLogger", (_Logger, base), {"__module__": __name__})()
    callbacks: list[Any] = module.callbacks
    callbacks.append(logger)


class _Logger:
    """The callbacks that matter here."""

    @guarded
    def log_pre_api_call(self, model: Any, messages: Any, kwargs: dict[str, Any]) -> None:
        """Called by LiteLLM where it sends the request, in whatever context that is."""
        if kwargs.get("additional_args"):  # a mock response has none
            _announce(kwargs, kwargs.get("litellm_params") or {})

    async def async_pre_call_deployment_hook(self, kwargs: dict[str, Any], *_: Any, **__: Any) -> None:
        """Called in the task that awaits the call: what it sets holds for everything under it."""
        if not any(kwargs.get(name) for name in _MOCKS):
            _announce_guarded(kwargs, kwargs)

    @guarded
    def log_success_event(self, kwargs: dict[str, Any], response_obj: Any, *_: Any, **__: Any) -> None:
        _end(kwargs, response_obj)

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, *_: Any, **__: Any
    ) -> None:
        _end_guarded(kwargs, response_obj)

    async def async_post_call_success_deployment_hook(
        self, request_data: dict[str, Any], *_: Any, **__: Any
    ) -> None:
        """Called in the task that awaited the call, before it goes on."""
        announced = _calls.get(request_data.get("litellm_call_id") or "")
        if announced is not None and not request_data.get("stream"):
            announced.call.end()

    @guarded
    def log_failure_event(self, kwargs: dict[str, Any], *_: Any, **__: Any) -> None:
        _forget(kwargs)

    async def async_log_failure_event(self, kwargs: dict[str, Any], *_: Any, **__: Any) -> None:
        _forget(kwargs)


def _announce(kwargs: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    key = kwargs.get("litellm_call_id")
    if not key or key in _calls:
        return
    if len(_calls) >= _CALLS_MAX:
        _calls.pop(next(iter(_calls)), None)
    step = named(SOURCE, _names(kwargs, given))
    _calls[key] = _Announced(model_calls.announce(step), time.time_ns())


_announce_guarded = guarded(_announce)


def _names(kwargs: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, object]:
    metadata: dict[str, Any] = given.get("metadata") or {}
    names: dict[str, object] = {
        name: next((metadata[key] for key in keys if isinstance(metadata.get(key), str | int)), None)
        for name, keys in _NAMES.items()
    }
    names["user"] = names["user"] or kwargs.get("user") or given.get("user")
    names["session"] = names["session"] or given.get("litellm_session_id")
    return names


def _forget(kwargs: Mapping[str, Any]) -> None:
    announced = _calls.pop(kwargs.get("litellm_call_id") or "", None)
    if announced is not None:
        announced.call.end()


def _end(kwargs: Mapping[str, Any], response: Any) -> None:
    if kwargs.get("stream") and kwargs.get("complete_streaming_response") is None and _is_piece(response):
        return  # a piece of a stream
    announced = _calls.pop(kwargs.get("litellm_call_id") or "", None)
    if announced is None:
        return
    announced.call.end()
    given: dict[str, Any] = kwargs.get("litellm_params") or {}
    if announced.call.is_seen or kwargs.get("cache_hit"):
        return
    whole = kwargs.get("complete_streaming_response") or kwargs.get("async_complete_streaming_response")
    found = whole or response
    record_unseen(
        announced.call,
        provider=kwargs.get("custom_llm_provider") or given.get("custom_llm_provider"),
        model=getattr(found, "model", None) or kwargs.get("model"),
        usage=getattr(found, "usage", None),
        response_id=getattr(found, "id", None),
        streamed=bool(kwargs.get("stream")),
        began_ns=announced.began_ns,
    )


_end_guarded = guarded(_end)


def _is_piece(response: Any) -> bool:
    return type(response).__name__ in ("ModelResponseStream", "TextCompletionStreamWrapper")
