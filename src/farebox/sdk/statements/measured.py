"""Read usage out of what a program holds: a client's response object, its JSON, or the usage alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from farebox.catalog import Catalog, Endpoint
from farebox.errors import UsageError
from farebox.recording.stated_usage import begun, encoded
from farebox.wire.facts import Extraction

_EVENTS = [(b"content-type", b"text/event-stream")]


def document_of(response: Any) -> dict[str, Any]:
    """Return a response as its provider's JSON has it.

    Raises:
        UsageError: It is nothing that can be read.
    """
    found: Any = response
    if isinstance(found, bytes | bytearray | str):
        found = json.loads(found)
    elif hasattr(found, "model_dump"):
        found = _dumped(found)
    elif not isinstance(found, Mapping):
        for name in ("to_dict", "dict", "json"):
            if callable(getattr(found, name, None)):
                found = getattr(found, name)()
                break
        found = json.loads(found) if isinstance(found, bytes | str) else found
    if not isinstance(found, Mapping):
        raise UsageError(f"usage is read from a response or its JSON, not from {type(response).__name__}")
    return dict(cast("Mapping[str, Any]", found))


def _dumped(model: Any) -> Any:
    """Return a pydantic model with the names that the provider uses."""
    try:
        return model.model_dump(mode="json", by_alias=True, exclude_none=True, warnings=False)
    except TypeError:
        return model.model_dump()


def provider_of(response: Any, catalog: Catalog) -> str | None:
    """Return the provider whose client library a response's class is from, None where none is known."""
    for kind in type(response).__mro__:
        package = kind.__module__.partition(".")[0]
        if package in catalog.providers:
            return package
        for name in catalog.providers:
            if package == f"{name}ai":
                return name
    return None


class StreamMeasure:
    """What the events of a stream come to, one after the other."""

    def __init__(self, endpoint: Endpoint, model: str | None) -> None:
        self._meter = begun(endpoint, model, _EVENTS)

    def event(self, event: Any) -> None:
        """Take in an event as its client library hands it out."""
        self._meter.response_body(b"data: " + encoded(document_of(event)) + b"\n\n")

    def finish(self, *, whole: bool) -> Extraction:
        """Return what they came to; `whole` where the stream was read to its end."""
        if whole:
            self._meter.response_body(b"data: [DONE]\n\n")
        ended = whole or self._meter.said_all()
        return self._meter.finish("completed" if ended else "client_disconnected")
