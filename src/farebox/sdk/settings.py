"""What a program says about how it is metered, before or while it is."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from farebox.errors import UsageError
from farebox.sdk.faults import OnError, report, use_hook

DURABILITIES = ("process", "power")
_TOKEN = re.compile(r"[\x21-\x7e]{0,512}")


class Settings:
    """This process's. What is None is as the environment, or the configuration, says."""

    home: Path | None = None
    durability: str | None = None
    collector: str | None = None
    token: str | None = None
    read_token: str | None = None
    flush_interval_s: float = 5.0
    batch_size: int = 100
    spool_bytes_max: int = 256 << 20
    spool_days_max: float = 30.0
    enforces: bool = False
    """Calls are held against budgets: `instrument(enforce=True)`."""


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
    collector: str | None = None,
    token: str | None = None,
    read_token: str | None = None,
    flush_interval: float | None = None,
    batch_size: int | None = None,
    spool_bytes: int | None = None,
    spool_days: float | None = None,
) -> None:
    """Say where and how this process records; what is not given stays as it is.

    `home`: the state directory (`FAREBOX_HOME`). `durability`: `process`, where every record survives the
    program's death, or `power`, where the end of each call is synced to the disk. `on_error`: called with
    every error of Farebox's own; these never reach the code that makes the calls.

    `collector`: the address of a Farebox that gets the events (`FAREBOX_COLLECTOR`); an empty one for none.
    `token`: of scope `ingest` there (`FAREBOX_TOKEN`). `read_token`: of scope `read`, for `cost()` and
    `price()` (`FAREBOX_READ_TOKEN`); where there is none, `token` is shown. `flush_interval`: seconds between
    two batches (5). `batch_size`: events in one (100). `spool_bytes`, `spool_days`: how much (256 MiB), and
    for how long (30), events wait on the disk for a collector that cannot be reached.

    Raises:
        UsageError: Something makes no sense, or the token would travel in the clear.
    """
    if durability is not None and durability not in DURABILITIES:
        raise UsageError(f"durability is one of {', '.join(DURABILITIES)}, not {durability!r}")
    try:
        given = {
            "home": None if home is None else Path(home).expanduser().absolute(),
            "durability": durability,
            "collector": _collector(collector) if collector else collector,
            "token": _token(token, "token"),
            "read_token": _token(read_token, "read_token"),
            "flush_interval_s": _in(flush_interval, "flush_interval", 0.05, 3600),
            "batch_size": _in(batch_size, "batch_size", 1, 1000),
            "spool_bytes_max": _in(spool_bytes, "spool_bytes", 256 << 10, 1 << 50),
            "spool_days_max": _in(spool_days, "spool_days", 0, 3650),
        }
        if on_error is not None:
            use_hook(on_error)
        _change({name: value for name, value in given.items() if value is not None})
    except UsageError:
        raise
    except Exception as error:
        report(error, "configure()")


def _change(changed: dict[str, Any]) -> None:
    for name, value in changed.items():
        setattr(settings, name, value)
    for listener in _listeners if changed else ():
        try:
            listener()
        except Exception as error:
            report(error, "configure()")


def collector_address() -> str | None:
    """Return where events go; None where they stay on this machine.

    Raises:
        UsageError: The environment names an address that cannot be used.
    """
    if settings.collector is not None:
        return settings.collector or None
    named = os.environ.get("FAREBOX_COLLECTOR", "").strip()
    return _collector(named) if named else None


def collector_token() -> str:
    """Return what is shown to the collector with events."""
    return settings.token or _token_of("FAREBOX_TOKEN")


def reader_token() -> str:
    """Return what is shown to the collector with questions."""
    return settings.read_token or _token_of("FAREBOX_READ_TOKEN") or collector_token()


def _collector(address: str) -> str:
    from farebox.sdk.shipping.collector_client import checked_url

    return checked_url(address)


def _token_of(variable: str) -> str:
    """Return the token of a variable; none where it cannot be one, or an error's text would show it."""
    try:
        return _token(os.environ.get(variable, ""), variable) or ""
    except UsageError as error:
        report(error, f"reading {variable}")
        return ""


def _token(text: str | None, what: str) -> str | None:
    if text is not None and not _TOKEN.fullmatch(text.strip()):
        raise UsageError(f"{what} is not what `farebox tokens create` shows")
    return None if text is None else text.strip()


def _in(number: Any, what: str, least: float, most: float) -> Any:
    if number is not None and not (
        isinstance(number, (int, float)) and not isinstance(number, bool) and least <= number <= most
    ):
        raise UsageError(f"{what} is from {least:g} to {most:g}, not {number!r}")
    return number
