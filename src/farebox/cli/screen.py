"""What the terminal shows: tables that fit it, money with its certainty, colour only on one.

Text that came from outside (a model's name, a path) is cleaned of control characters, so that
nobody's response can drive the user's terminal.
"""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from farebox.ledger.rows import Measures
from farebox.money import display_usd

BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"


def colourful(stream: TextIO) -> bool:
    """Return whether `stream` may be coloured: a terminal, and NO_COLOR not set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, code: str, stream: TextIO | None = None) -> str:
    """Return `text` in a colour or weight where the stream shows it."""
    return f"\x1b[{code}m{text}\x1b[0m" if colourful(stream or sys.stdout) else text


def clean(text: object) -> str:
    """Return `text` on one line without control characters."""
    return "".join(
        character if unicodedata.category(character)[0] != "C" else "\N{REPLACEMENT CHARACTER}"
        for character in str(text)
    )


@dataclass(frozen=True)
class Column:
    """A column of a table; of `drop` above zero, the highest goes first where space is short."""

    title: str
    right: bool = False
    drop: int = 0
    width_max: int = 60


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Return `rows` under their titles, narrow enough for the terminal."""
    available = width if width is not None else terminal_width()
    cells = [
        [_shorten(clean(cell), column.width_max) for cell, column in zip(row, columns, strict=True)]
        for row in rows
    ]
    kept = list(range(len(columns)))

    def widths() -> list[int]:
        return [
            max([display_width(columns[i].title), *(display_width(row[i]) for row in cells)]) for i in kept
        ]

    while sum(widths()) + 2 * (len(kept) - 1) > available:
        droppable = [i for i in kept if columns[i].drop]
        if not droppable:
            break
        kept.remove(max(droppable, key=lambda i: columns[i].drop))
    sizes = widths()

    def line(values: Sequence[str]) -> str:
        parts = [_pad(values[i], size, columns[i].right) for i, size in zip(kept, sizes, strict=True)]
        return "  ".join(parts).rstrip()

    head = paint(line([column.title for column in columns]), DIM)
    return "\n".join([head, *(line(row) for row in cells)])


def terminal_width() -> int:
    """Return the columns there are; where output goes to a file, as many as it takes."""
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        return 1_000
    return shutil.get_terminal_size().columns


def money(measures: Measures, *, covered: bool = True) -> str:
    """Return a total with its coverage: `≥ $12.40 · 3 calls unpriced`.

    Where it is not `covered`, calls are known to be missing and it is a lower bound in any case.
    """
    amount = display_usd(measures.cost_pico)
    notes: list[str] = []
    if measures.unpriced_calls or not covered:
        amount = f"≥ {amount}"
    if measures.unpriced_calls:
        notes.append(f"{count(measures.unpriced_calls, 'call')} unpriced")
    if measures.estimated_calls:
        notes.append(f"{measures.estimated_calls} estimated")
    return " · ".join([amount, *notes])


def call_money(cost_pico: int | None, cost_state: str) -> str:
    """Return one call's cost; without a price, its state and never a zero."""
    if cost_pico is None:
        return cost_state
    amount = display_usd(cost_pico)
    if cost_state == "estimated":
        return f"~{amount}"
    return f"≥ {amount}" if cost_state in ("unpriced", "unknown") else amount


def count(number: int, noun: str) -> str:
    """Return `1 call`, `1,234 calls`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def display_width(text: str) -> int:
    """Return how many terminal cells `text` takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _pad(text: str, width: int, right: bool) -> str:
    space = " " * (width - display_width(text))
    return space + text if right else text + space


def _shorten(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
