"""Which calls a query is about: a period and values of dimensions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from farebox.errors import UsageError

DIMENSIONS = (
    "provider",
    "model",
    "request_model",
    "surface",
    "key",
    "app",
    "user",
    "customer",
    "agent",
    "session",
    "project",
    "status",
    "cost_state",
    "outcome",
)
"""What calls can be filtered and grouped by. `model` is the response model, else the requested."""

OTHER = "(other)"
"""Where a dimension's values beyond 10,000 a day are counted together."""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that occurred in `[since_ns, until_ns)` and whose dimensions have these values."""

    since_ns: int | None = None
    until_ns: int | None = None
    where: Mapping[str, str | Sequence[str]] = {}
    """Dimension to values: a list of them, or a text with commas between them, where a comma of
    a value's own is `\\,`. The empty text is "none". A status may be a class: `4xx`."""

    def values(self) -> dict[str, list[str]]:
        """Return the wanted values of each dimension.

        Raises:
            UsageError: There is no such dimension.
        """
        for dimension in self.where:
            if dimension not in DIMENSIONS:
                raise UsageError(f"no dimension {dimension!r}; there are: {', '.join(DIMENSIONS)}")
        return {
            dimension: _split(wanted) if isinstance(wanted, str) else list(wanted)
            for dimension, wanted in self.where.items()
        }


def _split(text: str) -> list[str]:
    if "\\," not in text:
        return text.split(",")
    return [value.replace("\\,", ",") for value in re.split(r"(?<!\\),", text)]
