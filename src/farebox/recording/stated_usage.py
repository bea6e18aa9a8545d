"""Usage that is stated, not seen: a response's JSON, a provider's usage object, or plain quantities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from farebox.catalog import Catalog, Endpoint
from farebox.errors import UsageError
from farebox.wire.facts import LEAVES, Extraction, Part, Quantity
from farebox.wire.meter import Meter

JSON = [(b"content-type", b"application/json")]
_PATH = "/"
_LEAVES = frozenset(LEAVES)
_WHOLE = frozenset(leaf for leaf in LEAVES if not leaf.endswith(("_seconds", "pages")))
"""Leaves that come in whole numbers only."""
COUNT_MAX = 2**63 - 1
_DIGITS_MAX = 60


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
    meter = begun(endpoint, model, JSON)
    meter.response_body(encoded(document))
    return meter.finish("completed")


def begun(endpoint: Endpoint, model: str | None, headers: list[tuple[bytes, bytes]]) -> Meter:
    meter = Meter(endpoint, _PATH, "", ())
    meter.request_body(encoded({"model": model} if model else {}))
    meter.request_end()
    meter.response_head(200, headers)
    return meter


_encode: Callable[[Any], bytes] = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode


def encoded(document: Any) -> bytes:
    return _encode(document)


def stated_usage(endpoint: Endpoint, model: str, fields: Mapping[str, Any]) -> Extraction:
    """Return usage that the program knows itself: leaf quantities, or the provider's own usage object.

    Raises:
        UsageError: It is neither.
    """
    if not fields:
        raise UsageError("usage has no quantities")
    if _LEAVES.issuperset(fields):
        quantities = {leaf: quantity_of(leaf, count) for leaf, count in fields.items()}
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


def quantity_of(leaf: str, count: Any) -> Quantity:
    """Return a count as records have it.

    Raises:
        UsageError: There is no such quantity, or it is no count.
    """
    if type(count) is int:
        if 0 <= count <= COUNT_MAX and leaf in _LEAVES:
            return count
    elif isinstance(count, float | str | Decimal) and leaf in _LEAVES:
        try:
            exact = Decimal(str(count))
        except ArithmeticError:
            exact = Decimal("NaN")
        if exact.is_finite() and exact >= 0 and abs(exact.adjusted()) <= 30:
            if exact == exact.to_integral_value():
                if exact <= COUNT_MAX:
                    return int(exact)
            elif leaf not in _WHOLE and len(exact.as_tuple().digits) <= _DIGITS_MAX:
                return exact
    if leaf not in _LEAVES:
        raise UsageError(f"there is no quantity {leaf[:64]!r}; there are {', '.join(LEAVES)}")
    raise UsageError(f"{leaf} is a count from 0 to 2^63 - 1, not {str(count)[:40]!r}")
