"""What a call says of the dimensions that plans look at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farebox.journal.records import Done


def dims_of(done: Done, dimensions: Iterable[str]) -> dict[str, str]:
    """Return what a call says of these dimensions; one of which it says nothing is left out."""
    return {name: value for name in dimensions if (value := _value(done, name))}


def _value(done: Done, name: str) -> str | None:
    extraction = done.extraction
    match name:
        case "model":
            return extraction.request_model or extraction.response_model
        case "request_model":
            return extraction.request_model
        case "key":
            return done.key_fingerprint
        case "provider" | "surface" | "host" | "error_class" | "outcome" | "source":
            return getattr(done, name)
        case "status":
            return str(done.status)
        case "streamed":
            return "true" if extraction.streamed else "false"
        case "completeness":
            return extraction.completeness
        case _:
            return done.attribution.get(name.lower() if name.startswith("tag.") else name)
