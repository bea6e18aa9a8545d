"""What the terminal shows: tables that fit it, money with what is uncertain about it, colour only on a
terminal.

Text that came from outside (a model's name, a path) is cleaned of control characters, so that a response
cannot send control sequences to the user's terminal.
"""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from farebox.analytics.query import Measures
from farebox.money import display_usd
from farebox.plain_text import visible

BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"


def colourful(stream: TextIO) -> bool:
    """Return whether `stream` may be coloured: a terminal, and NO_COLOR not set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, code: str, stream: TextIO | None = None) -> str:
    """Return `text` in a colour or weight where the stream shows it."""
    return f"\x1b[{code}m{text}\x1b[0m" if colourful(stream or sys.stdout) else text


def clean(text: object) -> str:
    """Return `text` on one line without control characters, changes of direction and what cannot be seen."""
    return visible(str(text))


@dataclass(frozen=True)
class Column:
    """A column of a table; where space is short, the one with the highest `drop` above zero goes first."""

    title: str
    right: bool = False
    drop: int = 0
    width_max: int = 60
    width_min: int | None = None
    """How far its texts may be shortened, with an ellipsis, before a column is dropped to make room. None
    for figures, and for text that users copy: these are never shortened."""


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Return `rows` under their titles, narrow enough for the terminal."""
    available = width if width is not None else terminal_width()
    cells = [
        [_shorten(clean(cell), column.width_max) for cell, column in zip(row, columns, strict=True)]
        for row in rows
    ]
    full = [
        max([display_width(column.title), *(display_width(row[at]) for row in cells)])
        for at, column in enumerate(columns)
    ]
    kept = list(range(len(columns)))
    while _least(columns, full, kept) > available:
        droppable = [at for at in kept if columns[at].drop]
        if not droppable:
            break
        kept.remove(max(droppable, key=lambda at: columns[at].drop))
    sizes = _fitted(columns, full, kept, available)

    def line(values: Sequence[str]) -> str:
        parts = [_pad(_shorten(values[at], sizes[at]), sizes[at], columns[at].right) for at in kept]
        return "  ".join(parts).rstrip()

    head = paint(line([column.title for column in columns]), DIM)
    return "\n".join([head, *(line(row) for row in cells)])


SHORTEST = 6
"""Where nothing is left to drop, texts that may be shortened are shortened to this."""


def _least(columns: Sequence[Column], full: Sequence[int], kept: Sequence[int]) -> int:
    """Return the width of the kept columns with their texts as short as they may be."""
    widths = (min(full[at], columns[at].width_min or full[at]) for at in kept)
    return sum(widths) + 2 * (len(kept) - 1)


def _fitted(
    columns: Sequence[Column], full: Sequence[int], kept: Sequence[int], available: int
) -> dict[int, int]:
    """Return a width for each kept column, the longest texts shortened first until the line fits."""
    sizes = {at: full[at] for at in kept}
    at_will = {at: columns[at].width_min or full[at] for at in kept}
    at_worst = {at: SHORTEST if columns[at].width_min else full[at] for at in kept}
    for least in (at_will, at_worst):
        while sum(sizes.values()) + 2 * (len(kept) - 1) > available:
            long = [at for at in kept if sizes[at] > least[at]]
            if not long:
                break
            sizes[max(long, key=lambda at: sizes[at])] -= 1
    return sizes


def terminal_width() -> int:
    """Return the columns there are; where output goes to a file, as many as it takes."""
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        return 1_000
    return shutil.get_terminal_size().columns


def money(measures: Measures, *, covered: bool = True, brief: bool = False) -> str:
    """Return a total with its coverage: `≥ $12.40 · 3 calls unpriced`.

    Where it is not `covered`, calls are known to be missing and it is a lower bound in any case.
    `brief` is for a table, where a column says how many calls: `≥ $12.40 · 3 unpriced`.
    """
    amount = display_usd(measures.cost_pico)
    notes: list[str] = []
    if measures.unpriced_calls or not covered:
        amount = f"≥ {amount}"
    if measures.unpriced_calls:
        unpriced = measures.unpriced_calls
        notes.append(f"{f'{unpriced:,}' if brief else count(unpriced, 'call')} unpriced")
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


def fitted(parts: Sequence[str], width: int | None = None) -> list[str]:
    """Return words with dots between them, on as many lines as the terminal needs."""
    available = width if width is not None else terminal_width()
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]} · {part}" if lines else part
        if lines and display_width(longer) <= available:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


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
    """Return `text` in at most `width` cells, its middle replaced by an ellipsis where it is longer.

    Both ends stay: names of models differ in their last characters as often as in their first.
    """
    if display_width(text) <= width:
        return text
    head, tail = text[: len(text) // 2], text[len(text) // 2 :]
    while display_width(head) + display_width(tail) > width - 1:
        if display_width(head) > display_width(tail):
            head = head[:-1]
        else:
            tail = tail[1:]
    return f"{head}…{tail}"
