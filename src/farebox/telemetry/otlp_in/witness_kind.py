"""The kind of witness that an instrumentation is.

Two libraries may watch one call, each with a span of its own: every instrumentation is a kind of witness, so
that the record joins them, while two calls that one library saw stay two.
"""

from __future__ import annotations

import functools
import re

from farebox.ledger.witnesses.sighting import OTLP

_KIND_MAX = 32
_WORDS = re.compile(r"[a-z0-9]+")
_SAY_NOTHING = frozenset(("instrumentation", "com", "io", "org", "dev", "python", "sdk", "github"))


@functools.lru_cache(maxsize=4096)
def witness_kind(scope: str, *, is_log: bool = False) -> str:
    """Return `otlp-openinference_openai` for an instrumentation's name, at most 32 characters."""
    words = _WORDS.findall(scope.lower())
    said = [word for word in words if word not in _SAY_NOTHING] or words
    kind = "-".join((OTLP, *(("log",) if is_log else ()), *(("_".join(said),) if said else ())))
    return kind[:_KIND_MAX].rstrip("-_")
