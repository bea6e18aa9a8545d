"""Find rows by the beginning of their id, as listings show it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ColumnElement, false

CHARACTERS_MIN = 8
"""With fewer, the beginning of an id is a guess, or a mistyped name."""


def begins_with(column: Column[Any], said: str) -> ColumnElement[bool]:
    """Return the condition that an id begins so; too few characters begin none."""
    if len(said) < CHARACTERS_MIN:
        return false()
    return column.startswith(said.lower(), autoescape=True)
