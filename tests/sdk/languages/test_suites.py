"""The suites that the other languages have of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def run(*command: str, folder: Path) -> None:
    found = subprocess.run(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-8000:]


def test_the_node_suite_passes(node: str) -> None:
    folder = ROOT / "sdk" / "node"
    run(
        node,
        "--test",
        *sorted(f"test/{path.name}" for path in (folder / "test").glob("*.test.js")),
        folder=folder,
    )


def test_the_node_package_has_nothing_that_the_linter_finds(node: str) -> None:
    linter = ROOT / "dashboard" / "node_modules" / ".bin" / "biome"
    if not linter.is_file():
        pytest.skip("the linter of the dashboard is not installed: make dashboard")
    run(str(linter), "lint", "--error-on-warnings", "src", "test", folder=ROOT / "sdk" / "node")


def test_the_types_of_the_node_package_say_what_it_takes(node: str) -> None:
    compiler = ROOT / "dashboard" / "node_modules" / ".bin" / "tsc"
    if not compiler.is_file():
        pytest.skip("the TypeScript of the dashboard is not installed: make dashboard")
    options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--lib", "es2023,dom"]
    run(str(compiler), *options, "test/types.ts", folder=ROOT / "sdk" / "node")


def test_the_go_suite_passes(go: str) -> None:
    run(go, "test", "./...", folder=ROOT / "sdk" / "go")


def test_the_go_package_stands_on_the_standard_library_alone_and_is_formatted(go: str) -> None:
    folder = ROOT / "sdk" / "go"
    assert "require" not in (folder / "go.mod").read_text()
    run(go, "vet", "./...", folder=folder)
    formatted = subprocess.run(
        ["gofmt", "-l", "."], cwd=folder, stdout=subprocess.PIPE, text=True, check=True
    )
    assert formatted.stdout == ""
