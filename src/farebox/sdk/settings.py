"""What a program says about how it is metered, before or while it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from farebox.errors import UsageError
from farebox.sdk.faults import OnError, report, use_hook

DURABILITIES = ("process", "power")


class Settings:
    """This process's. What is None is as the environment, or the configuration, says."""

    home: Path | None = None
    durability: str | None = None


settings = Settings()
_listeners: list[Callable[[], None]] = []


def when_changed(listener: Callable[[], None]) -> None:
    """Call `listener` whenever the settings change."""
    _listeners.append(listener)


def is_disabled() -> bool:
    """Whether the environment turns everything off."""
    return os.environ.get("FAREBOX_DISABLED", "").strip().lower() not in ("", "0", "false", "no")


def configure(
    *,
    home: str | os.PathLike[str] | None = None,
    durability: str | None = None,
    on_error: OnError | None = None,
) -> None:
    """Say where and how this process records; what is not given stays as it is.

    `home`: the state directory (`FAREBOX_HOME`). `durability`: `process`, where every record survives the
    program's death, or `power`, where the end of each call is synced to the disk. `on_error`: called with
    every error of Farebox's own; these never reach the code that makes the calls.

    Raises:
        UsageError: There is no such durability.
    """
    if durability is not None and durability not in DURABILITIES:
        raise UsageError(f"durability is one of {', '.join(DURABILITIES)}, not {durability!r}")
    if on_error is not None:
        use_hook(on_error)
    if home is None and durability is None:
        return
    if home is not None:
        settings.home = Path(home).expanduser().absolute()
    if durability is not None:
        settings.durability = durability
    for listener in _listeners:
        try:
            listener()
        except Exception as error:
            report(error, "configure()")
