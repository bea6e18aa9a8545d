"""Clients made by one common generator: their `request` hands a refusal of ours on as what it is."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from farebox.sdk.refusals import PassingRefusal, is_expected
from farebox.sdk.transports.patches import replace

MODULE = "_base_client"
"""What such a package calls the module of its clients."""


def install(module: ModuleType) -> None:
    """Have the clients of such a module hand refusals on."""
    for name, wrap in (("SyncAPIClient", _sync), ("AsyncAPIClient", _async)):
        client = getattr(module, name, None)
        if client is not None and "request" in vars(client):
            replace(client, "request", wrap)


def _sync(original: Callable[..., Any]) -> Callable[..., Any]:
    def request(*args: Any, **named: Any) -> Any:
        token = is_expected.set(True)
        try:
            return original(*args, **named)
        except PassingRefusal as passing:
            raise passing.error from None
        finally:
            is_expected.reset(token)

    return request


def _async(original: Callable[..., Any]) -> Callable[..., Any]:
    async def request(*args: Any, **named: Any) -> Any:
        token = is_expected.set(True)
        try:
            return await original(*args, **named)
        except PassingRefusal as passing:
            raise passing.error from None
        finally:
            is_expected.reset(token)

    return request
