"""Structs, errors and defects as HTTP responses, and how an application of ours sends one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, cast

import msgspec
from starlette.responses import Response

from farebox.errors import FareboxError
from farebox.server.api.errors import ApiError, from_farebox

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_log = logging.getLogger("farebox.server")


def json_response(answer: msgspec.Struct, status_code: int = 200) -> Response:
    """Return a struct as JSON that nothing keeps."""
    return Response(
        msgspec.json.encode(answer),
        status_code,
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )


def error_response(error: ApiError) -> Response:
    """Return a refusal with the headers that its status asks for."""
    headers = {"cache-control": "no-store"}
    if error.status == 401:
        headers["www-authenticate"] = 'Bearer realm="farebox"'
    if error.status == 405:
        headers["allow"] = ", ".join(cast("list[str]", error.body.details["allowed"]))
    if error.status == 429:
        headers["retry-after"] = str(error.body.details["retry_after_s"])
    return Response(
        msgspec.json.encode(error.body), error.status, media_type="application/json", headers=headers
    )


async def respond(
    scope: Scope,
    receive: Receive,
    send: Send,
    making: Callable[[], Awaitable[Response | None]],
    told: Callable[[FareboxError], ApiError] = from_farebox,
) -> None:
    """Send the response that is made, or what failed; `told` says what a sender learns of our own errors."""
    try:
        response = await making()
    except ApiError as error:
        response = error_response(error)
    except FareboxError as error:
        response = error_response(told(error))
    except Exception:  # a bug of ours: the log has the traceback, the browser a sentence
        _log.exception("unexpected failure at %s", scope["path"])
        response = error_response(
            ApiError(500, "internal_error", "Something went wrong here. The server's log says what.")
        )
    if response is not None:
        try:
            await response(scope, receive, send)
        except (ApiError, FareboxError) as error:  # of a file: it has begun, and ends without its end
            code = error.body.code if isinstance(error, ApiError) else error.code
            _log.error("the response of %s breaks off: %s", scope["path"], code)


async def unless_gone(making: Coroutine[Any, Any, Response], receive: Receive) -> Response | None:
    """Return the response, or None as soon as the client has gone: a question not asked yet is dropped.
    Clicking through filters leaves many requests whose responses nobody reads.
    """
    answer = asyncio.ensure_future(making)
    leaving = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((answer, leaving), return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else None
    finally:
        for task in (answer, leaving):
            task.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def serve_lifespan(receive: Receive, send: Send, close: Callable[[], None]) -> None:
    """Answer the events of an application's life; `close` is called at its end."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            close()
            await send({"type": "lifespan.shutdown.complete"})
            return
