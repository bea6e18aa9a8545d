"""Small charts of text: a line of blocks for what was spent when, a bar for how much of a whole."""

from __future__ import annotations

import sys
from collections.abc import Sequence

_LEVELS = "▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL = "█"
NOTHING = "·"
"""Where nothing was spent: the lowest block says that something was."""


def can_show() -> bool:
    """Return whether standard output has the characters of charts."""
    return (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "").startswith("utf")


def sparkline(values: Sequence[int], width: int | None = None) -> str:
    """Return a block a value, the highest for the largest; with a `width`, values are added up to fit it."""
    shown = list(values) if width is None else gathered(values, width)
    most = max(shown, default=0)
    if most <= 0:
        return NOTHING * len(shown)
    return "".join(
        NOTHING if value <= 0 else _LEVELS[min(value * len(_LEVELS) // most, len(_LEVELS) - 1)]
        for value in shown
    )


def bar(part: int, whole: int, width: int) -> str:
    """Return a bar of at most `width` cells, to an eighth of a cell; something is never drawn as nothing."""
    if part <= 0 or whole <= 0:
        return ""
    eighths = max(min(part, whole) * width * 8 // whole, 1)
    return _FULL * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def gathered(values: Sequence[int], width: int) -> list[int]:
    """Return at most `width` sums of neighbours, each of as many values, the last one of what is left."""
    size = max(-(-len(values) // max(width, 1)), 1)
    return [sum(values[at : at + size]) for at in range(0, len(values), size)]


def share(part: int, whole: int) -> str:
    """Return how much of a whole it is, in percent; what rounds to nothing is not nothing."""
    if whole <= 0 or part <= 0:
        return "–"
    tenths = part * 1000 // whole
    return f"{tenths // 10} %" if tenths >= 10 else "< 1 %"


def columns(values: Sequence[int], height: int, width: int) -> list[str]:
    """Return a chart of so many lines, a column a value, or a sum of neighbours where `width` is less."""
    shown = gathered(values, width)
    most = max(max(shown, default=0), 1)
    eighths = [max(value * height * 8 // most, 1) if value > 0 else 0 for value in shown]
    lines: list[str] = []
    for level in range(height - 1, -1, -1):
        filled = (min(max(each - level * 8, 0), 8) for each in eighths)
        lines.append("".join(" " if not part else _LEVELS[part - 1] for part in filled))
    return lines
