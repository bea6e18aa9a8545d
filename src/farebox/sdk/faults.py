"""Errors of Farebox itself: logged once each, counted, handed to `on_error`. None reaches the caller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

OnError = Callable[[Exception], None]

counts: Counter[str] = Counter()
"""How often each kind of error came, by what was being done and the error's type."""

_hook: OnError | None = None


def use_hook(hook: OnError | None) -> None:
    """Have errors handed to `hook` from now on."""
    global _hook
    _hook = hook


def report(error: Exception, doing: str) -> None:
    """Note an error of ours. Never raises."""
    try:
        kind = f"{doing}: {type(error).__name__}"
        counts[kind] += 1
        if counts[kind] == 1:
            import logging

            # The message of an error in metering could quote what the user wrote.
            shown = str(error) if getattr(error, "code", None) else type(error).__name__
            logging.getLogger("farebox").warning("%s failed, the program goes on: %s", doing, shown)
        if _hook is not None:
            _hook(error)
    except Exception:
        counts["on_error"] += 1
