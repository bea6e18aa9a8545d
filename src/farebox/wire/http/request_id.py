"""A provider's id of a request, which its support asks for: a response header of one of several names."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from farebox.catalog.shape import UsageFormat

if TYPE_CHECKING:
    from farebox.catalog import Endpoint

_LENGTH_MAX = 256
_USUAL = UsageFormat().id_headers


@functools.cache
def _encoded(names: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(name.encode() for name in names)


def request_id_names(endpoint: Endpoint) -> tuple[bytes, ...]:
    """Return the headers, in lower case, where an endpoint's request id may stand, best first."""
    form = endpoint.format
    return _encoded(_USUAL if form is None else tuple(form.id_headers))


def request_id_of(fields: Mapping[bytes, bytes], names: Sequence[bytes]) -> str | None:
    """Return the request id among a response's headers, None where none is stated."""
    for name in names:
        value = fields.get(name)
        if value:
            return value.decode("latin-1").strip()[:_LENGTH_MAX] or None
    return None
