"""Meter one client: find the transports below it, whatever library it comes from."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from farebox.sdk import faults, instrumentation
from farebox.sdk.settings import is_disabled
from farebox.sdk.transports import watching

_Client = TypeVar("_Client")
_DEPTH_MAX = 4
_SEEN_MAX = 500
_LAZY = "_get_aiohttp_session"


def wrap(client: _Client) -> _Client:
    """Meter the calls of this client and return it: the same object, with the same results and errors.

    Understood is every client that is built on httpx, httpx2, requests, botocore or aiohttp.
    """
    try:
        if not is_disabled():
            instrumentation.prepare()
            found = [_meter(part) for part in _parts(client)]
            if not any(found):
                text = f"no transport that can be metered was found in {type(client).__name__}"
                raise TypeError(text)
    except Exception as error:
        faults.report(error, "wrap()")
    return client


def _parts(client: object) -> Iterator[Any]:
    """Yield a client and what it holds, nearest first, as far as a transport can be."""
    waiting: list[tuple[Any, int]] = [(client, 0)]
    seen: set[int] = set()
    while waiting and len(seen) < _SEEN_MAX:
        part, depth = waiting.pop(0)
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        if depth < _DEPTH_MAX:
            waiting += [
                (value, depth + 1)
                for value in list(getattr(part, "__dict__", {}).values())
                if hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value)
            ]


def _meter(part: Any) -> bool:
    """Have a part of a client metered; tell whether it is one that sends requests."""
    names = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(part).__mro__}
    if names & {("httpx", "BaseClient"), ("httpx2", "BaseClient")}:
        for transport in (part._transport, *part._mounts.values()):
            if transport is not None:
                watching.watch(transport)
        return True
    if names & {("requests", "Session"), ("botocore", "URLLib3Session")}:
        part.send = _inside(part.send)
        return True
    if ("aiohttp", "ClientSession") in names:
        watching.watch(part._connector)
        return True
    made_later = getattr(part, _LAZY, None)
    if made_later is not None:
        setattr(part, _LAZY, _watching(made_later))
    return False


def _inside(send: Callable[..., Any]) -> Callable[..., Any]:
    if getattr(send, "__farebox__", False):
        return send

    @functools.wraps(send)
    def metered(*arguments: Any, **named: Any) -> Any:
        token = watching.inside.set(True)
        try:
            return send(*arguments, **named)
        finally:
            watching.inside.reset(token)

    metered.__dict__["__farebox__"] = True
    return metered


def _watching(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return a maker of aiohttp sessions whose sessions are metered."""

    @functools.wraps(make)
    async def metered(*arguments: Any, **named: Any) -> Any:
        session = await make(*arguments, **named)
        watching.watch(session._connector)
        return session

    return metered
