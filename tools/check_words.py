"""Find words that a new colleague would have to ask about, in everything that a person reads.

Checks Markdown, comments and strings in Python, and every line of other sources. Text in backticks or in
quotation marks is a quotation, and a name in code is no text: neither is checked.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

WORDS = {
    r"noughts?": "zero",
    r"dearest|dearer": "most expensive, more expensive",
    r"amiss": "wrong",
    r"deaf": "say what fails: the upstream that reads nothing, the failed meter",
    r"by what right": "say which permission or credential",
    r"hears? nothing": "say what is not received",
    r"(?:goes|go|pass|passes) as (?:it|they) (?:came|comes?)": "is passed on unchanged",
    r"end(?:s|ed|ing)? (?:the |the same |a )?(?:client's )?TLS": "terminates TLS",
    r"who (?:cannot take|takes no) more": "a client that reads too slowly",
    r"so that who": "so that whoever, or the noun",
    r"prompts? (?:and|or|nor) answers?": "prompts and responses",
    r"requests? (?:and|or|nor) (?:of )?(?:an? )?answers?": "requests and responses",
    r"(?:bytes?|end|beginning|head|body|parts?|rest|text|id) of (?:the|an?|its) answer": "of the response",
    r"(?:JSON|HTTP|chat|streamed|recorded|malformed|interim) answers?": "response",
    r"(?:provider|upstream|model|proxy|server|host)'s answers?": "response",
    r"answers? of (?:the|an?) (?:provider|model|upstream|endpoint|route|host)": "response",
    r"no answer had begun|before any answer|long before an answer": "response",
    r"models? that answered": "the model that responded",
}
"""Patterns of what is not written, each with what to write instead; a space stands for any white space."""

SENTENCES = {
    r"(?:^|[.:;] )Who (?!is |was |does )[a-z]+s [^.:;?]*?\b(?:is|are|can|may|must|gets|has|deletes)\b": (
        "whoever, or the noun"
    ),
}
"""The same, with the case of letters."""

_LOOKED_AT = ("*.md", "src", "tests", "tools", "docs", "changelog.d", "dashboard/*.md", "dashboard/src")
_SUFFIXES = {".py", ".md", ".ts", ".tsx", ".mjs", ".css", ".sql", ".yaml", ".sh"}
_DATA = {"__pycache__", "node_modules", "snapshots", "fixtures", "web", "_compiled", "matrix"}
_OWN = {"tools/check_words.py", "tests/test_check_words.py"}


def _spaced(pattern: str) -> str:
    return pattern.replace(" ", r"\s+")


_PATTERNS = [
    *(
        (re.compile(rf"(?<![\w-])(?:{_spaced(words)})(?![\w-])", re.IGNORECASE), instead)
        for words, instead in WORDS.items()
    ),
    *((re.compile(_spaced(words), re.MULTILINE), instead) for words, instead in SENTENCES.items()),
]
_FENCE = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
_QUOTED = re.compile(r"`[^`]*`|\"[^\"\n]*\"|“[^”]*”")


class Finding(NamedTuple):
    """A word that should not be there."""

    line: int
    word: str
    instead: str


def findings(name: str, source: str) -> list[Finding]:
    """Return what is to be reworded in a file of this name, by line."""
    found: list[Finding] = []
    for first, text in _texts(name, source):
        seen = _QUOTED.sub(_blank, text)
        for pattern, instead in _PATTERNS:
            for match in pattern.finditer(seen):
                line = first + seen.count("\n", 0, match.start())
                found.append(Finding(line, " ".join(match.group().split()), instead))
    return sorted(found)


def _texts(name: str, source: str) -> Iterator[tuple[int, str]]:
    """Yield what a person reads, each with the number of its first line."""
    if name.endswith(".py"):
        yield from _comments(source)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.lineno, node.value
    elif name.endswith(".md"):
        yield 1, _FENCE.sub(_blank, source)
    else:
        yield 1, source


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield comments; those on lines that follow each other are one text."""
    first, lines = 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if lines and token.start[0] != first + len(lines):
            yield first, "\n".join(lines)
            lines = []
        if not lines:
            first = token.start[0]
        lines.append(token.string.lstrip("# "))
    if lines:
        yield first, "\n".join(lines)


def _blank(match: re.Match[str]) -> str:
    """Return as many lines as there were, with nothing on them."""
    return "·" + "\n" * match.group().count("\n")


def _files() -> Iterator[Path]:
    for place in _LOOKED_AT:
        for top in sorted(ROOT.glob(place)):
            for path in sorted(top.rglob("*")) if top.is_dir() else (top,):
                name = path.relative_to(ROOT)
                known = path.suffix in _SUFFIXES and not _DATA & set(name.parts) and str(name) not in _OWN
                if known:
                    yield path


def main() -> int:
    """Print every finding; 1 where there is one."""
    count = 0
    for path in _files():
        for line, word, instead in findings(path.name, path.read_text("utf-8")):
            count += 1
            print(f"{path.relative_to(ROOT)}:{line}: “{word}”: {instead}")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
