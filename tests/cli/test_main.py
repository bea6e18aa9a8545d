"""The words people try first."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from farebox import __version__
from farebox.cli.app import app, as_help_flag
from farebox.cli.main import main


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["farebox", *arguments])
    return main()


@pytest.mark.parametrize("word", ["--version", "-v", "-V", "version"])
def test_the_version_is_said_however_it_is_asked_for(
    word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, word) == 0
    assert capsys.readouterr().out == f"farebox {__version__}\n"


@pytest.mark.parametrize("words", [("help",), ("--help",), ("-h",)])
def test_help_lists_the_commands(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *words) == 0
    assert "Show what was spent today." in capsys.readouterr().out


def test_help_with_a_command_is_that_commands_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "help", "prices", "show") == 0
    assert "prices show" in capsys.readouterr().out
    assert as_help_flag(["run", "help"]) == ["run", "help"]


def test_a_wrong_word_suggests_the_right_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "hlep") == 64
    assert 'did you mean "help"?' in capsys.readouterr().err


def test_a_word_too_many_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "keys", "everything") == 64
    assert "nothing of this command is called 'everything'" in capsys.readouterr().err


def test_what_has_a_place_has_no_flag_and_every_command_says_what_it_does() -> None:
    pages = app.generate_docs(output_format="markdown", heading_level=1)
    assert re.findall(r"^\* `[A-Z-]+, --.*", pages, re.MULTILINE) == []
    listed = re.findall(r"^\* \[?`([a-z][a-z -]*)`.*", pages, re.MULTILINE)
    assert {"today", "tokens"} <= set(listed)
    assert re.findall(r"^\* \[?`[a-z][a-z -]*`(?:\]\(#[^)]*\))?:?\s*$", pages, re.MULTILINE) == []


def test_a_mistyped_command_beneath_another_is_told_the_nearest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for words, told in ((["budget", "lst"], '"list"'), (["budget", "shwo", "x"], '"show"')):
        monkeypatch.setattr(sys, "argv", ["farebox", *words])
        assert main() == 64
        assert f"did you mean {told}?" in capsys.readouterr().err
