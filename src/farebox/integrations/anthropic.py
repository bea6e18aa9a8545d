"""Anthropic: a `Middleware` for one client, which names its calls and meters those that no transport saw.

    client = Anthropic(middleware=[middleware(agent="support", customer="acme")])

The client's own transport is metered by `instrument()`; a transport of the program's own is not, and there
the middleware reads the response itself. https://docs.anthropic.com/en/api/client-sdks
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from farebox.integrations.running import part_of
from farebox.integrations.unseen import record_unseen
from farebox.sdk import faults, model_calls
from farebox.sdk.attribution import attribute
from farebox.sdk.exchange import Exchange, begin
from farebox.sdk.model_calls import ModelCall
from farebox.sdk.settings import is_disabled
from farebox.sdk.steps import innermost
from farebox.sdk.transports.httpx import lowered, metered_streams

_READ = frozenset({b"content-encoding", b"transfer-encoding", b"content-length"})
"""Headers that no longer hold of a body that has been read and decoded."""


def middleware(
    *,
    agent: object = None,
    customer: object = None,
    user: object = None,
    session: object = None,
    task: object = None,
    project: object = None,
    tags: Mapping[str, object] | None = None,
) -> Any:
    """Return an `anthropic.Middleware` whose calls are said to be these; for sync and async clients."""
    base = part_of("anthropic", "Middleware")
    names = {"agent": agent, "user": user, "session": session, "task": task, "project": project}
    made: Any = type("FareboxMiddleware", (_Middleware, base), {"__module__": __name__})()
    made.said = {"customer": customer, "tags": tags, **names}
    return made


class _Middleware:
    """Runs once for each attempt, inside the client's retries."""

    said: Mapping[str, Any]

    def handle(self, request: Any, call_next: Any) -> Any:
        if is_disabled():
            return call_next(request)
        with attribute(**self.said):
            call, began_ns = _announce(), time.time_ns()
            response = _ended(call, call_next, request)
            _meter(response, request, call, began_ns, is_async=False)
            return response

    async def handle_async(self, request: Any, call_next: Any) -> Any:
        if is_disabled():
            return await call_next(request)
        with attribute(**self.said):
            call, began_ns = _announce(), time.time_ns()
            try:
                response = await call_next(request)
            finally:
                _end(call)
            _meter(response, request, call, began_ns, is_async=True)
            return response


def _announce() -> ModelCall | None:
    try:
        return model_calls.announce(innermost())
    except Exception as error:
        faults.report(error, "the integration anthropic")
        return None


def _ended(call: ModelCall | None, call_next: Any, request: Any) -> Any:
    try:
        return call_next(request)
    finally:
        _end(call)


def _end(call: ModelCall | None) -> None:
    if call is not None:
        call.end()


def _meter(response: Any, request: Any, call: ModelCall | None, began_ns: int, *, is_async: bool) -> None:
    """Meter a response that no transport saw, without reading ahead of the program."""
    try:
        if call is None or call.is_seen:
            return
        http: Any = response.http_response
        sent: Any = http.request
        url = sent.url
        exchange = begin(
            sent.method, url.scheme, url.host, url.port, url.raw_path, lowered(sent.headers), sent.read()
        )
        if isinstance(exchange, Exchange):
            _follow(exchange, http, is_async=is_async)
        elif http.status_code < 400 and request.method.upper() == "POST":
            _record(http, request, call, began_ns)
    except Exception as error:
        faults.report(error, "the integration anthropic")


def _follow(exchange: Exchange, http: Any, *, is_async: bool) -> None:
    headers = lowered(http.headers)
    if not http.is_stream_consumed:
        exchange.response(http.status_code, headers)
        module = import_module(type(http).__module__.partition(".")[0])  # httpx2, or httpx in older versions
        http.stream = metered_streams(module)[1 if is_async else 0](http.stream, exchange)
        return
    exchange.response(http.status_code, [pair for pair in headers if pair[0] not in _READ])
    exchange.chunk(http.content)
    exchange.completed()


def _record(http: Any, request: Any, call: ModelCall, began_ns: int) -> None:
    """Record a call to a host that the catalog does not know; of a stream the usage stays unknown."""
    asked: Any = request.json
    message: dict[str, Any] = http.json() if http.is_stream_consumed else {}
    record_unseen(
        call,
        provider="anthropic",
        model=message.get("model") or (asked.get("model") if isinstance(asked, Mapping) else None),  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType]
        usage=message.get("usage"),
        response_id=message.get("id"),
        streamed=not http.is_stream_consumed,
        began_ns=began_ns,
    )
