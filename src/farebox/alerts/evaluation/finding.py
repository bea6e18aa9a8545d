"""What a rule finds for one value at one moment, whatever its kind."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """Which thresholds are reached, and the figure that says so."""

    measured: int | None
    """In the unit of the alert's kind."""
    reached: tuple[int, ...]
    """Thresholds that hold; `(0,)` of a kind that has none."""
    kept: tuple[int, ...]
    """Thresholds that stay as they are where they fire already: not yet far enough back for a recovery."""
    from_ns: int
    until_ns: int
    """Which calls explain it."""
    basis: str = ""
    is_at_least: bool = False
    window_ns: int = 0
    """When the period begins that it is of; 0 without periods."""
    window_end_ns: int | None = None
    since_ns: int | None = None
    """When it began to hold, where that is known; else it is now."""
    currency: str = "USD"


def with_hysteresis(
    thresholds: tuple[int, ...], measured: int, *, parts: int = 5
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return which thresholds a figure reaches from below, and which it has not clearly left.

    It has left one a part below it: a figure that swings around a threshold is one piece of news.
    """
    reached = tuple(each for each in thresholds if measured >= each)
    kept = tuple(each for each in thresholds if measured * parts >= each * (parts - 1))
    return reached, kept


def share_ppm(part: int, whole: int) -> int:
    """Return a share in parts per million, rounded down; 0 of nothing."""
    return part * 1_000_000 // whole if whole > 0 else 0


def percent(ppm: int) -> str:
    """Return parts per million as a person reads them: `12.5%`."""
    whole, rest = divmod(abs(ppm), 10_000)
    tenth = rest // 1_000
    return f"{'-' if ppm < 0 else ''}{whole}{f'.{tenth}' if tenth else ''}%"
