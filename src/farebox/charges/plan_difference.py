"""What changed between two plans, customers or subscriptions, a line for each value that differs."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from farebox.charges.plan import Overrides, Plan
from farebox.charges.written_plan import written_overrides, written_plan


def difference(before: msgspec.Struct | None, after: msgspec.Struct | None) -> list[str]:
    """Return lines such as `charges.GPT output.graduated.0.unit: 0.00002 → 0.00003`, in a fixed order."""
    old, new = _leaves(before), _leaves(after)
    lines: list[str] = []
    for path in [*new, *(path for path in old if path not in new)]:
        was, now = old.get(path), new.get(path)
        if was == now:
            continue
        if was is None:
            lines.append(f"{path}: + {now}")
        elif now is None:
            lines.append(f"{path}: - {was}")
        else:
            lines.append(f"{path}: {was} → {now}")
    return lines


_LEFT_OUT = ("version", "digest", "id")


def _leaves(value: msgspec.Struct | None) -> dict[str, str]:
    found: dict[str, str] = {}
    if value is not None:
        for key, inner in _written(value).items():
            if key not in _LEFT_OUT:
                _walk(inner, key, found)
    return found


def _written(value: msgspec.Struct) -> dict[str, Any]:
    """Return the words in which people write it."""
    if isinstance(value, Plan):
        return written_plan(value)
    if isinstance(value, Overrides):
        return written_overrides(value)
    return cast("dict[str, Any]", msgspec.to_builtins(value))


def _walk(value: Any, path: str, found: dict[str, str]) -> None:
    if isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            _walk(inner, f"{path}.{key}", found)
    elif isinstance(value, (list, tuple)):
        for at, inner in enumerate(cast("list[Any]", value)):
            name = cast("dict[str, Any]", inner).get("name") if isinstance(inner, dict) else None
            _walk(inner, f"{path}.{name or at}", found)
    elif value is not None:
        found[path] = str(value).lower() if isinstance(value, bool) else str(value)
