"""Commands that are suggested work as typed in the shell they are shown in."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from farebox.cli.app import app
from farebox.home import Home, locate
from farebox.program import command, program

SOURCES = Path(__file__).resolve().parent.parent / "src" / "farebox"
BESIDE = Path(sys.executable).with_name("farebox")
NAMES = "|".join(name for name in app if not name.startswith("-"))
SUGGESTION = re.compile(rf"\bfarebox (?:{NAMES}|--help)\b")
TYPED_LATER = {"help"}
"""Texts made when a module is loaded, which are read beside the flag they explain."""


PROVENANCE = {"_write", "replace_prices", "write_prices"}
"""These write where a price file came from, which is no suggestion."""


@pytest.fixture
def started_as_module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A process that has no `farebox` in `sys.argv`, in an empty directory."""
    monkeypatch.setattr(sys, "argv", ["/x/farebox/cli/daemon/banner.py"])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_plain_name_is_used_where_the_shell_finds_this_farebox(
    started_as_module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(BESIDE.parent))
    assert command("status") == "farebox status"


def test_a_path_is_used_where_the_shell_finds_none_or_another(
    started_as_module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(started_as_module))
    assert command("status") == f"{BESIDE} status"
    other = started_as_module / "farebox"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    assert command("status") == f"{BESIDE} status"


def test_inside_the_clone_the_path_is_the_short_one(
    started_as_module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(BESIDE.parent.parent)
    assert program() == f"{BESIDE.parent.name}/farebox"
    assert program(anywhere=True) == str(BESIDE)


def test_a_home_of_ones_own_is_named_before_the_other_programs_words(
    started_as_module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(BESIDE.parent))
    home = Home(Path("/tmp/my home"))
    assert command("run -- python app.py", home) == "farebox run --home '/tmp/my home' -- python app.py"
    monkeypatch.delenv("FAREBOX_HOME", raising=False)
    assert command("status", locate()) == "farebox status"


def test_what_is_suggested_in_a_clone_can_be_typed_there(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "FAREBOX_HOME": str(tmp_path / "home")}
    shown = subprocess.run([BESIDE], env=environment, capture_output=True, text=True, check=True).stdout
    line = next(line.strip() for line in shown.splitlines() if " up --home " in line)
    typed = f"{line} --help"
    done = subprocess.run(["/bin/sh", "-c", typed], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def suggestions_spelled_by_hand(source: str) -> list[str]:
    """Return the texts of a module that name a command of ours without asking how it is typed."""
    tree = ast.parse(source)
    exempt: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            exempt |= {each.value for each in node.body if isinstance(each, ast.Expr)}
        if isinstance(node, ast.Module | ast.ClassDef):
            exempt |= {each.value for each in node.body if isinstance(each, ast.Assign)}
        if isinstance(node, ast.keyword) and node.arg in TYPED_LATER:
            exempt |= set(ast.walk(node))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in PROVENANCE:
            exempt |= set(ast.walk(node))
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in exempt
        if SUGGESTION.search(node.value)
    ]


def test_every_command_that_the_cli_suggests_is_spelled_as_the_user_can_type_it() -> None:
    found = {
        path.name: suggestions
        for path in sorted((SOURCES / "cli").rglob("*.py"))
        if path.parent.name != "preload"
        if (suggestions := suggestions_spelled_by_hand(path.read_text()))
    }
    assert found == {}


def test_a_suggestion_spelled_by_hand_is_found() -> None:
    assert suggestions_spelled_by_hand('def f():\n    """farebox up"""\n    say("type: farebox up")\n')
