"""What sums do not cover, as API v1 says it beside them."""

from __future__ import annotations

import msgspec


class Coverage(msgspec.Struct, kw_only=True):
    """What sums do not cover besides calls without a price. Filters do not narrow it."""

    complete: bool
    """Nothing is known to be missing."""
    pending_calls: int
    """Calls that have been recorded and are in no sum yet."""
    words: list[str]
    """What is missing, a sentence each."""
