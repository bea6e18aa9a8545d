"""The words that `make words` finds, and those it leaves alone."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[1] / "tools" / "check_words.py"
spec = importlib.util.spec_from_file_location("check_words", TOOL)
assert spec is not None and spec.loader is not None
check_words = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_words)


@pytest.mark.parametrize(
    ("name", "source", "line", "word"),
    [
        ("a.md", "# Title\n\nA count of nought.\n", 3, "nought"),
        ("a.md", "One sentence. Who owns the file can change it.\n", 1, ". Who owns the file can"),
        ("a.md", "The last byte\nof the answer is late.\n", 1, "byte of the answer"),
        ("a.py", '"""The dearest model."""\n', 1, "dearest"),
        ("a.py", 'x = 1\n\n\ndef f() -> None:\n    """Do it.\n\n    What is amiss.\n    """\n', 7, "amiss"),
        ("a.py", "x = 1  # what comes goes as\n# it came\n", 1, "goes as it came"),
        ("a.py", 'x = f"{1} is amiss"\n', 1, "amiss"),
        ("a.tsx", "<p>The dearest model</p>\n", 1, "dearest"),
        ("a.sql", "-- a proxy that ends TLS\n", 1, "ends TLS"),
    ],
)
def test_a_word_that_is_not_used_here_is_found(name: str, source: str, line: int, word: str) -> None:
    (found,) = check_words.findings(name, source)
    assert (found.line, found.word) == (line, word)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.py", "def amiss(nought: int) -> int:\n    return nought\n"),
        ("a.py", 'x = f"{amiss(nought)}"\n'),
        ("a.py", '"""The provider says "the body of the answer is empty" then."""\n'),
        ("a.py", "# `amiss` is the field's name\n"),
        ("a.md", "```\nnought\n```\n\nIts message is `no such answer: nought`.\n"),
        ("a.md", "An answer to a question names its row. Who is it? Who asked for it: the writer.\n"),
        ("a.md", "deafening, test_a_nought_stays\n"),
    ],
)
def test_names_in_code_and_quotations_are_left_alone(name: str, source: str) -> None:
    assert check_words.findings(name, source) == []
