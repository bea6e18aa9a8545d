"""Tokens of a row as exclusive quantities: a token that was cached or reasoned is counted once."""

from __future__ import annotations

from typing import Any

_CACHE_APART = frozenset(("anthropic", "bedrock", "vertex"))
"""Whose input tokens do not have the cached ones in them, where nothing tells otherwise."""


def quantities(
    provider: str,
    *,
    prompt: int,
    completion: int,
    read: int = 0,
    write: int = 0,
    write_1h: int = 0,
    reasoning: int = 0,
    total: int = 0,
    cache_inside: bool | None = None,
    reasoning_inside: bool = True,
    more: dict[str, int] | None = None,
) -> dict[str, Any]:
    """Return quantities by leaf.

    `cache_inside`: cached tokens are in `prompt`; None where the file does not say: its total tells, or else
    the provider's own way of counting.
    """
    cached = read + write + write_1h
    if cache_inside is None:
        is_apart = cached > prompt or (cached > 0 and total == prompt + completion + cached)
        cache_inside = not is_apart and provider not in _CACHE_APART
    plain = max(prompt - cached, 0) if cache_inside else prompt
    text = max(completion - reasoning, 0) if reasoning_inside else completion
    found = {
        "input_uncached": plain,
        "cache_read": read,
        "cache_write_5m" if provider in _CACHE_APART else "cache_write_other": write,
        "cache_write_1h": write_1h,
        "output_text": text,
        "output_reasoning": reasoning,
        **(more or {}),
    }
    return {
        leaf: number for leaf, number in found.items() if number or leaf in ("input_uncached", "output_text")
    }
