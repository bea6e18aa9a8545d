"""Read usage out of what a program holds: a client's response object, its JSON, or the usage alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, cast

import msgspec

from farebox.catalog import Catalog, Endpoint
from farebox.errors import UsageError
from farebox.wire.facts import LEAVES, Extraction, Part, Quantity
from farebox.wire.meter import Meter

_PATH = "/"
_JSON = [(b"content-type", b"application/json")]
_EVENTS = [(b"content-type", b"text/event-stream")]
_LEAVES = frozenset(LEAVES)
_WHOLE = frozenset(leaf for leaf in LEAVES if not leaf.endswith(("_seconds", "pages")))
"""Leaves that come in whole numbers only."""
_COUNT_MAX = 2**63 - 1


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


def endpoint_of(catalog: Catalog, provider: str) -> Endpoint:
    """Return how responses of a provider are read whose route is not known: by the fields of their usage."""
    known = catalog.provider(provider)
    if known is not None:
        return known.endpoint("POST", _PATH, remember=False)
    any_other = next(iter(catalog.providers.values())).endpoint("POST", _PATH, remember=False)
    return msgspec.structs.replace(
        any_other, provider_id=provider, prices_id=provider, surface=f"{provider}.other", model_prefixes=()
    )


def measure(endpoint: Endpoint, document: Mapping[str, Any], model: str | None = None) -> Extraction:
    """Return what a response comes to; `model` is what was asked for, where the response does not say."""
    meter = _begun(endpoint, model, _JSON)
    meter.response_body(_encoded(document))
    return meter.finish("completed")


class StreamMeasure:
    """What the events of a stream come to, one after the other."""

    def __init__(self, endpoint: Endpoint, model: str | None) -> None:
        self._meter = _begun(endpoint, model, _EVENTS)

    def event(self, event: Any) -> None:
        """Take in an event as its client library hands it out."""
        self._meter.response_body(b"data: " + _encoded(document_of(event)) + b"\n\n")

    def finish(self, *, whole: bool) -> Extraction:
        """Return what they came to; `whole` where the stream was read to its end."""
        if whole:
            self._meter.response_body(b"data: [DONE]\n\n")
        ended = whole or self._meter.said_all()
        return self._meter.finish("completed" if ended else "client_disconnected")


def _begun(endpoint: Endpoint, model: str | None, headers: list[tuple[bytes, bytes]]) -> Meter:
    meter = Meter(endpoint, _PATH, "", ())
    meter.request_body(_encoded({"model": model} if model else {}))
    meter.request_end()
    meter.response_head(200, headers)
    return meter


_encode: Callable[[Any], bytes] = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode


def _encoded(document: Any) -> bytes:
    return _encode(document)


def stated_usage(endpoint: Endpoint, model: str, usage: Any) -> Extraction:
    """Return usage that the program knows itself: leaf quantities, or the provider's own usage object.

    Raises:
        UsageError: It is neither.
    """
    fields: dict[str, Any] = dict(usage) if type(usage) is dict else document_of(usage)  # pyright: ignore[reportUnknownArgumentType]
    if not fields:
        raise UsageError("usage has no quantities")
    if _LEAVES.issuperset(fields):
        quantities = {leaf: _quantity(leaf, count) for leaf, count in fields.items()}
        part = Part(
            provider=endpoint.prices_id, request_model=model, response_model=model, quantities=quantities
        )
        return Extraction(parts=(part,), completeness="final", request_model=model, response_model=model)
    for place in ("usage", "usageMetadata"):
        found = measure(endpoint, {"model": model, place: fields}, model)
        if any(part.quantities for part in found.parts):
            return found
    raise UsageError(
        f"usage with {', '.join(sorted(map(str, fields))[:6])} is neither a provider's usage object nor made "
        f"of quantities: {', '.join(LEAVES[:4])} …"
    )


def _quantity(leaf: str, count: Any) -> Quantity:
    if type(count) is int:
        if 0 <= count <= _COUNT_MAX:
            return count
    elif isinstance(count, float | str | Decimal):
        try:
            exact = Decimal(str(count))
        except ArithmeticError:
            exact = Decimal("NaN")
        if exact.is_finite() and exact >= 0 and abs(exact.adjusted()) <= 30:
            if exact == exact.to_integral_value():
                return int(exact)
            if leaf not in _WHOLE:
                return exact
    raise UsageError(f"{leaf} is a count from 0 on, not {count!r}")
