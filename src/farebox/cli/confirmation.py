"""Ask before something is done that takes away or loosens."""

from __future__ import annotations

import sys


def is_confirmed(question: str, *, as_json: bool = False) -> bool:
    """Ask on a terminal; return False anywhere else, where nobody can be asked."""
    if as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    return input(f"{question} Type yes: ").strip().lower() == "yes"
