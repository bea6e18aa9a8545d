"""Which calls a query is about: a period and values of dimensions."""

from __future__ import annotations

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
    where: dict[str, str] = {}
    """Dimension to value, or to several separated by commas; the empty text is "none". A
    status may be a class: `4xx`."""

    def values(self) -> dict[str, list[str]]:
        """Return the wanted values of each dimension.

        Raises:
            UsageError: There is no such dimension.
        """
        for dimension in self.where:
            if dimension not in DIMENSIONS:
                raise UsageError(f"no dimension {dimension!r}; there are: {', '.join(DIMENSIONS)}")
        return {dimension: text.split(",") for dimension, text in self.where.items()}
