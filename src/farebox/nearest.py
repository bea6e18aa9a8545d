"""What somebody who mistyped a word probably meant: the one guess that every message makes."""

from __future__ import annotations

from collections.abc import Iterable

_LIKE = 0.6


def nearest(word: str, known: Iterable[str], *, most: int = 1, like: float = _LIKE) -> list[str]:
    """Return those of `known` that are most like `word`, the likeliest first; capitals count for nothing.

    `like` is how much has to be the same, from 0 to 1.
    """
    import difflib  # only where something was mistyped: every command imports this module

    lowered: dict[str, str] = {}
    for each in known:
        lowered.setdefault(each.lower(), each)
    return [lowered[each] for each in difflib.get_close_matches(word.lower(), lowered, n=most, cutoff=like)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean "durability"?` where one of `known` is close, else nothing."""
    close = nearest(word, known)
    return f'; did you mean "{close[0]}"?' if close else ""
