"""Text of others as it may stand on a document or a terminal: visible characters, on known lines.

What customers, plans and calls are called was written by many hands. None of it may end a line of an
e-mail's header, turn the reading direction of the amount beside it, hide characters or fill pages.
Escaping for HTML, CSV and PDF is each renderer's own.
"""

from __future__ import annotations

import unicodedata

LINE_MAX = 400
BLOCK_MAX = 2_000
LINES_MAX = 12
_MARKS_MAX = 3
"""How many combining marks a character keeps: more of them paint over the lines above and below."""

_JOINERS = "\u200c\u200d"
"""Persian words and composed emoji need these two invisible characters; every other one is left out."""

_BREAKS = frozenset("\n\r\t\v\f\x1c\x1d\x1e\x85\u2028\u2029")


def line(text: str, length_max: int = LINE_MAX) -> str:
    """Return `text` as one line of visible characters, shortened with an ellipsis."""
    text = text[: length_max * 8]
    found = text.strip() if text.isascii() and text.isprintable() else _visible(text).strip()
    return found if len(found) <= length_max else found[: length_max - 1].rstrip() + "…"


def _visible(text: str) -> str:
    shown: list[str] = []
    marks = 0
    for character in text:
        kind = unicodedata.category(character)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if character in _BREAKS or kind == "Zs":
            shown.append(" " if kind != "Zs" or character == " " else character)
        elif character in _JOINERS or (kind[0] != "C" and marks <= _MARKS_MAX):
            shown.append(character)
        elif kind in ("Cc", "Cs", "Co", "Cn"):
            shown.append("\N{REPLACEMENT CHARACTER}")
    return "".join(shown)


def visible(text: str) -> str:
    """Return `text` as a terminal may show it: each character that is none stands there as a replacement."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if kind[0] == "C" or kind in ("Zl", "Zp") else character
        for character, kind in zip(text, map(unicodedata.category, text), strict=True)
    )


def block(text: str) -> list[str]:
    """Return `text` of several lines, an address, as lines of visible characters without empty ones."""
    rows = [line(row, 200) for row in text[:BLOCK_MAX].replace("\r\n", "\n").split("\n")]
    rows = [row for row in rows if row]
    return rows if len(rows) <= LINES_MAX else [*rows[: LINES_MAX - 1], "…"]
