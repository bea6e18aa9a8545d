"""Replace functions of other people's classes, and put them back."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

_replaced: list[tuple[type[Any], str, Any, Any]] = []
_kept: list[tuple[type[Any], str, Any, Any]] = []
"""What reads responses, see `replace`."""


def replace(
    owner: type[Any],
    name: str,
    make: Callable[[Callable[..., Any]], Callable[..., Any]],
    *,
    of_responses: bool = False,
) -> None:
    """Put `make(original)` in the place of `owner.name`; once, however often it is asked for.

    `of_responses`: it does something only for a response that is metered, and stays for those that are
    under way when everything else is put back.
    """
    known = [*_replaced, *_kept]
    if any(entry[0] is owner and entry[1] == name for entry in known):
        return
    original = owner.__dict__[name]
    new = wraps(original)(make(original))
    setattr(owner, name, new)
    (_kept if of_responses else _replaced).append((owner, name, original, new))


def restore_all() -> None:
    """Put everything back that nobody else has replaced since."""
    while _replaced:
        owner, name, original, new = _replaced.pop()
        if owner.__dict__.get(name) is new:
            setattr(owner, name, original)
