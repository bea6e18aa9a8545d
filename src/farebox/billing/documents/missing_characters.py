"""Which characters of a document the fonts of its PDF do not have: each would be a box with a cross.

typst says nothing about them. It is asked to draw every unusual character alone, and one that no font has:
what looks the same as that one is lacking.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from farebox.billing.documents.page import Page

USUAL_UNTIL = "\u024f"
"""Latin letters: the bundled fonts have all of them."""
_LOOKED_AT_MAX = 2_000
_NOBODY_HAS = "\U0010fffd"
_UNSEEN = frozenset(("Cc", "Cf", "Cn", "Cs", "Mn", "Zl", "Zp", "Zs"))
"""Categories of characters that are not drawn, or drawn on another one."""
_GLYPH = re.compile(rb'href="#(g[0-9A-F]+)"')
_SOURCE = b"""
#set page(width: auto, height: auto)
#set text(font: ("Libertinus Serif", "DejaVu Sans Mono"))
#json(bytes(sys.inputs.characters)).map(text).join(pagebreak())
"""


def missing_characters(page: Page, compiler: Any, fonts: str | None) -> str:
    """Return the characters of a page that no font has, each once; `compiler` is typst."""
    seen = {character for text in _texts(msgspec.to_builtins(page)) for character in text}
    unusual = sorted(
        each for each in seen if each > USUAL_UNTIL and unicodedata.category(each) not in _UNSEEN
    )[:_LOOKED_AT_MAX]
    if not unusual:
        return ""
    drawn: list[bytes] = compiler.compile(
        _SOURCE,
        format="svg",
        sys_inputs={"characters": msgspec.json.encode([_NOBODY_HAS, *unusual]).decode()},
        font_paths=[Path(fonts)] if fonts else [],
        ignore_system_fonts=True,
    )
    box, *glyphs = (_GLYPH.findall(each) for each in drawn)
    return "".join(each for each, glyph in zip(unusual, glyphs, strict=True) if box[0] in glyph)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():  # pyright: ignore[reportUnknownVariableType]
            yield from _texts(each)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list | tuple):
        for each in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _texts(each)  # pyright: ignore[reportUnknownArgumentType]
